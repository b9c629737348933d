"""Which photos look alike, by the angle between their features, and what the nearest ones say."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["distances", "of_length_one", "principal", "votes"]

Array = np.ndarray[Any, Any]

# Of more photos, so many are drawn that others are compared with: the cost grows with their number
# and not with its square.
_MOST_COMPARED = 10_000
_BLOCK = 1024
_VOTERS = 15
# Cosines of photos of one class differ by about as much.
_SOFTNESS = 0.1
# A neighbour this far down the list is not one of a few copies.
_KTH = 10


def principal(features: Array, count: int) -> Array:
    """The features along their first principal axes.

    Args:
        features: `(photos, features)`, of any float dtype.
        count: Number of axes; fewer where there are not so many.

    Returns:
        float32 `(photos, axes)`, with mean 0.
    """
    blocks = range(0, len(features), _BLOCK)
    mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = np.zeros((features.shape[1],) * 2, np.float32)
    for start in blocks:
        part = features[start : start + _BLOCK].astype(np.float32) - mean
        spread += part.T @ part
    _, axes = np.linalg.eigh(spread)
    axes = np.ascontiguousarray(axes[:, ::-1][:, :count])
    parts = [(features[at : at + _BLOCK].astype(np.float32) - mean) @ axes for at in blocks]
    return np.concatenate(parts)


def votes(features: Array, labels: Array, of_fold: Array, num_classes: int, *, seed: int) -> Array:
    """What the nearest photos of the other folds are labelled, the nearer ones counting more.

    Args:
        features: float `(photos, features)`, with mean 0.
        labels: The given classes' numbers, int `(photos,)`.
        of_fold: Each photo's fold, int `(photos,)`: copies are in one fold and have no vote.
        num_classes: Number of classes.
        seed: Decides with which photos the others are compared, where there are very many.

    Returns:
        float64 `(photos, classes)`, the shares of 15 neighbours; each row adds up to 1.
    """
    found = np.zeros((len(features), num_classes))
    places, cosines = _nearest(features, of_fold, _VOTERS, seed)
    weights = np.exp((cosines - cosines.max(axis=1, keepdims=True)) / _SOFTNESS)
    for column in range(places.shape[1]):
        voters = places[:, column]
        np.add.at(found, (np.arange(len(found)), labels[voters]), weights[:, column])
    return found / found.sum(axis=1, keepdims=True)


def distances(features: Array, of_fold: Array, *, seed: int) -> Array:
    """How far each photo is from the others.

    Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors": the distance from
    the k-th nearest, of features of length 1. The features are not centred: what the network has
    no features for comes out near their mean, and in any direction from it.

    Args:
        features: float `(photos, features)`.
        of_fold: Each photo's fold, int `(photos,)`; it is compared with those of the others.
        seed: Decides with which photos the others are compared, where there are very many.

    Returns:
        float64 `(photos,)`: one less the cosine with the tenth nearest, 0 to 2.
    """
    _, cosines = _nearest(features, of_fold, _KTH, seed)
    return 1.0 - cosines.min(axis=1).astype(np.float64)


def _nearest(features: Array, of_fold: Array, count: int, seed: int) -> tuple[Array, Array]:
    """The places of the nearest photos of other folds, in no order, and their cosines."""
    chosen = np.arange(len(features))
    if len(chosen) > _MOST_COMPARED:
        draw = np.random.default_rng(seed).choice(len(chosen), _MOST_COMPARED, replace=False)
        chosen = np.sort(draw)
    compared = of_length_one(features[chosen])
    fewest = min(int((of_fold[chosen] != fold).sum()) for fold in np.unique(of_fold))
    count = max(1, min(count, fewest))
    places, cosines = [], []
    for start in range(0, len(features), _BLOCK):
        part = of_length_one(features[start : start + _BLOCK]) @ compared.T
        part[of_fold[start : start + _BLOCK, None] == of_fold[None, chosen]] = -2.0
        first = np.argpartition(-part, count - 1, axis=1)[:, :count]
        places.append(chosen[first])
        cosines.append(np.take_along_axis(part, first, axis=1))
    return np.concatenate(places), np.concatenate(cosines)


def of_length_one(features: Array) -> Array:
    """Features whose products are cosines.

    Args:
        features: `(photos, features)`, of any float dtype.

    Returns:
        float32, as large; a row of zeros stays one.
    """
    values = features.astype(np.float32)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.maximum(lengths, 1e-12))
