"""What a run's predictions amount to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from tlearn.evaluation import Evaluation, evaluate, measured_split

if TYPE_CHECKING:
    from tlearn.runs.reading import Run

__all__ = ["Measured", "measure"]


@dataclass(frozen=True)
class Measured:
    """The figures of a run, worked out from its predictions.

    Args:
        split: The split that is measured.
        predictions: Its photos: `path`, `split`, `label`, `predicted`.
        evaluation: Its figures.
    """

    split: str
    predictions: pd.DataFrame
    evaluation: Evaluation


def measure(run: Run) -> Measured:
    """Work out a run's figures, photo by photo.

    Args:
        run: The run.

    Returns:
        The figures, which equal those that the run stored.

    Raises:
        RunError: The run is damaged.
    """
    predictions = run.read_predictions(["path", "split", "label", "predicted"])
    split = measured_split(predictions)
    measured = predictions[predictions["split"] == split]
    try:
        # The run's own seed, so that the intervals are those it stored.
        seed = int(run.info.get("seed") or 0)
        return Measured(split, measured, evaluate(measured, run.class_names, seed=seed))
    except (TypeError, ValueError) as error:
        raise run.damaged(str(error)) from error
