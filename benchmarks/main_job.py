"""The main job on a real photo set: accuracy, wall and CPU seconds, peak memory. JSON out.

    python benchmarks/main_job.py ../shared/data/clothing
    python benchmarks/main_job.py PHOTOS -- --recipe few-photos --seed 1

What follows `--` is given to `tlearn finetune`. The whole command is measured from outside, as a
user runs it: import, reading, training, evaluation, export and its check.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tlearn import runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="what --dataset takes")
    parser.add_argument("--backbone", default="efficientnet")
    parser.add_argument("--output", help="keep the run folder here")
    parser.add_argument("options", nargs="*", help="more options of tlearn finetune, after --")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(given.output or scratch)
        options = ["--dataset", given.photos, "--backbone", given.backbone, *given.options]
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "tlearn", "finetune", *options, "--output", str(output)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        wall = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = runs.latest(output)
        result = {
            "command": ["tlearn", "finetune", *options],
            "dataset": run.info["dataset"],
            "metrics": run.summary.set_index("metric").to_dict("index"),
            "validation": run.info["validation"],
            "export": run.info["export"],
            "wall_seconds": round(wall, 1),
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
            "peak_memory_gb": round(used.ru_maxrss * 1024 / 1e9, 2),  # ru_maxrss is in KiB on Linux
            "seconds": run.info["seconds"],
            "stages": run.stages.to_dict("records"),
            "cores": os.cpu_count(),
            "machine": platform.processor() or platform.machine(),
            "versions": run.info["versions"],
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
