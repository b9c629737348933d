"""How well values tell one class from others, on photos that were not looked at for it."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["area", "best_cut", "folds", "scores", "standard_error"]

Array = np.ndarray[Any, Any]

_FOLDS = 5


def folds(codes: Array, units: Array, seed: int) -> Array:
    """The fold of each photo, int64 `(photos,)`: units whole, classes spread evenly."""
    count = int(units.max()) + 1
    first = np.full(count, -1, np.int64)
    first[units[::-1]] = codes[::-1]
    order = np.random.default_rng(seed).permutation(count)
    order = order[np.argsort(first[order], kind="stable")]
    fold = np.empty(count, np.int64)
    fold[order] = np.arange(count) % _FOLDS
    return np.asarray(fold[units])


def scores(values: Array, codes: Array, of_fold: Array, num_classes: int, *, named: bool) -> Array:
    """What each photo's class is by the others' values, float64 `(photos, classes)`."""
    told = np.zeros((len(codes), num_classes))
    sizes = np.maximum(np.bincount(codes, minlength=num_classes), 1)
    for fold in range(_FOLDS):
        inside, outside = of_fold != fold, of_fold == fold
        if not outside.any() or len(np.unique(codes[inside])) < 2:
            continue
        if named:
            told[outside] = _by_name(values, codes, inside, outside, sizes)
        else:
            known, by_class = _by_tree(values, codes, inside, outside)
            told[np.ix_(outside, known)] = by_class
    return told


def _by_name(values: Array, codes: Array, inside: Array, outside: Array, sizes: Array) -> Array:
    number = values[:, 0].astype(np.int64)
    counts = np.zeros((int(number.max()) + 1, len(sizes)))
    np.add.at(counts, (number[inside], codes[inside]), 1.0)
    # Each class as if it had one photo in all, and a little of each for what was never seen.
    weighted = counts / sizes + 0.1 / len(inside)
    return np.asarray((weighted / weighted.sum(axis=1, keepdims=True))[number[outside]])


def _by_tree(values: Array, codes: Array, inside: Array, outside: Array) -> tuple[Array, Array]:
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(
        max_leaf_nodes=32,
        min_samples_leaf=max(5, len(codes) // 200),
        class_weight="balanced",
        random_state=0,
    )
    tree.fit(values[inside], codes[inside])
    return tree.classes_, tree.predict_proba(values[outside])


def area(told: Array, is_class: Array) -> float:
    """The chance that a photo of the class scores above one of another; ties count half."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(is_class, told))


def standard_error(of: float, count: int, others: int) -> float:
    """By Hanley and McNeil 1982, of so many separate photos on either side."""
    # At 1 it would be none at all.
    of = min(of, 1 - 0.5 / count)
    one, two = of / (2 - of), 2 * of**2 / (1 + of)
    spread = of * (1 - of) + (count - 1) * (one - of**2) + (others - 1) * (two - of**2)
    return float(np.sqrt(max(spread, 0.0) / (count * max(others, 1))))


def best_cut(told: Array, is_class: Array, times: float = 1.0) -> tuple[float, float]:
    """Found and mistaken where found, less `times` what is mistaken, is most; as shares."""
    order = np.argsort(-told, kind="stable")
    hits = np.cumsum(is_class[order]) / is_class.sum()
    false = np.cumsum(~is_class[order]) / (~is_class).sum()
    ends = np.flatnonzero(np.append(np.diff(told[order]) != 0, True))
    best = ends[(hits - times * false)[ends].argmax()]
    if hits[best] < times * false[best]:
        return 0.0, 0.0
    return float(hits[best]), float(false[best])
