"""One run of `tlearn finetune` in a fresh process: what it cost and what it reached."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import measuring
import pandas as pd

from tlearn import runs


def run(
    photos: str | Path, options: Sequence[str], *, output: Path, cache: Path
) -> tuple[runs.Run, measuring.Cost]:
    """Run the whole command as a user does: import, reading, training, evaluation, export, proof.

    `cache` is the cache folder: with an empty one it is a first run. `output` is for this run alone.
    """
    given = ["--dataset", str(photos), *options, "--output", str(output)]
    command = [sys.executable, "-m", "tlearn", "finetune", *given]
    _, cost = measuring.run(command, {"TLEARN_CACHE": str(cache)})
    return runs.latest(output), cost


def reached(run: runs.Run) -> dict[str, object]:
    """Test figures with their 95 % intervals, and what the kept stage had on validation."""
    kept = run.stages[run.stages["kept"]].iloc[0]
    return {
        **run.summary.set_index("metric").to_dict("index"),
        "validation_accuracy": float(kept["validation_accuracy"]),
        "validation_log_loss": float(kept["validation_log_loss"]),
    }


def stages(run: runs.Run) -> list[dict[str, Any]]:
    """The rows of stages.csv, with null where a stage has no such number."""
    rows = run.stages.to_dict("records")
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()} for row in rows
    ]
