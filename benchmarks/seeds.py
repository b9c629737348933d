"""How far the default command's figures move with the seed. JSON out.

    python benchmarks/seeds.py ../shared/data/clothing
    python benchmarks/seeds.py PHOTOS --seeds 0,1,2,3,4 -- --recipe few-photos

Each seed is a first run: a fresh process with an empty cache. Where the photos have no given split
the seed divides them, too, so each seed is judged by other test photos. What follows `--` is given to
`tlearn finetune`. One JSON object per seed, then one of all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import fine_tuning
import measuring


def spread(values: list[float]) -> dict[str, float | None]:
    return {
        "mean": statistics.fmean(values),
        "standard_deviation": statistics.stdev(values) if len(values) > 1 else None,
        "least": min(values),
        "most": max(values),
    }


def measure(photos: str, seed: int, options: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        run, cost = fine_tuning.run(
            photos,
            [*options, "--seed", str(seed)],
            output=Path(scratch, "runs"),
            cache=Path(scratch, "cache"),
        )
        return {"seed": seed, **cost.as_dict(), **fine_tuning.reached(run)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--seeds", type=measuring.whole_numbers, default=(0, 1, 2))
    given = measuring.parse(parser)
    results = []
    for seed in given.seeds:
        results.append(measure(given.photos, seed, given.options))
        print(json.dumps(results[-1]), flush=True)
    figures: dict[str, list[float]] = {
        **{name: [r[name]["value"] for r in results] for name in ("accuracy", "macro_f1")},
        **{name: [r[name] for r in results] for name in measuring.Cost.__annotations__},
    }
    summary = {name: spread(values) for name, values in figures.items()}
    print(json.dumps({"seeds": given.seeds, "options": given.options, **summary}))


if __name__ == "__main__":
    main()
