"""Which part of the network each stage can keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from tlearn.networks import cutting
from tlearn.stages import freezing, solving
from tlearn.stages.stage import Stage

__all__ = ["Plan", "as_many_as_fit", "is_solved", "plan"]


@dataclass(frozen=True)
class Plan:
    """What one stage needs.

    Args:
        cut: Where the frozen trunk ends.
        views: Views of each training photo.
    """

    cut: cutting.Cut
    views: int


def plan(
    model: keras.Model, stages: Sequence[Stage], *, photos: int, room: int
) -> list[Plan | None]:
    """Choose a cut for each stage by its cost, none behind what an earlier stage has trained.

    Args:
        model: The classifier; its `trainable` is set as the last stage wants it.
        stages: The stages, in order.
        photos: Training photos.
        room: Bytes that the features of one stage may take.

    Returns:
        A plan for each stage: where nothing frozen is worth keeping, the pixels are kept; `None`
        where there is no room for them, either.
    """
    _, head = freezing.split_head(model)
    found: list[Plan | None] = []
    most: float = math.inf
    for stage in stages:
        freezing.unfreeze(model, stage.unfreeze)
        possible = [cut for cut in cutting.cuts(model, head) if cut.before <= most]
        most = possible[-1].before if possible else 0
        plain = is_solved(model, stage) or stage.augmentation == "none"
        views = 1 if plain else stage.views
        cut = cutting.choose(possible, views=views, epochs=stage.epochs, photos=photos, room=room)
        cut = cut or _pixels(model, photos * views, room)
        found.append(Plan(cut, views) if cut else None)
    return found


def _pixels(model: keras.Model, pictures: int, room: int) -> cutting.Cut | None:
    cut = cutting.pixels(model)
    return cut if cut and pictures * cut.bytes <= room else None


def is_solved(model: keras.Model, stage: Stage) -> bool:
    """Whether a stage's head is fitted at once, where its features are kept.

    Args:
        model: The classifier.
        stage: The stage.

    Returns:
        True for a stage of the head alone, whose head is a softmax regression, that asks for it.
    """
    asked = stage.solver == "lbfgs" and stage.unfreeze == 0
    return asked and solving.dense_of(model) is not None


def as_many_as_fit(shape: tuple[int, ...], budget: int, seed: int) -> np.ndarray:
    """Which rows a head is fitted on at once: all, or as many as fit three times, in float32, into half
    the budget.

    Args:
        shape: Of all rows, with their number first.
        budget: Bytes.
        seed: Draws them.

    Returns:
        Their places in ascending order, at least 1,000 if there are so many.
    """
    count, *row = shape
    most = max(1000, budget // (24 * math.prod(row)))
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
