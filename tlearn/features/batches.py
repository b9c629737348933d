"""Kept features become batches: exactly shuffled, another view of each photo in each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from tlearn.photos.mixing import mix
from tlearn.photos.steady import steady
from tlearn.stages.epochs import Clock
from tlearn.stages.stage import Stage

__all__ = ["InMemory", "Rows", "in_order", "training"]

Array = np.ndarray[Any, Any]
_BATCHES_AHEAD = 2


class Rows(Protocol):
    """Rows of features by their place, in memory or on the disk."""

    shape: tuple[int, ...]  # with the number of rows first
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        """How many rows there are."""

    def read(self, positions: Array) -> Array:
        """The rows at these places, in this order."""


class InMemory:
    """Rows that are held in memory.

    Args:
        values: `(photos, ...)`.
    """

    def __init__(self, values: Array) -> None:
        self.values = values
        self.shape = values.shape
        self.dtype = values.dtype

    def __len__(self) -> int:
        return len(self.values)

    def read(self, positions: Array) -> Array:
        """The rows at these places, in this order."""
        return self.values[positions]


def training(
    views: Sequence[Rows],
    labels: Array,
    num_classes: int,
    stage: Stage,
    *,
    batch_size: int,
    seed: int,
    class_weights: Array | None = None,
    clock: Clock | None = None,
    done: int = 0,
) -> Any:
    """Batches for one stage.

    Each epoch has every photo once (or all classes equally often, where the stage balances by
    sampling), in a new random order, in one of its views: each view comes once before any comes
    again.

    Args:
        views: For each view, the rows of all photos.
        labels: Class numbers, int `(photos,)`.
        num_classes: Number of classes.
        stage: Its mixing and balance.
        batch_size: Photos per batch; the last batch may be smaller.
        seed: Decides order and views.
        class_weights: What a photo of each class counts, `(classes,)`.
        clock: Says which epoch it is; by default each pass is the next one.
        done: How many batches to leave out at the beginning of each epoch.

    Returns:
        A tf.data.Dataset of `(features, labels)` or `(features, labels, weights)`: float32
        `(batch, ...)`, one-hot float32 `(batch, classes)`, float32 `(batch,)`.
    """
    count, shape = len(labels), views[0].shape[1:]
    order = _Order(labels, len(views), seed, balanced=stage.balance == "sampling")

    def read(rows: Array, chosen: Array) -> Array:
        found = np.empty((len(rows), *shape), views[0].dtype)
        for view in np.unique(chosen):
            here = np.flatnonzero(chosen == view)
            found[here] = views[view].read(rows[here])
        return found

    numbers = tf.constant(labels, tf.int32)

    def batch(rows: Any, chosen: Any) -> tuple[Any, ...]:
        features = tf.numpy_function(read, [rows, chosen], views[0].dtype, stateful=False)
        features = tf.cast(tf.ensure_shape(features, (None, *shape)), tf.float32)
        return features, tf.one_hot(tf.gather(numbers, rows), num_classes)

    def epoch(number: Any) -> Any:
        drawn = tf.numpy_function(order.draw, [number], (tf.int64, tf.int64), stateful=False)
        parts = [tf.ensure_shape(one, (count,)) for one in drawn]
        return tf.data.Dataset.from_tensor_slices(tuple(parts))

    plain = tf.autograph.experimental.do_not_convert
    clock = clock or Clock()
    rows = clock.numbers("order").flat_map(plain(epoch))
    rows = rows.apply(tf.data.experimental.assert_cardinality(count))
    rows = rows.skip(done * batch_size).batch(batch_size)
    found = rows.map(plain(batch), num_parallel_calls=2, deterministic=True)
    if stage.mixup or stage.cutmix:
        cutmix = stage.cutmix if len(shape) == 3 else 0.0  # there is no box to cut in a vector
        found = mix(found, mixup=stage.mixup, cutmix=cutmix, seed=seed, clock=clock, done=done)
    if class_weights is not None:
        weights = tf.constant(class_weights, tf.float32)
        found = found.map(lambda seen, wanted: (seen, wanted, tf.linalg.matvec(wanted, weights)))
    return steady(found.prefetch(_BATCHES_AHEAD))


def in_order(rows: Rows, labels: Array, num_classes: int, *, batch_size: int) -> Any:
    """Batches for validation: in order, one view.

    Args:
        rows: The rows of all photos.
        labels: Class numbers, int `(photos,)`.
        num_classes: Number of classes.
        batch_size: Photos per batch.

    Returns:
        A tf.data.Dataset of float32 features `(batch, ...)` and one-hot float32 labels
        `(batch, classes)`.
    """

    def read(start: Any) -> tuple[Any, Any]:
        places = tf.range(start, tf.minimum(start + batch_size, len(labels)))
        features = tf.numpy_function(rows.read, [places], rows.dtype, stateful=False)
        features = tf.cast(tf.ensure_shape(features, (None, *rows.shape[1:])), tf.float32)
        return features, tf.one_hot(tf.gather(numbers, places), num_classes)

    numbers = tf.constant(labels, tf.int32)
    starts = tf.data.Dataset.range(0, len(labels), batch_size)
    found = starts.map(tf.autograph.experimental.do_not_convert(read), num_parallel_calls=1)
    return steady(found.prefetch(_BATCHES_AHEAD))


class _Order:
    """Each epoch's rows, and which view of each."""

    def __init__(self, labels: Array, views: int, seed: int, *, balanced: bool) -> None:
        self._labels = labels
        self._views = views
        self._seed = seed
        self._balanced = balanced
        first = np.random.default_rng((seed, 0))
        # For each photo an order of its views of its own.
        self._order = first.permuted(np.tile(np.arange(views), (len(labels), 1)), axis=1)

    def draw(self, epoch: np.int64) -> tuple[Array, Array]:
        """Rows and views of an epoch, each int64 `(photos,)`."""
        random = np.random.default_rng((self._seed, int(epoch) + 1))
        rows = random.permutation(len(self._labels))
        if self._balanced:
            rows = _balanced(rows, self._labels, random)
        chosen = self._order[rows, int(epoch) % self._views]
        return rows.astype(np.int64), chosen.astype(np.int64)


def _balanced(rows: Array, labels: Array, random: np.random.Generator) -> Array:
    """As many rows, all classes equally often; a class's photos in turn, round and round."""
    of_class = [rows[labels[rows] == label] for label in np.unique(labels)]
    random.shuffle(of_class)  # another class has one photo more each time
    turns = -(-len(rows) // len(of_class))
    dealt = np.stack([np.resize(members, turns) for members in of_class], axis=1)
    return random.permutation(dealt.ravel()[: len(rows)])
