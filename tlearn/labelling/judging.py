"""Which labels look wrong, and which photos belong to no class, told from features alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import threadpoolctl
from scipy.stats import median_abs_deviation

from tlearn import crossing
from tlearn.datasets.dataset import two_faced
from tlearn.labelling import confident, neighbours
from tlearn.photos import pipeline

__all__ = ["Suspects", "of_features"]

Array = np.ndarray[Any, Any]

_FOLDS = 5
# What is left out differs little between photos, and the heads are fitted five times as fast.
_AXES = 256
# The share of the heads in the logarithm of the probability; the rest is the neighbours'.
_OF_HEADS = 0.7
# What a class gets that none of the neighbours is of, so that no probability is 0.
_UNSEEN = 0.02
# Of a normal distribution, 0.6 % are beyond.
_FAR = 2.5


@dataclass(frozen=True)
class Suspects:
    """What is to be looked at.

    Args:
        table: A row for each photo, the most suspect first. Columns: `path`, `split`, `given` (its
            class), `suggested` (another class, which is more probable than all others but the
            given one), `confidence` (float64, 0 to 1: the probability of the suggested class by
            photos that are no copies of this one), `score` (float64, 0 to 1: the share of the
            suggested class in the probability of both; at 0.5 both are as probable), `suspect`
            (bool: worth a look), `same_as` (the path of a photo of another class that is the same
            byte for byte, else `None`), `digest`.
        outliers: A row for each photo that is far from all others, the farthest first. Columns:
            `path`, `split`, `given`, `distance` (float64: one less the cosine of its features with
            those of the tenth nearest photo), `score` (float64, 2.5 and more: robust standard
            deviations beyond the median), `digest`.
        probabilities: float64 `(photos, classes)`, in the order of the data set's photos: what the
            heads and the neighbours say that have not seen the photo; each row adds up to 1.
        class_names: The classes, in the order of `probabilities`.
    """

    table: pd.DataFrame
    outliers: pd.DataFrame
    probabilities: Array
    class_names: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many labels are suspect."""
        return int(self.table["suspect"].sum())


def of_features(
    examples: pd.DataFrame, features: Array, class_names: tuple[str, ...], *, seed: int = 0
) -> Suspects:
    """Find suspect labels from features.

    Linear heads, and the nearest photos, say what each photo shows; those that say it have not
    seen it, nor a copy of it, nor a photo of its group. Confident learning says how many labels
    are wrong, see `labelling.confident`.

    Args:
        examples: Columns `path`, `label`, `split`, `group`, `digest`; maybe `given_label`: a photo
            that a person has looked at is no suspect any more.
        features: `(photos, features)`, of any float dtype.
        class_names: All classes, in order.
        seed: Decides the folds.

    Returns:
        Suspect labels and outliers; `probabilities` in the order of `examples`.

    Raises:
        ValueError: A feature is not finite.
    """
    labels = pipeline.class_numbers(examples, class_names)
    of_fold = crossing.folds(examples, _FOLDS, seed=seed)
    # Matrices this small are divided among threads at a loss, a large one on a busy machine.
    with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
        probabilities = _probabilities(features, labels, of_fold, len(class_names), seed)
        far = neighbours.distances(features, of_fold, seed=seed)
    suggested, score = confident.suggestions(probabilities, labels)
    joint = confident.confident_joint(probabilities, labels)
    wrong = int(joint.sum() - np.trace(joint))
    suspect = np.zeros(len(labels), bool)
    suspect[np.argsort(-score, kind="stable")[:wrong]] = True
    suspect &= score > 0.5
    if "given_label" in examples:
        suspect &= examples["given_label"].isna().to_numpy()
    copy_of = _conflicts(examples)
    for place, other in copy_of.items():
        suggested[place] = labels[other]
    places = range(len(labels))
    rows = np.array(places)
    confidence = probabilities[rows, suggested]
    conflict = np.array([place in copy_of for place in places], bool)
    score = np.where(conflict, confidence / (confidence + probabilities[rows, labels]), score)
    names = np.array(class_names, dtype=object)
    paths = list(examples["path"])
    same_as = [paths[copy_of[place]] if place in copy_of else None for place in places]
    table = pd.DataFrame(
        {
            "path": paths,
            "split": examples["split"].to_numpy(),
            "given": examples["label"].to_numpy(),
            "suggested": names[suggested],
            "confidence": confidence,
            "score": score,
            "suspect": suspect | conflict,
            "same_as": pd.Series(same_as, dtype=object),
            "digest": examples["digest"].to_numpy(),
        }
    )
    # One of two copies under two classes is wrong for certain.
    order = np.lexsort((-score, ~(suspect | conflict), ~conflict))
    return Suspects(
        table.iloc[order].reset_index(drop=True),
        _outliers(examples, far),
        probabilities,
        tuple(class_names),
    )


def _probabilities(
    features: Array, labels: Array, of_fold: Array, num_classes: int, seed: int
) -> Array:
    """Heads and neighbours together: a weighted geometric mean, float64 `(photos, classes)`."""
    if not np.isfinite(features).all():
        raise ValueError("the features are not finite")
    axes = neighbours.principal(features, _AXES)
    heads = crossing.cross_validate(axes, labels, of_fold, num_classes, label_smoothing=0.0)
    near = neighbours.votes(axes, labels, of_fold, num_classes, seed=seed)
    mixed = np.maximum(heads.probabilities.astype(np.float64), 1e-9) ** _OF_HEADS
    mixed *= (near + _UNSEEN) ** (1 - _OF_HEADS)
    return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))


def _conflicts(examples: pd.DataFrame) -> dict[int, int]:
    """By the place of a photo, that of a copy of it, byte for byte, under another class."""
    found = {}
    rows = two_faced(examples.reset_index(drop=True))
    for _, labels in rows.groupby("digest", sort=False)["label"]:
        for place, label in labels.items():
            found[place] = int(labels.index[labels != label][0])
    return found


def _outliers(examples: pd.DataFrame, found: Array) -> pd.DataFrame:
    middle = np.median(found)
    spread = median_abs_deviation(found, scale="normal")
    score = (found - middle) / max(float(spread), 1e-9)
    table = pd.DataFrame(
        {
            "path": examples["path"].to_numpy(),
            "split": examples["split"].to_numpy(),
            "given": examples["label"].to_numpy(),
            "distance": found,
            "score": score,
            "digest": examples["digest"].to_numpy(),
        }
    )
    table = table[table["score"] > _FAR]
    return table.sort_values("distance", ascending=False, kind="stable").reset_index(drop=True)
