"""Another threshold than the exported one, without training again. No TensorFlow."""

from __future__ import annotations

from pathlib import Path

from tlearn import runs
from tlearn.calibration import Target, choose
from tlearn.errors import RunError

__all__ = ["of_run"]


def of_run(run: runs.Run | Path, target: Target) -> float:
    """The threshold that reaches a target, from what a run said of its validation photos.

    Args:
        run: A run; or the folder of a bare SavedModel, which holds no such photos.
        target: What is wanted of the answers.

    Returns:
        The threshold, 0..1.

    Raises:
        RunError: There are no validation photos to choose it on, or they do not show that any
            threshold reaches the target.
    """
    if not isinstance(run, runs.Run):
        raise RunError(
            "A bare SavedModel does not know how good its answers are. Expected the run it is "
            f"from, or a threshold: --threshold. Received: run={str(run)!r}"
        )
    said = run.read_predictions(["split", "correct", "probability"])
    held_out = said[said["split"] == "validation"]
    found = choose(held_out["correct"], held_out["probability"], target)
    if found.value is None:
        raise RunError(
            f"The target cannot be reached. {found.shortfall} Expected a lower precision, or a "
            f"coverage: --target-coverage. Received: run={run.name!r}, "
            f"target_{target.kind}={target.wanted}"
        )
    return found.value
