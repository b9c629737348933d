"""Batches that can be divided: padded to one size by rows that count nothing.

The mean over a batch is then the mean over its equal parts, so that several devices, or one that takes
the parts one after another, make the same step as one device that takes the batch at once.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tlearn.stages.material import Batches

__all__ = ["evened", "in_parts", "size_of"]


def size_of(batches: Batches) -> int:
    """The number of rows of the first batch, which no later one exceeds."""
    return int(next(len(labels) for _, labels, *_ in batches))


def evened(batches: Batches, size: int, *, scaled: bool = True) -> Batches:
    """Pad the batches that are smaller than the others.

    Args:
        batches: Batches of `(inputs, labels)` or `(inputs, labels, weights)`.
        size: Rows of every batch that is given.
        scaled: Whether the weights of a smaller batch are raised, so that its sum divided by `size`
            is the mean over its own rows. For a loss; not for what counts each photo once.

    Returns:
        Batches of `(inputs, labels, weights)`, each of `size` rows, static. A row that pads is a copy
        with a weight of 0.
    """

    def pad(inputs: Any, labels: Any, *weights: Any) -> tuple[Any, ...]:
        rows = tf.shape(labels)[0]
        places = tf.minimum(tf.range(size), rows - 1)
        inputs, labels = (_fixed(tf.gather(one, places), size) for one in (inputs, labels))
        real = tf.cast(tf.range(size) < rows, tf.float32)
        if weights:
            real *= tf.cast(tf.gather(weights[0], places), tf.float32)
        if scaled:
            real *= tf.cast(size, tf.float32) / tf.cast(rows, tf.float32)
        return inputs, labels, _fixed(real, size)

    return batches.map(tf.autograph.experimental.do_not_convert(pad))


def in_parts(batches: Batches, size: int, parts: int) -> Batches:
    """Each batch as several smaller ones in a row.

    Args:
        batches: Batches that `evened` gave.
        size: Rows of each.
        parts: How many come of each; it divides `size`.

    Returns:
        Batches of `size / parts` rows.
    """

    def divide(*batch: Any) -> tuple[Any, ...]:
        return tuple(tf.reshape(one, (parts, size // parts, *one.shape[1:])) for one in batch)

    steps = batches.cardinality()
    divided = batches.map(tf.autograph.experimental.do_not_convert(divide)).unbatch()
    return divided.apply(tf.data.experimental.assert_cardinality(steps * parts))


def _fixed(values: Any, size: int) -> Any:
    return tf.ensure_shape(values, (size, *values.shape[1:]))
