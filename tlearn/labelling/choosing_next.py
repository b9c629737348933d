"""In which order to label photos: those first that would teach the most, no two alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from tlearn.labelling.neighbours import of_length_one

__all__ = ["order", "uncertainty"]

Array = np.ndarray[Any, Any]

# Squared distance of features of length 1, from which on photos are not alike: a cosine of 0.7.
_APART = 0.6


def uncertainty(probabilities: Array) -> Array:
    """How little a classifier prefers its answer to the next one.

    Args:
        probabilities: float `(photos, classes)`; each row adds up to 1.

    Returns:
        float64 `(photos,)`: one less the margin between the two highest, 0 (sure) to 1 (torn).
    """
    highest = np.sort(probabilities.astype(np.float64), axis=1)
    return np.asarray(1.0 - (highest[:, -1] - highest[:, -2]))


def order(probabilities: Array, features: Array, count: int) -> Array:
    """Choose photos to label.

    Again and again the photo is taken that is least sure, discounted where one like it has been
    taken: the farthest-first traversal of Sener and Savarese 2018, weighted by uncertainty, with
    distances beyond those of like photos all counting the same. Of nine copies one comes early and
    eight come last. docs/labels.md has it beside BADGE (Ash et al. 2020).

    Args:
        probabilities: float `(photos, classes)`; each row adds up to 1.
        features: float `(photos, features)`, of the layer before the head.
        count: How many to choose, at most as many as there are. The cost grows with it times the
            number of photos.

    Returns:
        The places of the chosen photos, the most telling first, int64 `(count,)`.
    """
    unsure = uncertainty(probabilities)
    values = of_length_one(features)
    apart = np.ones(len(values), np.float32)
    left = np.ones(len(values), bool)
    chosen: list[int] = []
    while len(chosen) < min(count, len(values)):
        # What is left may all be copies: then the least sure of them.
        worth = np.where(left, (apart + 1e-6) * unsure, -1.0)
        place = int(worth.argmax())
        chosen.append(place)
        left[place] = False
        apart = np.minimum(apart, np.maximum(2 - 2 * (values @ values[place]), 0) / _APART)
    return np.array(chosen, np.int64)
