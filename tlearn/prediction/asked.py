"""Which classifier is asked, and below which threshold it is unsure. No TensorFlow."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tlearn import runs
from tlearn.calibration import Target
from tlearn.prediction import thresholds
from tlearn.prediction.wanted import Wanted

__all__ = ["directory", "for_target", "which"]


def which(run: runs.Run | str | Path | None, root: str | Path) -> runs.Run | Path:
    """Find the run, or the folder of a bare SavedModel, that is meant.

    Args:
        run: A run, its folder, its name under `root`, or the folder of a bare SavedModel; `None` for
            the latest finished run under `root`.
        root: The folder of run folders.

    Returns:
        A run, or the folder of a bare SavedModel.

    Raises:
        RunError: There is no such run.
    """
    if run is not None and not isinstance(run, runs.Run):
        bare = Path(run)
        if (bare / "saved_model.pb").is_file():
            return bare
    return runs.load(run, root)


def directory(found: runs.Run | Path) -> Path:
    """The folder of the SavedModel of what `which` found."""
    return found.saved_model_path if isinstance(found, runs.Run) else found


def for_target(wanted: Wanted, found: runs.Run | Path, target: Target) -> Wanted:
    """Turn a target into a threshold, by what a run said of its validation photos.

    Args:
        wanted: What is asked so far, without a threshold.
        found: What `which` found.
        target: What is wanted of the answers.

    Returns:
        The same with a threshold.

    Raises:
        ValueError: There is a threshold already.
        RunError: Its validation photos do not show that the target is reached.
    """
    if wanted.threshold is not None:
        raise ValueError(
            "Expected either a threshold or a target to choose one for. Received: "
            f"threshold={wanted.threshold}, target_{target.kind}={target.wanted}"
        )
    return dataclasses.replace(wanted, threshold=thresholds.of_run(found, target))
