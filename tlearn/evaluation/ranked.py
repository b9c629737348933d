"""What a class's precision costs in recall, over all thresholds of its probability."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["average_precision", "precision_recall"]


def precision_recall(
    labels: pd.Series, probabilities: NDArray[np.floating], class_names: Sequence[str]
) -> pd.DataFrame:
    """The precision-recall curve of each class against all others.

    Args:
        labels: The true class of each photo.
        probabilities: Of the classes that are named, `(photos, classes)`, 0..1.
        class_names: Their names.

    Returns:
        Columns `class`, `threshold`, `recall`, `precision` (fractions 0..1), a row for each probability
        that occurs, the highest first; see `sklearn.metrics.precision_recall_curve`. A class
        without a photo has no row.
    """
    from sklearn.metrics import precision_recall_curve

    parts = []
    for name, scores in zip(class_names, np.asarray(probabilities).T, strict=True):
        positive = (labels == name).to_numpy()
        if positive.any():
            precision, recall, thresholds = precision_recall_curve(positive, scores)
            part = {"threshold": thresholds, "recall": recall[:-1], "precision": precision[:-1]}
            parts.append(pd.DataFrame({"class": name, **part}).iloc[::-1])
    empty = pd.DataFrame({"class": [], "threshold": [], "recall": [], "precision": []})
    return pd.concat(parts, ignore_index=True) if parts else empty


def average_precision(curves: pd.DataFrame) -> pd.DataFrame:
    """The area below each curve, as scikit-learn's `average_precision_score` counts it.

    Args:
        curves: As `precision_recall` gives them.

    Returns:
        Columns `class`, `average_precision`, in the order of the curves.
    """
    rows = []
    for name, points in curves.groupby("class", sort=False):
        steps = np.diff(points["recall"].to_numpy(), prepend=0.0)
        rows.append((name, float((steps * points["precision"].to_numpy()).sum())))
    return pd.DataFrame(rows, columns=["class", "average_precision"])
