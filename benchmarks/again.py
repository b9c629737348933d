"""What a run costs when one like it has been made before: another recipe, more photos. JSON out.

    python benchmarks/again.py ../shared/data/trash
    python benchmarks/again.py PHOTOS -- --image-size 96

Five runs, each a fresh process, all with one cache folder that is empty at the beginning. Each finds
what all before it have left there:

- `first`: the default command, on all photos but one in twenty of those to train on (and at least
  one of each class)
- `learning_rate`: the same recipe at half its rate
- `gradual_unfreeze`, `linear_probe`: other recipes
- `more_photos`: the default command again, after the photos held back were added

The photos lie in train/, validation/ and test/ folders of links, divided as tlearn divides them, so
that all runs are judged by the same test photos. What follows `--` is given to all. One JSON object
per run; its `to_first` is what it cost as a share of the first.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import fine_tuning
import measuring
import photo_sets

RUNS: dict[str, list[str]] = {
    "first": [],
    "learning_rate": ["--learning-rate", "0.0005"],
    "gradual_unfreeze": ["--recipe", "gradual_unfreeze"],
    "linear_probe": ["--recipe", "linear_probe"],
    "more_photos": [],
}
SHARE_ADDED = 0.05


def megabytes(folder: Path) -> float:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return round(sum(path.stat().st_size for path in files) / 1e6, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--seed", type=int, default=0)
    given = measuring.parse(parser)
    dataset = photo_sets.divided(given.photos, given.seed)
    folders = photo_sets.class_folders(dataset)
    added = photo_sets.held_back(dataset.examples, SHARE_ADDED)
    with tempfile.TemporaryDirectory() as scratch:
        photos, cache = Path(scratch, "photos"), Path(scratch, "cache")
        photo_sets.link(dataset.examples.drop(added.index), photos, folders)
        first: measuring.Cost | None = None
        for name, options in RUNS.items():
            if name == "more_photos":
                photo_sets.link(added, photos, folders)
            run, cost = fine_tuning.run(
                photos,
                ["--seed", str(given.seed), *options, *given.options],
                output=Path(scratch, "runs", name),
                cache=cache,
            )
            first = first or cost
            result = {
                "run": name,
                "options": [*options, *given.options],
                "train": run.info["dataset"]["train"],
                **cost.as_dict(),
                "to_first": measuring.ratios(cost, to=first),
                **fine_tuning.reached(run),
                "seconds": run.info["seconds"],
                "features": run.info.get("features"),
                "cache_megabytes": megabytes(cache) if cache.exists() else 0.0,
            }
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
