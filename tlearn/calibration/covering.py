"""What is gained by leaving photos unanswered: accuracy against coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tlearn.calibration import given
from tlearn.evaluation.intervals import wilson

__all__ = ["at", "coverage"]


def coverage(correct: ArrayLike, confidence: ArrayLike) -> pd.DataFrame:
    """How accurate the surest answers are, for each share of photos that may be answered.

    Source: Y. Geifman and R. El-Yaniv, "Selective classification for deep neural networks",
    NeurIPS 2017 (their risk-coverage curve, with accuracy for risk).

    Args:
        correct: Whether each answer is right, bool `(photos,)`.
        confidence: The probability of each answer, 0..1, `(photos,)`.

    Returns:
        One row for each confidence that occurs, the highest first: `coverage` (the share of photos
        that is at least as sure), `threshold` (that confidence), `accuracy` of those photos,
        `low` and `high` (its 95 % Wilson interval), `photos` (how many they are). The last row is
        all photos. No row where there is no photo.

    Example:

    ```python
    run = tlearn.runs.latest()
    table = coverage(run.predictions["correct"], run.predictions["probability"])
    table[table["coverage"] >= 0.9].iloc[0]  # when the surest 90 % are answered
    ```
    """
    right, sure = given.answers(correct, confidence)
    order = np.argsort(-sure, kind="stable")
    ordered = sure[order]
    # Equally sure answers are given together or not at all.
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True)) if len(ordered) else order
    photos = ends + 1
    hits = np.cumsum(right[order])[ends]
    low, high = wilson(hits, photos)
    return pd.DataFrame(
        {
            "coverage": photos / max(len(ordered), 1),
            "threshold": ordered[ends],
            "accuracy": hits / photos,
            "low": low,
            "high": high,
            "photos": photos,
        }
    )


def at(
    correct: ArrayLike, confidence: ArrayLike, threshold: float
) -> dict[str, float | int | None]:
    """What a threshold does to some photos.

    Args:
        correct: Whether each answer is right, bool `(photos,)`.
        confidence: The probability of each answer, 0..1, `(photos,)`.
        threshold: Answers at least so sure are given.

    Returns:
        `photos`, how many there are, and `answered`, how many of them are answered; `coverage`,
        their share, with `coverage_low` and `coverage_high`; `precision`, the share of the answers
        that is right, with `precision_low` and `precision_high`. The intervals are 95 % Wilson
        intervals. A share of nothing is `None`.
    """
    right, sure = given.answers(correct, confidence)
    told = sure >= threshold
    photos, answered, hits = len(sure), int(told.sum()), int(right[told].sum())
    found: dict[str, float | int | None] = {"photos": photos, "answered": answered}
    for name, part, whole in (("coverage", answered, photos), ("precision", hits, answered)):
        low, high = wilson(part, whole)
        found[name] = part / whole if whole else None
        found[f"{name}_low"] = float(low) if whole else None
        found[f"{name}_high"] = float(high) if whole else None
    return found
