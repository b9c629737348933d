"""From counts of photos by cell of a confusion matrix to figures, for many draws at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["METRICS", "figures_of", "ratio"]

METRICS = ("accuracy", "balanced_accuracy", "macro_f1")


def figures_of(
    cells: NDArray[np.int64], true: NDArray[np.int64], predicted: NDArray[np.int64], size: int
) -> NDArray[np.float64]:
    """The figures of each row of counts.

    A class that a draw left without photos is out of that draw's means, as it would be if the
    draw were the test split.

    Args:
        cells: Photos by cell, int64 `(draws, cells)`.
        true: The true class of each cell, int64 `(cells,)`.
        predicted: The predicted class of each cell, int64 `(cells,)`.
        size: Number of classes.

    Returns:
        `METRICS` in their order, float64 `(draws, 3)`, 0 to 1.
    """
    support = _sums(cells, true, size)
    given = _sums(cells, predicted, size)
    right = true == predicted
    hits = _sums(cells[:, right], true[right], size)
    present = support > 0
    classes = present.sum(axis=1)
    recall = np.divide(hits, support, out=np.zeros(hits.shape), where=present)
    f1 = np.divide(2 * hits, support + given, out=np.zeros(hits.shape), where=present)
    columns = [hits.sum(1) / cells.sum(1), recall.sum(1) / classes, f1.sum(1) / classes]
    return np.stack(columns, axis=1)


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Parts of wholes.

    Args:
        part: Counts, any shape.
        whole: Counts of the same shape.

    Returns:
        float64, NaN where the whole is nothing.
    """
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _sums(cells: NDArray[np.int64], classes: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Add up `(draws, cells)` by class -> `(draws, size)`."""
    sums = np.zeros((len(cells), size), dtype=np.int64)
    if len(classes):
        order = np.argsort(classes, kind="stable")
        found, starts = np.unique(classes[order], return_index=True)
        sums[:, found] = np.add.reduceat(cells[:, order], starts, axis=1)
    return sums
