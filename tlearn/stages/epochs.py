"""Batches of which any epoch can be begun anywhere: what is drawn depends on the epoch's number alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["Batches", "Clock", "Epochs"]

Batches = Any  # a tf.data.Dataset; TensorFlow ships no types


class Clock:
    """Which epoch it is, for whatever draws order, augmentation and mixing.

    Whoever trains sets it as an epoch begins. Where nobody does, each pass over a data set is the
    next epoch.
    """

    def __init__(self) -> None:
        self._epoch = 0
        self._passes: Counter[str] = Counter()

    def begin(self, epoch: int) -> None:
        """Say that the next pass is that of this epoch, from 0."""
        self._epoch = epoch
        self._passes.clear()

    def numbers(self, purpose: str) -> tf.data.Dataset:
        """The number of the epoch, once in each pass.

        Args:
            purpose: Of one part of a data set, which reads it once in each pass.

        Returns:
            Data set of one element, int64 `()`.
        """

        def read() -> np.int64:
            number = self._epoch + self._passes[purpose]
            self._passes[purpose] += 1
            return np.int64(number)

        def number(_: tf.Tensor) -> tf.Tensor:
            return tf.ensure_shape(tf.numpy_function(read, [], tf.int64), ())

        return tf.data.Dataset.range(1).map(tf.autograph.experimental.do_not_convert(number))


class Epochs:
    """The batches of each epoch.

    Args:
        make: From a clock and a number of batches to leave out at the beginning of an epoch, to a
            tf.data set of the other batches, of known cardinality.
        batch_size: Rows of a batch; the last one of an epoch may have fewer.
    """

    def __init__(self, make: Callable[[Clock, int], Batches], batch_size: int) -> None:
        self.clock = Clock()
        self.batch_size = batch_size
        self._make = make
        self.batches = make(self.clock, 0)

    def rest(self, done: int) -> Batches:
        """An epoch less its first batches.

        Args:
            done: How many are left out, fewer than there are.
        """
        return self._make(self.clock, done) if done else self.batches
