"""How long, how fast and how deep to train, by the size of the data set: pure functions.

In the manner of BiT's HyperRule (Kolesnikov et al. 2020): a person with 100 photos and one with
100,000 both get numbers that fit, without a search.
"""

from __future__ import annotations

import math

__all__ = [
    "average",
    "batch_size",
    "epochs_for_steps",
    "head_epochs",
    "is_head_alone",
    "patience",
    "unfrozen_epochs",
    "unfrozen_rate",
    "views",
]

_HEAD_STEPS = 300
_UNFROZEN_STEPS = 430
_UNFROZEN_RATE = 1e-3
_FEW_OF_A_CLASS = 10


def average(num_examples: int) -> float:
    """The share of the epochs after unfreezing whose weights are averaged: half of few photos.

    Where a step has fewer than 32 photos the weights still move from epoch to epoch, and their
    mean had a lower log loss; where it has 32 they have settled, and the mean gained nothing.

    Args:
        num_examples: Photos in the training split, at least 1.

    Returns:
        0.5 or 0.
    """
    return 0.5 if batch_size(num_examples) < 32 else 0.0


def batch_size(num_examples: int) -> int:
    """Photos per step: 32, and fewer when an epoch would otherwise have under 16 steps.

    Args:
        num_examples: Photos in the training split, at least 1.

    Returns:
        8, 16 or 32.
    """
    if num_examples >= 512:
        return 32
    return 16 if num_examples >= 256 else 8


def epochs_for_steps(steps: int, num_examples: int, *, least: int, most: int) -> int:
    """Epochs that come nearest to a number of optimizer steps, within limits.

    Args:
        steps: The wanted number of steps.
        num_examples: Photos in the training split, at least 1.
        least: The fewest epochs, however large the data set.
        most: The most epochs, however small.

    Returns:
        A number of epochs.
    """
    steps_per_epoch = math.ceil(num_examples / batch_size(num_examples))
    return max(least, min(most, round(steps / steps_per_epoch)))


def head_epochs(num_examples: int) -> int:
    """Epochs for a new head on a frozen backbone: about 300 steps, 2 to 20 epochs."""
    return epochs_for_steps(_HEAD_STEPS, num_examples, least=2, most=20)


def is_head_alone(num_examples: int, num_classes: int | None) -> bool:
    """Whether there are too few photos of each class to unfreeze anything: under 10 to train on.

    So few move the backbone to where they are told apart by chance, and there are too few beside
    them to tell that it went wrong; docs/recipes.md has the measurement.

    Args:
        num_examples: Photos in the training split.
        num_classes: Number of classes; `None` where it is not known.

    Returns:
        True where the head should train alone.
    """
    return num_classes is not None and num_examples < _FEW_OF_A_CLASS * num_classes


def unfrozen_epochs(num_examples: int) -> int:
    """Epochs for what is unfrozen: about 430 steps, 4 to 15 epochs."""
    return epochs_for_steps(_UNFROZEN_STEPS, num_examples, least=4, most=15)


def unfrozen_rate(num_examples: int) -> float:
    """Peak rate of what is unfrozen: 1e-3 at 32 photos a step, by the square root less at fewer.

    With few photos in a step the gradient is rougher, and the same rate shakes the weights more
    (the square root scaling rule for Adam, Malladi et al. 2022).

    Args:
        num_examples: Photos in the training split, at least 1.

    Returns:
        5e-4, 7.1e-4 or 1e-3.
    """
    return round(_UNFROZEN_RATE * math.sqrt(batch_size(num_examples) / 32), 5)


def patience(epochs: int) -> int:
    """Epochs without a better validation score after which a stage stops: half of them, 2 or more.

    With a rate that falls to zero the last epochs are usually the best, so patience is long.
    """
    return max(2, math.ceil(epochs / 2))


def views(num_examples: int, epochs: int, augmentation: str) -> int:
    """Views of each photo to keep: 4, of 2,500 photos and more 2 or 1; no more than epochs.

    The first view is the photo as it is. It is enough for many photos in fewer than 6 epochs, in
    which lightly varied ones cost time and taught nothing; docs/performance.md has the measurement.

    Args:
        num_examples: Photos in the training split.
        epochs: Epochs that choose among them.
        augmentation: `"none"` makes one view enough.

    Returns:
        1 to 4.
    """
    if augmentation == "none":
        return 1
    if num_examples < 2500:
        return min(4, epochs)
    return 1 if augmentation == "light" and epochs < 6 else min(2, epochs)
