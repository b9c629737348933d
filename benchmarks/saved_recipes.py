"""What each saved recipe gives beside the default recipe, on photos of its situation. JSON out.

    python benchmarks/saved_recipes.py ../shared/data                 # all, about half an hour on 2 cores
    python benchmarks/saved_recipes.py ../shared/data --only few-photos

The sets are small and the size of the photos reduced so that all of it ends within the hour; what
is compared is compared on the same test photos and at the same size, unless a larger one is what the
recipe's command asks for. One seed: differences of a point or two are noise, which the intervals
show.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

import tlearn
from tlearn import datasets
from tlearn.datasets import sample


def few_clothes(photos: Path, scratch: Path) -> tuple[Path, int]:
    """Ten training and five validation photos of each class of clothing; its whole test split."""
    return _table(photos / "clothing", scratch, train=10, validation=5), 160


def similar_clothes(photos: Path, scratch: Path) -> tuple[Path, int]:
    """A hundred training photos of each of the four kinds of tops."""
    tops = ("longsleeve", "outwear", "shirt", "t-shirt")
    return _table(photos / "clothing", scratch, train=100, validation=20, labels=tops), 112


def rubbish(photos: Path, scratch: Path) -> tuple[Path, int]:
    """All of trash: its smallest class has a quarter of the photos of its largest."""
    return photos / "trash", 96


def digits(photos: Path, scratch: Path) -> tuple[Path, int]:
    """Handwritten digits, where left is not right."""
    folder = scratch / "digits"
    sample.write(folder, per_class=40)
    return folder, 96


SITUATIONS: dict[str, Callable[[Path, Path], tuple[Path, int]]] = {
    "few-photos": few_clothes,
    "fine-grained": similar_clothes,
    "imbalanced": rubbish,
    "documents-or-scans": digits,
    "many-photos": rubbish,
}

# What a recipe's own command asks for in place of the set's size.
LARGER = {"fine-grained": 160}


def _table(
    source: Path, scratch: Path, *, train: int, validation: int, labels: tuple[str, ...] = ()
) -> Path:
    examples = datasets.load(source).examples
    if labels:
        examples = examples[examples["label"].isin(labels)]
    parts = [examples[examples["split"] == "test"]]
    for split, number in (("train", train), ("validation", validation)):
        of_split = examples[examples["split"] == split].sample(frac=1, random_state=0)
        parts.append(of_split.groupby("label").head(number))
    path = scratch / "photos.csv"
    pd.concat(parts)[["path", "label", "split"]].to_csv(path, index=False)
    return path


def measure(dataset: Path, image_size: int, recipe: str, output: Path) -> dict[str, object]:
    started = time.process_time()
    run = tlearn.finetune(dataset, recipe=recipe, image_size=image_size, output=output)
    return {
        "recipe": recipe,
        **run.summary.set_index("metric").to_dict("index"),
        "photos": run.info["dataset"],
        "image_size": image_size,
        "cpu_seconds": round(time.process_time() - started, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="the folder that holds clothing/ and trash/")
    parser.add_argument("--only", choices=sorted(SITUATIONS))
    given = parser.parse_args()
    known: dict[tuple[str, int, str], dict[str, object]] = {}
    for name, prepare in SITUATIONS.items():
        if given.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            dataset, size = prepare(given.photos, Path(folder))
            sizes = {"freeze_then_unfreeze": size, name: LARGER.get(name, size)}
            for recipe, image_size in sizes.items():
                key = (prepare.__name__, image_size, recipe)
                if key not in known:
                    known[key] = measure(dataset, image_size, recipe, Path(folder) / "runs")
                print(
                    json.dumps({"situation": name, "set": prepare.__name__, **known[key]}),
                    flush=True,
                )


if __name__ == "__main__":
    main()
