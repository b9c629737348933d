"""What more views of each photo cost and give: 1, 2, 4, 8. JSON out.

    python benchmarks/views.py ../shared/data/trash
    python benchmarks/views.py PHOTOS --views 1,16 -- --seed 1

A view is one augmented copy of a training photo whose frozen features are kept. Each number is a
first run: a fresh process with an empty cache. What follows `--` is given to `tlearn finetune`. One
JSON object per number; its `to_fewest` is what it cost as a multiple of the first one's. One seed:
differences of a point or two are noise, which the intervals show.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import fine_tuning
import measuring


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--views", type=measuring.whole_numbers, default=(1, 2, 4, 8))
    given = measuring.parse(parser)
    first: measuring.Cost | None = None
    for views in given.views:
        with tempfile.TemporaryDirectory() as scratch:
            run, cost = fine_tuning.run(
                given.photos,
                ["--views", str(views), *given.options],
                output=Path(scratch, "runs"),
                cache=Path(scratch, "cache"),
            )
            first = first or cost
            result = {
                "views": views,
                **cost.as_dict(),
                "to_fewest": measuring.ratios(cost, to=first),
                **fine_tuning.reached(run),
                "stages": fine_tuning.stages(run),
                "seconds": run.info["seconds"],
                "features": run.info.get("features"),
            }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
