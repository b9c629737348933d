"""How well a linear head on frozen features tells photos that it was not fitted on.

Many heads, from a strong penalty to a weak one, are fitted to convergence in each of a few folds: the
row of heads of DINOv2's linear evaluation (Oquab et al. 2024), without its row of learning rates,
since what has converged does not depend on a rate.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from tlearn.datasets.bundles import of_examples
from tlearn.stages import linear_head

__all__ = ["CrossValidated", "cross_validate", "folds"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class CrossValidated:
    """What heads say of photos that they were not fitted on.

    Args:
        probabilities: float32 `(photos, classes)`, each row adding up to 1.
        penalty: The L2 penalty of the heads, that with the lowest log loss over all photos.
        log_loss: Natural logarithm, the mean over all photos.
    """

    probabilities: Array
    penalty: float
    log_loss: float


def folds(examples: pd.DataFrame, count: int, *, seed: int) -> Array:
    """Divide photos into folds of about the same size and the same share of each class.

    Photos that are tied together, see `tlearn.datasets.bundles`, are in one fold.

    Args:
        examples: Columns `label`, `digest`, `group`, and `bundle` where it is known.
        count: Number of folds, 2 or more.
        seed: Another seed divides otherwise.

    Returns:
        The number of each photo's fold, int64 `(photos,)`.
    """
    labels = list(examples["label"])
    tied = of_examples(examples, seed=seed)
    tied.sort(key=lambda bundle: (labels[bundle.rows[0]], bundle.place))
    found = np.zeros(len(labels), np.int64)
    for bundle, fold in zip(tied, itertools.cycle(range(count)), strict=False):
        found[list(bundle.rows)] = fold
    return found


def cross_validate(
    features: Array,
    labels: Array,
    of_fold: Array,
    num_classes: int,
    *,
    label_smoothing: float = 0.1,
) -> CrossValidated:
    """Fit heads of many penalties on all folds but one, for each fold in turn.

    Args:
        features: `(photos, features)`, of any float dtype.
        labels: Class numbers, int `(photos,)`.
        of_fold: Each photo's fold, as `folds` gives it.
        num_classes: Number of classes.
        label_smoothing: Of the targets that the heads are fitted to, 0 to below 1.

    Returns:
        What the heads of the best penalty say of the photos held out.

    Raises:
        ValueError: A feature is not finite.
    """
    targets = linear_head.smoothed(labels, num_classes, label_smoothing)
    found: list[list[Array]] = []  # for each fold the scores by penalty
    most = len(linear_head.PENALTIES)
    for fold in np.unique(of_fold):
        inside, outside = of_fold != fold, of_fold == fold
        scores, losses = [], []
        for head in linear_head.path(features[inside], targets[inside]):
            scores.append(features[outside].astype(np.float32) @ head.kernel + head.bias)
            losses.append(linear_head.score(scores[-1], labels[outside])[1])
            # From here it only gets worse, in this fold or in an earlier one.
            if losses[-1] > 1.05 * min(losses) or len(scores) == most:
                break
        found.append(scores)
        most = min(most, len(scores))
    best = _best([one[:most] for one in found], labels, of_fold)
    whole = np.empty((len(labels), num_classes), np.float32)
    for fold, scores in zip(np.unique(of_fold), found, strict=True):
        whole[of_fold == fold] = scores[best]
    _, log_loss = linear_head.score(whole, labels)
    return CrossValidated(softmax(whole, axis=1), linear_head.PENALTIES[best], log_loss)


def _best(found: Sequence[Sequence[Array]], labels: Array, of_fold: Array) -> int:
    """The number of the penalty with the lowest log loss over all folds together."""
    total = np.zeros(len(found[0]))
    for fold, scores in zip(np.unique(of_fold), found, strict=True):
        held_out = labels[of_fold == fold]
        total += [linear_head.score(one, held_out)[1] * len(held_out) for one in scores]
    return int(total.argmin())
