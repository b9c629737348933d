"""Two workers against one: accuracy, photos seen, speed of features and of training, and a kill.

    python benchmarks/scaling.py PHOTOS [--cores 0,1] [--only one,two,killed] [-- OPTIONS]

Each worker is pinned to one core. One worker on one core, two workers on two, and two of which one
is killed after the first epoch of training and the group started again; each with a cache of its
own, the same seed and the same global batch. What follows `--` is given to `tlearn finetune`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from tlearn import runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos")
    parser.add_argument("--cores", default="0,1")
    parser.add_argument("--only", default="one,two,killed")
    own, options = _divided(sys.argv[1:])
    given = parser.parse_args(own)
    cores = given.cores.split(",")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        ways: dict[str, dict[str, Any]] = {
            "one": {"cores": cores[:1]},
            "two": {"cores": cores},
            "killed": {"cores": cores, "kill": True},
        }
        found = {
            name: _run(folder, given.photos, options, name=name, **ways[name])
            for name in given.only.split(",")
        }
    if "one" in found and "two" in found:
        found["ratios"] = {
            part: round(found["two"][part] / found["one"][part], 2)
            for part in ("features_per_second", "training_per_second")
        }
    print(json.dumps(found, indent=2))


def _divided(arguments: list[str]) -> tuple[list[str], list[str]]:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:end], arguments[end + 1 :]


def _run(
    folder: Path,
    photos: str,
    options: list[str],
    cores: list[str],
    *,
    name: str,
    kill: bool = False,
) -> dict[str, Any]:
    """One run, from empty caches to the finished folder."""
    command = [
        *("taskset", "-c", ",".join(cores), sys.executable, "-m", "tlearn"),
        *("launch", "--workers", str(len(cores)), "--pin", "--"),
        *("finetune", "--dataset", photos, "--output", str(folder / "runs"), "--name", name),
        *options,
    ]
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TLEARN_CACHE": str(folder / f"cache-{name}")},
    )
    assert process.stderr is not None
    kills = 0
    for line in process.stderr:
        sys.stderr.write(line)
        if kill and not kills and "epoch 1 of" in line:
            os.kill(_last_worker(process.pid), signal.SIGKILL)
            kills += 1
    if process.wait():
        sys.exit(f"The command ended with {process.returncode}. Received: {command}")
    run = runs.load(name, folder / "runs")
    trained = run.history[run.history["stage"] != "head"]
    # The first epoch compiles; so does the first after a kill.
    warm = trained.nlargest(max(1, len(trained) - 1 - kills), "photos_per_second")
    features = run.info["features"]
    return {
        "wall_seconds": round(time.perf_counter() - started, 1),
        "kills": kills,
        "accuracy": round(run.info["metrics"]["accuracy"], 4),
        "validation_log_loss": round(float(trained["val_log_loss"].min()), 4),
        "test_photos": int(run.info["dataset"]["test"]),
        "photos_seen": int(trained["photos"].sum()),
        "epochs": len(trained),
        "features_computed": features["computed"],
        "features_per_second": round(features["computed"] / max(features["seconds"], 1e-9), 1),
        "training_per_second": round(float(pd.Series(warm["photos_per_second"]).mean()), 1),
        "seconds": run.info["seconds"],
    }


def _last_worker(launcher: int) -> int:
    """The process of the last worker, below `taskset` and the launcher."""
    for child in reversed(psutil.Process(launcher).children(recursive=True)):
        if '"index": 1' in child.environ().get("TF_CONFIG", ""):
            return child.pid
    sys.exit("There is no second worker to kill.")


if __name__ == "__main__":
    main()
