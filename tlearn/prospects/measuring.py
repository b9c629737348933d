"""A learning curve by frozen features: the error of linear heads on more and more of the photos."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl

from tlearn import crossing
from tlearn.datasets.bundles import of_examples
from tlearn.labelling import neighbours
from tlearn.photos import pipeline
from tlearn.stages import linear_head

__all__ = ["SHARES", "learning_curve"]

Array = np.ndarray[Any, Any]

# Halvings, each in two steps, which is near enough for a curve of three numbers.
SHARES = tuple(2 ** (-step / 2) for step in range(6, -1, -1))
_FOLDS = 5
_FOLDS_OF_MANY = 3
# What is left out differs little between photos, and the heads are fitted five times as fast.
_AXES = 256
_SMOOTHING = 0.1  # as in the recipes
_LEAST = 2  # photos of a middling class in the smallest part; with fewer the curve begins later
_PARTS = 4  # the fewest that make a curve
_MANY = 5_000  # photos; the more there are, the less it takes to measure an error
_MOST = 20_000
# Photos times classes: what a pass over the features costs, a minute or two.
_MOST_WORK = 1_000_000


def learning_curve(
    examples: pd.DataFrame, features: Array, class_names: tuple[str, ...], *, seed: int = 0
) -> pd.DataFrame | None:
    """Fit heads to nested parts of the photos, and count what they get wrong of the others.

    The photos are divided into folds. Heads are fitted to parts of all folds but one, each part
    inside the next larger, each class in its share, and judged on the fold left out: so every photo
    judges, not only the few of the validation split. Photos that are tied together, see
    `tlearn.datasets.bundles`, are in one fold and come into a part together.

    Args:
        examples: Columns `label`, `digest`, `group`, and `bundle` where it is known. No test photos.
        features: `(photos, features)`, of any float dtype.
        class_names: All classes, in order.
        seed: Decides folds and parts.

    Returns:
        A row for each fold (`draw`), part (`share`, 0 to 1, of the photos outside of the fold) and
        `class`: `photos` (of the class in the part), `held_out` (of the class in the fold), `wrong`
        (of these). `None` where there are too few photos for a curve, or so many classes that it
        would take too long.

    Raises:
        ValueError: A feature is not finite.
    """
    if not np.isfinite(features).all():
        raise ValueError("the features are not finite")
    labels = pipeline.class_numbers(examples, class_names)
    chosen = _chosen(examples, labels, seed)
    if len(chosen) * len(class_names) > _MOST_WORK or not len(chosen):
        return None
    count = _FOLDS if len(chosen) <= _MANY else _FOLDS_OF_MANY
    examples = examples.iloc[chosen].reset_index(drop=True)
    labels = labels[chosen]
    of_fold = crossing.folds(examples, count, seed=seed)
    shares = _shares(labels, of_fold)
    if len(shares) < _PARTS:
        return None
    found = []
    # Matrices this small are divided among threads at a loss, a large one on a busy machine.
    with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
        reduced = neighbours.principal(features[chosen], _AXES)
        for fold in range(count):
            held_out = np.flatnonzero(of_fold == fold)
            inside = np.flatnonzero(of_fold != fold)
            order = _order(examples, labels, inside, seed=seed + fold)
            for share in shares:
                part = inside[order <= share]
                wrong = _wrong(reduced, labels, part, held_out, len(class_names))
                found.append(
                    pd.DataFrame(
                        {
                            "draw": fold,
                            "share": share,
                            "class": class_names,
                            "photos": _count(labels[part], class_names),
                            "held_out": _count(labels[held_out], class_names),
                            "wrong": _count(labels[held_out[wrong]], class_names),
                        }
                    )
                )
    return pd.concat(found, ignore_index=True)


def _chosen(examples: pd.DataFrame, labels: Array, seed: int) -> Array:
    """The rows that take part: all, or of many a sample in which each class has its share."""
    rows = np.arange(len(labels))
    if len(rows) <= _MOST:
        return rows
    return np.sort(rows[_order(examples, labels, rows, seed=seed) <= _MOST / len(rows)])


def _shares(labels: Array, of_fold: Array) -> list[float]:
    """The parts in which classes have photos; a rare class may be missing from the smallest."""
    counts = np.bincount(labels)
    middling = float(np.median(counts[counts > 0])) * (1 - 1 / (int(of_fold.max()) + 1))
    return [share for share in SHARES if share * middling >= _LEAST]


def _order(examples: pd.DataFrame, labels: Array, rows: Array, *, seed: int) -> Array:
    """For each of the rows the share of its class, above 0 to 1, from which on it takes part.

    Bundles come in the order of their places, which are even and the same whatever else there is.
    """
    place = np.zeros(len(labels))
    for bundle in of_examples(examples, list(rows), seed=seed):
        place[list(bundle.rows)] = bundle.place
    ranks = pd.Series(place[rows]).groupby(labels[rows]).rank(method="max", pct=True)
    return ranks.to_numpy()


def _wrong(features: Array, labels: Array, part: Array, held_out: Array, classes: int) -> Array:
    """Which of the photos held out the best of a row of heads gets wrong, bool."""
    best, answer = np.inf, np.zeros(0)
    targets = linear_head.smoothed(labels[part], classes, _SMOOTHING)
    for head in linear_head.path(features[part], targets):
        scores = features[held_out] @ head.kernel + head.bias
        _, log_loss = linear_head.score(scores, labels[held_out])
        if log_loss < best:
            best, answer = log_loss, scores.argmax(axis=1)
        elif log_loss > 1.05 * best:  # it only gets worse from here
            break
    return answer != labels[held_out]


def _count(labels: Array, class_names: tuple[str, ...]) -> Array:
    return np.bincount(labels, minlength=len(class_names))
