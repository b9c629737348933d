"""Confident learning: which labels contradict what was learned from the others.

Northcutt, Jiang and Chuang 2021, "Confident learning: estimating uncertainty in dataset labels",
JAIR 70. A classifier that has not seen a photo says what it thinks of it. How sure it has to be
differs from class to class: as sure as it is, in the mean, of the photos that bear the class's
name. Photos that reach the bar of a class are counted there, which gives the confident joint; off
its diagonal are the wrong labels. How many there are is taken from it. Which they are, from how
much more probable another class is: that ranks better than any of the paper's own ways to prune,
see docs/labels.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["confident_joint", "suggestions", "thresholds"]

Array = np.ndarray[Any, Any]


def thresholds(probabilities: Array, labels: Array) -> Array:
    """How sure a classifier is, in the mean, of the photos that bear a class's name.

    Args:
        probabilities: float `(photos, classes)`, out of fold; each row adds up to 1.
        labels: The given classes' numbers, int `(photos,)`.

    Returns:
        float64 `(classes,)`, 0 to 1; infinite for a class without photos, which nothing reaches.
    """
    classes = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=own, minlength=classes)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def confident_joint(probabilities: Array, labels: Array) -> Array:
    """Count photos by the class that they are given and the one that they surely show.

    Args:
        probabilities: float `(photos, classes)`, out of fold; each row adds up to 1.
        labels: The given classes' numbers, int `(photos,)`.

    Returns:
        int64 `(classes, classes)`, given by shown. A photo that reaches no class's threshold is
        not counted; one that reaches several counts for the most probable of these.
    """
    reached = np.where(probabilities >= thresholds(probabilities, labels), probabilities, -1.0)
    sure = reached.max(axis=1) >= 0
    joint = np.zeros((probabilities.shape[1],) * 2, np.int64)
    np.add.at(joint, (labels[sure], reached[sure].argmax(axis=1)), 1)
    return joint


def suggestions(probabilities: Array, labels: Array) -> tuple[Array, Array]:
    """For each photo the most probable of the other classes, and how far to believe in it.

    Args:
        probabilities: float `(photos, classes)`, above 0, of two classes or more.
        labels: The given classes' numbers, int `(photos,)`.

    Returns:
        Class numbers, int `(photos,)`, none of them the given one, and float64 `(photos,)` from 0
        to 1: the share of the suggested class in the probability that it and the given one have
        together. At 0.5 both are as probable, at 0.9 the suggested one is nine times as probable.
    """
    rows = np.arange(len(labels))
    given = probabilities[rows, labels].astype(np.float64)
    others = probabilities.astype(np.float64)
    others[rows, labels] = -1.0
    suggested = others.argmax(axis=1)
    best = others[rows, suggested]
    return suggested, best / (best + given)
