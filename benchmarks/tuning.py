"""What `tlearn tune` gains and costs, on validation and then on the test photos. JSON out.

    python benchmarks/tuning.py ../shared/data/trash --trials 20
    python benchmarks/tuning.py PHOTOS --trials 12 -- --image-size 96

The search is a first run with an empty cache. Then the recipe it began with and the best one are
trained by `tlearn finetune`, the former with an empty cache of its own, so that its cost is that of
one first run: the test photos are looked at by these two alone. What follows `--` is given to all three.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import fine_tuning
import measuring

from tlearn.runs import Run


def paired(default: Run, best: Run) -> dict[str, int]:
    """Of the test photos, how many only one of the two told right."""
    tables = [run.predictions[run.predictions["split"] == "test"] for run in (default, best)]
    right = [(table["label"] == table["predicted"]).to_numpy() for table in tables]
    return {
        "photos": len(right[0]),
        "only_default_right": int((right[0] & ~right[1]).sum()),
        "only_best_right": int((right[1] & ~right[0]).sum()),
    }


def measure(photos: str, trials: int, options: list[str], scratch: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tlearn", "tune", "--dataset", photos, *options]
    command += ["--trials", str(trials), "--output", str(scratch), "--name", "search"]
    cache = scratch / "cache"
    written, cost = measuring.run([*command, "--format", "json"], {"TLEARN_CACHE": str(cache)})
    table = json.loads(written)
    result: dict[str, Any] = {
        "search": {
            **cost.as_dict(),
            "finished": sum(row["state"] == "finished" for row in table),
            "pruned": sum(row["state"] == "pruned" for row in table),
            "photos_computed": sum(row["photos_computed"] for row in table),
        },
        "trials": table,
    }
    runs = []
    for name, recipe, kept in (
        ("default", [], scratch / "another"),
        ("best", ["--recipe", str(scratch / "search" / "best.toml")], cache),
    ):
        run, cost = fine_tuning.run(photos, [*options, *recipe], output=scratch / name, cache=kept)
        runs.append(run)
        result[name] = {**cost.as_dict(), **fine_tuning.reached(run)}
    result["test"] = paired(*runs)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--trials", type=int, default=20)
    given = measuring.parse(parser)
    with tempfile.TemporaryDirectory() as scratch:
        result = measure(os.fspath(given.photos), given.trials, given.options, Path(scratch))
    print(json.dumps({**measuring.machine(), "options": given.options, **result}))


if __name__ == "__main__":
    main()
