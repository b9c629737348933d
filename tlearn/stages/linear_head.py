"""The best linear head on features that are already computed, in a second or two.

A softmax regression has one minimum, so no learning rate and no number of epochs decides what comes
out. The features are rotated to their principal axes and scaled by an estimate of the curvature
(the bound of Böhning 1992 on the Hessian of the multinomial likelihood), after which L-BFGS (Liu
and Nocedal 1989) needs a few dozen passes. The penalty is the one, of a decreasing row, with the
lowest log loss on the validation split.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.optimize

__all__ = ["LinearHead", "PENALTIES", "Solution", "fit", "path", "score", "smoothed"]

Array = np.ndarray[Any, Any]

# From an almost constant answer to an almost free one, for features scaled to unit mean square.
PENALTIES = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1)
_MOST_PASSES = 60


@dataclass(frozen=True)
class Solution:
    """The head that one penalty gives.

    Args:
        kernel: float32 `(features, classes)`.
        bias: float32 `(classes,)`.
        penalty: The L2 penalty, for features of unit mean square.
        passes: Over all features, from the head before it.
    """

    kernel: Array
    bias: Array
    penalty: float
    passes: int


@dataclass(frozen=True)
class LinearHead:
    """The best of the heads that `path` gives.

    Args:
        kernel: float32 `(features, classes)`.
        bias: float32 `(classes,)`.
        penalty: The L2 penalty that was chosen, for features of unit mean square.
        accuracy: On the validation split, 0 to 1.
        log_loss: On the validation split, natural logarithm, no label smoothing.
        passes: Over all features, for all penalties together.
    """

    kernel: Array
    bias: Array
    penalty: float
    accuracy: float
    log_loss: float
    passes: int


def fit(
    features: Array,
    targets: Array,
    validation_features: Array,
    validation_labels: Array,
    *,
    weights: Array | None = None,
) -> LinearHead:
    """Fit a softmax regression to convergence.

    Args:
        features: `(photos, features)`, of any float dtype.
        targets: float `(photos, classes)`; each row adds up to 1.
        validation_features: `(validation photos, features)`.
        validation_labels: Whole numbers `(validation photos,)`.
        weights: What each photo counts, `(photos,)`; all the same by default.

    Returns:
        The head whose penalty is best on the validation split.

    Raises:
        ValueError: A feature is not finite.
    """
    best: LinearHead | None = None
    passes = 0
    held_out = validation_features.astype(np.float32)
    for found in path(features, targets, weights=weights):
        passes += found.passes
        accuracy, log_loss = score(held_out @ found.kernel + found.bias, validation_labels)
        if best is None or log_loss < best.log_loss:
            best = LinearHead(
                found.kernel, found.bias, found.penalty, accuracy, log_loss, found.passes
            )
        elif log_loss > 1.05 * best.log_loss:  # it only gets worse from here
            break
    assert best is not None
    return replace(best, passes=passes)


def path(features: Array, targets: Array, *, weights: Array | None = None) -> Iterator[Solution]:
    """Fit one softmax regression after another, from the strongest penalty to the weakest.

    Args:
        features: `(photos, features)`, of any float dtype.
        targets: float `(photos, classes)`; each row adds up to 1.
        weights: What each photo counts, `(photos,)`; all the same by default.

    Returns:
        An iterator over the heads, each begun from the one before.

    Raises:
        ValueError: A feature is not finite.
    """
    if not np.isfinite(features).all():
        raise ValueError("The features are not finite, so that no head fits them.")
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = features.astype(np.float32) - mean
    size = float(np.sqrt(np.mean(centred**2, dtype=np.float64))) or 1.0
    centred /= size
    axes, spread = _principal_axes(centred)
    rotated = centred @ axes
    del centred
    shares = np.ones(len(features)) if weights is None else np.asarray(weights, np.float64)
    problem = _Problem(rotated, targets.astype(np.float32), shares / shares.sum())
    kernel, bias = np.zeros((rotated.shape[1], targets.shape[1]), np.float32), problem.prior()
    for penalty in PENALTIES:
        kernel, bias, passes = problem.solve(penalty, spread, kernel, bias)
        scaled = (axes @ kernel / size).astype(np.float32)
        yield Solution(scaled, (bias - mean @ scaled).astype(np.float32), penalty, passes)


class _Problem:
    """The penalised log loss on one set of features."""

    def __init__(self, features: Array, targets: Array, shares: Array) -> None:
        self.features = features
        self.targets = targets
        self.shares = shares.astype(np.float32)[:, None]

    def prior(self) -> Array:
        """The bias that answers with the classes' frequencies."""
        return np.log(np.sum(self.targets * self.shares, axis=0) + 1e-6)

    def solve(
        self, penalty: float, spread: Array, kernel: Array, bias: Array
    ) -> tuple[Array, Array, int]:
        """Minimise from a start; also says how many passes it took."""
        classes = self.targets.shape[1]
        # With p (1 - p) at its mean for even guesses, as the curvature along each axis.
        scale = 1 / np.sqrt(spread * (1 - 1 / classes) / classes + penalty / len(spread))
        scale = scale.astype(np.float32)[:, None]
        size = kernel.size

        def loss(values: Array) -> tuple[float, Array]:
            values = values.astype(np.float32)
            weights = values[:size].reshape(kernel.shape) * scale
            scores = self.features @ weights + values[size:]
            scores -= scores.max(axis=1, keepdims=True)
            chances = np.exp(scores)
            total = chances.sum(axis=1, keepdims=True)
            fitted = np.sum(self.shares * self.targets * (np.log(total) - scores))
            upstream = (chances / total - self.targets) * self.shares
            decay = penalty / len(spread)
            slope = (self.features.T @ upstream + decay * weights) * scale
            value = float(fitted) + 0.5 * decay * float(np.sum(weights**2))
            return value, np.concatenate([slope.ravel(), upstream.sum(axis=0)]).astype(np.float64)

        start = np.concatenate([(kernel / scale).ravel(), bias]).astype(np.float64)
        found = scipy.optimize.minimize(
            loss,
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _MOST_PASSES, "maxcor": 10, "ftol": 1e-6, "gtol": 1e-5},
        )
        answer = found.x.astype(np.float32)
        return answer[:size].reshape(kernel.shape) * scale, answer[size:], int(found.nfev)


def _principal_axes(centred: Array) -> tuple[Array, Array]:
    """Orthonormal axes `(features, axes)`, and the mean square of the features along each."""
    photos, width = centred.shape
    if photos < width:
        _, strengths, rows = np.linalg.svd(centred, full_matrices=False)
        return np.ascontiguousarray(rows.T), strengths**2 / photos
    spread, axes = np.linalg.eigh(centred.T @ centred / photos)
    return axes, np.maximum(spread, 0)


def smoothed(labels: Array, num_classes: int, smoothing: float) -> Array:
    """What a head is fitted to.

    Args:
        labels: Class numbers, int `(photos,)`.
        num_classes: Number of classes.
        smoothing: The share that is divided among all classes, 0 to below 1.

    Returns:
        float32 `(photos, classes)`; each row adds up to 1.
    """
    targets = np.full((len(labels), num_classes), smoothing / num_classes, np.float32)
    targets[np.arange(len(labels)), labels] += 1 - smoothing
    return targets


def score(scores: Array, labels: Array) -> tuple[float, float]:
    """Accuracy and log loss of a head's scores.

    Args:
        scores: float32 `(photos, classes)`, before the softmax.
        labels: Whole numbers `(photos,)`.

    Returns:
        Accuracy, 0 to 1, and log loss with the natural logarithm.
    """
    top = scores.max(axis=1, keepdims=True)
    totals = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]
    losses = totals - scores[np.arange(len(labels)), labels]
    return float(np.mean(scores.argmax(axis=1) == labels)), float(np.mean(losses))
