"""How large the page of a report is, and how long it takes, for many classes and photos.

    python benchmarks/page_size.py PHOTOS [--sizes 10x372,100x10000,1000x50000]

The predictions are drawn at random; the small pictures are of real photos, as many as a run keeps.
Prints JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import tlearn
from tlearn import evaluation, runs
from tlearn.explaining import small_photos
from tlearn.explaining.overlays import COLUMNS, MOST, SIDE
from tlearn.pages.thumbnails import small

SKILL = 0.5  # of the right class's score, in standard deviations beyond the highest other one


def predictions(classes: int, photos: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """What a classifier says of as many photos of each class."""
    names = tuple(f"class {number:04d}" for number in range(classes))
    true = np.arange(photos) % classes
    scores = np.random.default_rng(0).normal(size=(photos, classes)).astype("float32")
    scores[np.arange(photos), true] += SKILL + np.sqrt(2 * np.log(classes))
    powers = np.exp(scores)
    examples = pd.DataFrame(
        {
            "path": [f"/photos/{names[label]}/{place:06d}.jpg" for place, label in enumerate(true)],
            "label": [names[label] for label in true],
            "split": "test",
        }
    )
    shares = powers / powers.sum(axis=1, keepdims=True)
    return evaluation.make_predictions(examples, shares, names), names


def write(
    root: Path, classes: int, photos: int, pictures: list[bytes], squares: list[bytes]
) -> runs.Run:
    """A run with everything that a page shows."""
    table, names = predictions(classes, photos)
    measured = evaluation.evaluate(table, names)
    rows, room = [], small_photos.BUDGET
    ordered = small_photos.by_importance(table)["path"]
    for path, picture in zip(ordered, itertools.cycle(pictures), strict=False):
        room -= len(picture)
        if room < 0:
            break
        rows.append((path, picture))
    surest = table[~table["correct"]].nlargest(MOST, "probability")["path"]
    over = [
        (path, *[large] * 3) for path, large in zip(surest, itertools.cycle(squares), strict=False)
    ]
    with runs.unfinished(root, f"{classes}x{photos}") as folder:
        folder.write_class_names(names)
        folder.write_recipe('recipe = "freeze_then_unfreeze"\n')
        split = table[["path", "label", "split"]].assign(group=None, digest="0", decoder="graph")
        folder.write_table("splits", split)
        folder.write_table("skipped", pd.DataFrame({"path": [], "reason": []}))
        folder.write_table("stages", pd.DataFrame(_stages()))
        folder.write_table("history", pd.DataFrame(_history()))
        folder.write_table("predictions", table)
        folder.write_table("thumbnails", pd.DataFrame(rows, columns=["path", "jpeg"]))
        folder.write_table("overlays", pd.DataFrame(over, columns=list(COLUMNS)))
        folder.write_evaluation(measured)
        folder.write_info(
            {
                "dataset": {"name": "synthetic", "source": "/photos", "photos": photos,
                            "classes": classes, "train": 0, "validation": 0, "test": photos},
                "backbone": "efficientnet_lite0",
                "recipe": "freeze_then_unfreeze",
                "metrics": measured.metrics,
                "calibration": {"temperature": 1.3},
                "seed": 0,
                "batch_size": 32,
            }
        )  # fmt: skip
    assert folder.run is not None
    return folder.run


def _stages() -> dict[str, list[object]]:
    return {
        "stage": ["head", "unfreeze"], "epochs": [1, 10], "learning_rate": [1e-3, 1e-4],
        "trainable_parameters": [128_100, 3_000_000], "validation_accuracy": [0.8, 0.9],
        "validation_log_loss": [0.5, 0.3], "seconds": [60.0, 600.0], "kept": [False, True],
    }  # fmt: skip


def _history() -> dict[str, object]:
    step = np.arange(11)
    return {
        "stage": ["head"] + ["unfreeze"] * 10, "epoch": [1, *range(1, 11)],
        "loss": 1 / (1 + step), "accuracy": 1 - 0.5 / (1 + step), "val_loss": 1.1 / (1 + step),
        "val_accuracy": 1 - 0.6 / (1 + step), "val_log_loss": 0.9 / (1 + step),
        "learning_rate": 1e-3 * 0.7**step, "seconds": 60.0, "photos_per_second": 50.0,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("--sizes", default="10x372,100x10000,1000x50000")
    parser.add_argument("--keep", help="copy the pages into this folder")
    given = parser.parse_args()
    files = sorted(Path(given.photos).rglob("*.jpg"))
    step = max(1, len(files) // 300)
    some = [str(file) for file in files[::step]]
    pictures = [one for file in some if (one := small(file, small_photos.SIDE)) is not None]
    squares = [one for file in some[:MOST] if (one := small(file, SIDE)) is not None]
    told = []
    for size in given.sizes.split(","):
        classes, photos = (int(number) for number in size.split("x"))
        with tempfile.TemporaryDirectory() as root:
            run = write(Path(root), classes, photos, pictures, squares)
            begun = time.perf_counter()
            report = tlearn.report(run)
            page = report.page(Path(given.keep or root) / f"{size}.html")
            told.append(
                {
                    "classes": classes,
                    "photos": photos,
                    "mistakes": len(report.mistakes),
                    "pictures": len(run.thumbnails),
                    "accuracy": round(float(report.summary["value"][0]), 3),
                    "megabytes": round(page.stat().st_size / 1e6, 2),
                    "seconds": round(time.perf_counter() - begun, 1),
                }
            )
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
