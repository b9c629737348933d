"""One picture laid on another, so that the fine structure of both agrees best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

__all__ = ["fine_structure", "laid_on", "unit"]

Array = np.ndarray[Any, Any]


def fine_structure(pictures: Array) -> Array:
    """One picture or several without the slow changes of light that many photos share.

    Args:
        pictures: `(..., side, side)`.

    Returns:
        float32, as large.
    """
    values = pictures.astype(np.float32)
    axes = (-2, -1)
    return gaussian_filter(values - gaussian_filter(values, 4, axes=axes), 0.7, axes=axes)


def laid_on(ones: Array, others: Array, boxes: Array, steps: Sequence[float]) -> Array:
    """Lay a part of each of `ones` on all of its other so that they agree best.

    Args:
        ones: `(pairs, side, side)`.
        others: Likewise.
        boxes: `(pairs, 4)`, where the parts are at first; moved in place, one edge at a time.
        steps: How far an edge is moved, as shares of the side.

    Returns:
        The correlation of each pair, `(pairs,)`.
    """
    targets = unit(others)

    def agreement(at: Array) -> Array:
        side = ones.shape[1]
        down, across = _sampled(at[:, :2], side), _sampled(at[:, 2:], side)
        return (unit(down @ ones @ across.transpose(0, 2, 1)) * targets).sum((1, 2))

    best = agreement(boxes)
    for step in steps:
        for edge in range(4):
            for way in (-step, step):
                moved = boxes.copy()
                moved[:, edge] = np.clip(moved[:, edge] + way, -0.02, 1.02)
                found = agreement(moved)
                better = found > best
                boxes[better], best[better] = moved[better], found[better]
    return best


def _sampled(stretches: Array, side: int) -> Array:
    """Linear interpolation at `side` places along stretches of a line as long.

    Args:
        stretches: `(pairs, 2)`, where each begins and ends, as shares.
        side: Pixels of the line.

    Returns:
        float32 `(pairs, side, side)`.
    """
    start, end = stretches[:, :1], stretches[:, 1:]
    places = (start + (end - start) * (np.arange(side) + 0.5) / side) * side - 0.5
    low = np.clip(np.floor(places).astype(int), 0, side - 2)
    share = np.clip(places - low, 0, 1).astype(np.float32)
    lines = np.zeros((len(stretches), side, side), np.float32)
    pair, row = np.arange(len(stretches))[:, None], np.arange(side)[None]
    lines[pair, row, low] = 1 - share
    lines[pair, row, low + 1] = share
    return lines


def unit(pictures: Array) -> Array:
    """Pictures without their means, at length 1.

    Args:
        pictures: `(pictures, side, side)`.

    Returns:
        As large.
    """
    centred = pictures - pictures.mean((1, 2), keepdims=True)
    length = np.sqrt((centred**2).sum((1, 2), keepdims=True))
    return centred / np.maximum(length, 1e-6)
