"""What the audit finds of training photos that were copied into the test, and what it is worth. JSON out.

    python benchmarks/leaks.py ../shared/data/clothing
    python benchmarks/leaks.py PHOTOS --finetune -- --epochs 4

A share of the training photos (`--share 0.2`) is written anew into the test split (JPEG, quality 60; see
`planted.py` for other kinds). The first line: how many of these the audit names, and how many test photos
besides. With `--finetune` the data set is fine-tuned with and without them: the test accuracy as it is, what the
report says it is without the photos that leak, and that of the clean split.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import fine_tuning
import measuring
import numpy as np
import photo_sets
import planted

from tlearn import datasets, inspection


def plant(photos: str, folder: Path, share: float, kind: str) -> set[str]:
    """Lay the data set out in split folders, with copies in the test; their names."""
    dataset = photo_sets.divided(photos)
    folders = photo_sets.class_folders(dataset)
    photo_sets.link(dataset.examples, folder, folders)
    train = dataset.examples[dataset.examples["split"] == "train"]
    random = np.random.default_rng(0)
    names = set()
    for row in train.sample(frac=share, random_state=0).itertuples():
        name = f"copy-{row.Index:07d}.jpg"
        planted.write(row.path, kind, folder / "test" / folders[row.label] / name, random)
        names.add(name)
    return names


def accuracy(photos: str, options: list[str]) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as scratch:
        run, _ = fine_tuning.run(
            photos, options, output=Path(scratch) / "runs", cache=Path(scratch) / "cache"
        )
        return {"accuracy": run.info["metrics"]["accuracy"], "leaks": run.info["leaks"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--kind", default="re-encoded", choices=list(planted.KINDS))
    parser.add_argument("--finetune", action="store_true")
    given = measuring.parse(parser)
    with tempfile.TemporaryDirectory() as scratch:
        names = plant(given.photos, Path(scratch) / "leaky", given.share, given.kind)
        data = datasets.load(Path(scratch) / "leaky")
        found = inspection.belonging(data)
        leaks = inspection.leaks(found.dataset.examples, found.ties)
        told = {Path(path).name for path in leaks["path"]}
        print(
            json.dumps(
                {
                    "photos": len(data.examples),
                    "planted": len(names),
                    "found": round(len(names & told) / len(names), 4),
                    "others": sorted(told - names),
                    **measuring.machine(),
                }
            ),
            flush=True,
        )
        if given.finetune:
            leaky = accuracy(str(Path(scratch) / "leaky"), given.options)
            clean = accuracy(given.photos, given.options)
            print(json.dumps({"leaky": leaky, "clean": clean}), flush=True)


if __name__ == "__main__":
    main()
