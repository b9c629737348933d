"""How far probabilities are from meaning what they say: reliability, ECE, log loss, Brier score."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tlearn.calibration import given

__all__ = ["reliability", "scores"]

_BINS = 15


# The smallest normal float32: what a float32 softmax gives below it has lost its digits.
_LEAST = float(np.finfo(np.float32).tiny)


def reliability(correct: ArrayLike, confidence: ArrayLike, bins: int = _BINS) -> pd.DataFrame:
    """How often answers are right, by how sure they are.

    The bins are equally wide, from 0 to 1; each holds its upper end, and the first holds 0.

    Args:
        correct: Whether each answer is right, bool `(photos,)`.
        confidence: The probability of each answer, 0..1, `(photos,)`.
        bins: How many, at least 1.

    Returns:
        One row per bin: `low` and `high` (its ends), `confidence` (the mean of its photos),
        `accuracy` (the share of them that is right), `photos`. In an empty bin `confidence` and
        `accuracy` are NaN.

    Example:

    ```python
    run = tlearn.runs.latest()
    table = reliability(run.predictions["correct"], run.predictions["probability"])
    ```
    """
    right, sure = given.answers(correct, confidence)
    edges = np.linspace(0, 1, bins + 1)
    return _binned(right, sure, edges)


def scores(probabilities: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Four figures that are the lower the better the probabilities are.

    Args:
        probabilities: `(photos, classes)`, 0..1, each row adding up to 1.
        labels: The true classes by number, int `(photos,)`, 0 to classes - 1.

    Returns:
        `ece`, the expected calibration error of the most probable class, 0..1: the mean distance
            of accuracy from confidence over 15 equally wide bins, weighted by their photos
            (Guo et al. 2017, "On Calibration of Modern Neural Networks", as Naeini et al. 2015);
        `adaptive_ece`, the same over 15 bins of equally many photos, equal confidences never
            apart (the adaptive binning of Nixon et al. 2019, "Measuring Calibration in Deep
            Learning", who apply it to all classes; here to the most probable one);
        `nll`, the mean negative log likelihood in nats per photo; a probability of the true class
            below 1.2e-38, the least that float32 holds well, counts as that;
        `brier`, the mean over photos of the squared differences summed over all classes, 0..2
            (Brier 1950; for two classes it is twice that of some libraries).
        NaN each where there is no photo.

    Example:

    ```python
    scores([[0.9, 0.1], [0.4, 0.6]], [0, 1])["brier"]  # 0.17
    ```
    """
    values, truth = given.rows("probabilities", probabilities, labels)
    if not len(values):
        return dict.fromkeys(("ece", "adaptive_ece", "nll", "brier"), float("nan"))
    rows = np.arange(len(values))
    correct, confidence = values.argmax(axis=1) == truth, values.max(axis=1)
    of_truth = values[rows, truth]
    brier = (values**2).sum(axis=1) - 2 * of_truth + 1
    return {
        "ece": _error(reliability(correct, confidence)),
        "adaptive_ece": _error(_binned(correct, confidence, _equal_masses(confidence))),
        "nll": float(-np.log(np.maximum(of_truth, _LEAST)).mean()),
        "brier": float(brier.mean()),
    }


def _binned(
    correct: NDArray[np.bool_], confidence: NDArray[np.float64], edges: NDArray[np.float64]
) -> pd.DataFrame:
    bins = len(edges) - 1
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    photos = np.bincount(place, minlength=bins)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.bincount(place, weights=values, minlength=bins)
        return np.divide(sums, photos, out=np.full(bins, np.nan), where=photos > 0)

    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "confidence": mean(confidence),
            "accuracy": mean(correct.astype(np.float64)),
            "photos": photos,
        }
    )


def _equal_masses(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ends of bins of equally many photos; fewer bins where many photos are equally sure."""
    ordered = np.sort(confidence)
    last = np.ceil(np.arange(1, _BINS + 1) * len(ordered) / _BINS).astype(int) - 1
    return np.unique(np.concatenate([[0.0], ordered[last]]))


def _error(table: pd.DataFrame) -> float:
    filled = table[table["photos"] > 0]
    gaps = (filled["accuracy"] - filled["confidence"]).abs()
    return float((gaps * filled["photos"]).sum() / filled["photos"].sum())
