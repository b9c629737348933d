"""Heads that are fitted beside tlearn's own: by cosines, and on features that a group lasso chose.

Only NumPy and SciPy here. A head is `scores = features @ kernel + bias`, but for the cosine's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize
import scipy.special

Array = np.ndarray[Any, Any]
Score = Callable[[Array], Array]

SCALES = (8.0, 16.0, 32.0)
_MOST_PASSES = 100


def chances(scores: Array) -> Array:
    """The softmax of each row."""
    return scipy.special.softmax(scores, axis=1)


def unit(rows: Array) -> Array:
    """Each row at length 1."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def cosine(features: Array, targets: Array, scale: float) -> Score:
    """Scores that are a scale times the cosine between a photo's features and a class's weights.

    The features are centred before, so that the cosines spread. Fitted by L-BFGS from the classes' mean
    features; the scale bounds the scores, and with it how sure the head can become.

    Args:
        features: float32 `(photos, features)`.
        targets: float `(photos, classes)`; each row adds up to 1.
        scale: By what the cosines are multiplied.

    Returns:
        From features to scores `(photos, classes)`.
    """
    mean = features.mean(axis=0)
    rows = unit(features - mean)
    shape = (rows.shape[1], targets.shape[1])

    def loss(values: Array) -> tuple[float, Array]:
        raw = values.reshape(shape).astype(np.float32)
        length = np.linalg.norm(raw, axis=0)
        weights = raw / length
        scores = scale * (rows @ weights)
        top = scores.max(axis=1, keepdims=True)
        totals = np.log(np.exp(scores - top).sum(axis=1, keepdims=True)) + top
        value = float(np.mean(np.sum(targets * (totals - scores), axis=1)))
        slope = scale * (rows.T @ (np.exp(scores - totals) - targets)) / len(rows)
        slope = (slope - weights * np.sum(slope * weights, axis=0)) / length
        return value, slope.ravel().astype(np.float64)

    start = unit((rows.T @ targets).T).T.ravel().astype(np.float64)
    found = scipy.optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _MOST_PASSES, "ftol": 1e-6}
    )
    weights = unit(found.x.reshape(shape).T.astype(np.float32)).T
    return lambda given: scale * (unit(given - mean) @ weights)


def strengths(features: Array, targets: Array, penalty: float, passes: int = 150) -> Array:
    """How much a softmax regression with a group lasso makes of each feature.

    The weights of one feature are a group, so that most groups end at zero. By accelerated proximal
    gradient (FISTA, Beck and Teboulle 2009).

    Args:
        features: float32 `(photos, features)`, centred.
        targets: float `(photos, classes)`; each row adds up to 1.
        penalty: What a group's length costs, as a share of the least at which all are zero.
        passes: Steps.

    Returns:
        The length of each feature's weights, `(features,)`.
    """
    count = len(features)
    targets = targets.astype(np.float32)
    prior = targets.mean(axis=0)
    bias = np.log(prior + 1e-6)
    at_zero = np.linalg.norm(features.T @ (prior - targets) / count, axis=1)
    cost = penalty * float(at_zero.max())
    # Böhning 1992: a softmax's curvature is at most half that of the features.
    rate = 2.0 / _largest_square(features)
    kernel = np.zeros((features.shape[1], targets.shape[1]), np.float32)
    ahead, momentum = kernel, 1.0
    for _ in range(passes):
        upstream = (chances(features @ ahead + bias) - targets) / count
        moved = ahead - rate * (features.T @ upstream)
        bias = bias - upstream.sum(axis=0)
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        following = moved * np.maximum(0, 1 - rate * cost / np.maximum(length, 1e-12))
        faster = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + (momentum - 1) / faster * (following - kernel)
        kernel, momentum = following.astype(np.float32), float(faster)
        ahead = ahead.astype(np.float32)
    return np.linalg.norm(kernel, axis=1)


def _largest_square(features: Array, rounds: int = 20) -> float:
    """The largest eigenvalue of the features' mean square, by power iteration."""
    vector = np.random.default_rng(0).normal(size=features.shape[1]).astype(np.float32)
    value = 0.0
    for _ in range(rounds):
        vector = features.T @ (features @ (vector / np.linalg.norm(vector))) / len(features)
        value = float(np.linalg.norm(vector))
    return 1.05 * value
