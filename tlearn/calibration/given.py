"""What is asked of answers and of rows of numbers before anything is worked out from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["answers", "rows"]


def answers(
    correct: ArrayLike, confidence: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Answers as arrays.

    Args:
        correct: Whether each is right, `(photos,)`.
        confidence: Its probability, `(photos,)`.

    Returns:
        Both, bool and float64.

    Raises:
        ValueError: They are not of the same photos.
    """
    right, sure = np.asarray(correct, dtype=bool), np.asarray(confidence, dtype=np.float64)
    if right.ndim != 1 or right.shape != sure.shape:
        raise ValueError(
            "Expected for each photo whether it is right and how sure the answer is. "
            f"Received: correct.shape={right.shape}, confidence.shape={sure.shape}"
        )
    return right, sure


def rows(
    name: str, values: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A row of numbers for each photo, and its class, as arrays.

    Args:
        name: What the numbers are, such as `"logits"`.
        values: `(photos, classes)`.
        labels: The true classes by number, `(photos,)`.

    Returns:
        Both, float64 and int64.

    Raises:
        ValueError: They are not of the same photos.
    """
    found, truth = np.asarray(values, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if found.ndim != 2 or truth.shape != found.shape[:1]:
        raise ValueError(
            f"Expected a row of {name} and a class number for each photo. "
            f"Received: {name}.shape={found.shape}, labels.shape={truth.shape}"
        )
    return found, truth
