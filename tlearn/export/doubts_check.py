"""Whether a SavedModel doubts the photos that the evaluation doubted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tlearn.errors import ExportError

if TYPE_CHECKING:
    from tlearn.export.verification import Answers

__all__ = ["compare"]

# As far as two probabilities, or two distances as multiples of the limit, may lie apart.
_NEAR_THRESHOLD = 1e-4
_NEAR_LIMIT = 1e-2
_NAMED = 5


def compare(answers: Answers, examples: pd.DataFrame, doubts: pd.DataFrame) -> None:
    """Hold what a SavedModel doubts against what the evaluation doubted.

    Args:
        answers: What it said.
        examples: The photos, with the column `path`.
        doubts: The evaluation's `unsure`, `unlike`, `distance` and `probability`, a row per photo.

    Raises:
        ExportError: It says nothing of them, or something else of a photo (other than of one whose
            probability is within 0.0001 of the threshold, or its distance within 0.01 of the limit).
    """
    if not len(examples):
        return
    if answers.unsure is None or answers.unlike is None or answers.distance is None:
        raise ExportError(
            "The SavedModel does not say which answers are unsure. Expected the outputs 'unsure', "
            "'unlike' and 'distance', as `export` writes them with limits. "
            f"Received: unsure={answers.unsure}, distance={answers.distance}"
        )
    probability = doubts["probability"].to_numpy(dtype=np.float64)
    distance = doubts["distance"].to_numpy(dtype=np.float64)
    near = np.abs(probability - float(answers.threshold or 0)) <= _NEAR_THRESHOLD
    wrong = (answers.unsure != doubts["unsure"].to_numpy(dtype=bool)) & ~near
    near = np.abs(distance - 1) <= _NEAR_LIMIT
    wrong |= (answers.unlike != doubts["unlike"].to_numpy(dtype=bool)) & ~near
    # Of squares, since the root of a small one magnifies the last digits.
    apart = np.abs(answers.distance.astype(np.float64) ** 2 - distance**2)
    wrong |= ~(apart <= _NEAR_LIMIT * np.maximum(1, distance**2))
    if not wrong.any():
        return
    at = np.flatnonzero(wrong)
    told = "".join(
        f"\n  {examples['path'].iloc[row]}: unsure {doubts['unsure'].iloc[row]}, distance "
        f"{distance[row]:.4f} in the evaluation, unsure {answers.unsure[row]}, distance "
        f"{answers.distance[row]:.4f} from the SavedModel"
        for row in at[:_NAMED]
    )
    more = f"\n  and {len(at) - _NAMED} more" if len(at) > _NAMED else ""
    raise ExportError(
        f"The SavedModel doubts other photos than the evaluation did: {len(at)} of {len(examples)} "
        f"differ. Expected the same of every photo. Do not use this export. Received:{told}{more}"
    )
