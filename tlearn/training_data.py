"""The training photos as one stage wants them: augmented, mixed, balanced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tlearn.photos import augmentation as augment
from tlearn.photos import pipeline
from tlearn.stages.epochs import Clock, Epochs
from tlearn.stages.stage import Stage

__all__ = ["class_weights", "epochs", "for_stage"]


def epochs(
    stage: Stage, examples: pd.DataFrame, class_names: tuple[str, ...], **settings: Any
) -> Epochs:
    """What one stage trains on, of which any epoch can be begun anywhere.

    Args:
        stage: Its augmentation, mixing and balance.
        examples: The training split: columns path, label, decoder.
        class_names: All classes, in the run's order.
        **settings: As those of `for_stage`, less `clock` and `done`.

    Returns:
        Its epochs.
    """

    def make(clock: Clock, done: int) -> Any:
        return for_stage(stage, examples, class_names, clock=clock, done=done, **settings)

    return Epochs(make, settings["batch_size"])


def for_stage(
    stage: Stage,
    examples: pd.DataFrame,
    class_names: tuple[str, ...],
    *,
    image_size: int,
    batch_size: int,
    resize_mode: str,
    seed: int,
    clock: Clock | None = None,
    done: int = 0,
    only: range | None = None,
) -> Any:
    """Make the batches that one stage trains on.

    Args:
        stage: Its augmentation, mixing and balance.
        examples: The training split: columns path, label, decoder.
        class_names: All classes, in the run's order.
        image_size: Pixels along each side of what the model takes.
        batch_size: Photos per batch; the last batch may be smaller.
        resize_mode: One of `decoding.RESIZE_MODES`.
        seed: Decides order and augmentation.
        clock: Says which epoch it is; by default each pass is the next one.
        done: How many batches to leave out at the beginning of each epoch.
        only: The places in each batch whose photos are read, unless photos are mixed; by default all.

    Returns:
        A tf.data.Dataset of `(images, labels)` or `(images, labels, weights)`: float32
        `(batch, image_size, image_size, 3)` in 0..255, one-hot float32 `(batch, classes)`,
        float32 `(batch,)`.
    """
    num_classes = len(class_names)
    clock = clock or Clock()
    batches = pipeline.batches(
        examples,
        class_names,
        image_size=image_size,
        batch_size=batch_size,
        resize_mode=resize_mode,
        shuffle=True,
        seed=seed,
        augmentation=augment.Augmentation(stage.augmentation, stage.mirror, stage.hue),
        balanced=stage.balance == "sampling",
        clock=clock,
        done=done,
        only=None if stage.mixup or stage.cutmix else only,
    )
    batches = batches.map(lambda images, labels: (images, tf.one_hot(labels, num_classes)))
    if stage.mixup or stage.cutmix:
        batches = augment.mix(
            batches, mixup=stage.mixup, cutmix=stage.cutmix, seed=seed, clock=clock, done=done
        )
    if stage.balance == "weights":
        weights = tf.constant(class_weights(examples["label"], class_names), tf.float32)
        batches = batches.map(
            lambda images, labels: (images, labels, tf.linalg.matvec(labels, weights))
        )
    return batches.prefetch(2)


def class_weights(labels: pd.Series, class_names: tuple[str, ...]) -> np.ndarray:
    """Weights that make each class count the same in the loss.

    Args:
        labels: The label of each training photo.
        class_names: All classes, in order.

    Returns:
        float64 `(classes,)`: photos / (classes * photos of the class), as scikit-learn's
        `class_weight="balanced"`; 0 for a class with no training photo.
    """
    counts = labels.value_counts().reindex(list(class_names), fill_value=0).to_numpy(dtype=float)
    weights = np.zeros_like(counts)
    present = counts > 0
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights
