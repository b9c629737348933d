"""The main job on a real photo set: accuracy, wall and CPU seconds, peak memory. JSON out.

    python benchmarks/main_job.py ../shared/data/clothing
    python benchmarks/main_job.py PHOTOS -- --recipe few-photos --seed 1

What follows `--` is given to `tlearn finetune`. The whole command is measured from outside, as a
user runs it: import, reading, training, evaluation, export and its check. It is a first run: its
cache folder is new, unless --cache names one.
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
    parser.add_argument("--backbone", default="efficientnet")
    parser.add_argument("--output", type=Path, help="keep the run folder here")
    parser.add_argument("--cache", type=Path, help="use this cache folder, and keep it")
    given = measuring.parse(parser)
    options = ["--backbone", given.backbone, *given.options]
    with tempfile.TemporaryDirectory() as scratch:
        run, cost = fine_tuning.run(
            given.photos,
            options,
            output=given.output or Path(scratch, "runs"),
            cache=given.cache or Path(scratch, "cache"),
        )
        result = {
            "command": ["tlearn", "finetune", "--dataset", given.photos, *options],
            "dataset": run.info["dataset"],
            "metrics": run.summary.set_index("metric").to_dict("index"),
            "validation": run.info["validation"],
            "export": run.info["export"],
            **cost.as_dict(),
            "seconds": run.info["seconds"],
            "stages": fine_tuning.stages(run),
            **measuring.machine(),
            "versions": run.info["versions"],
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
