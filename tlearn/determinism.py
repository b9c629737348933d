"""Random numbers that are the same in every run with the same seed, and arithmetic that is, too."""

from __future__ import annotations

import keras
import tensorflow as tf

__all__ = ["begin"]


def begin(seed: int, *, required: bool = False) -> None:
    """Seed all that throws dice.

    Args:
        seed: Of Python's, numpy's and Keras's random numbers.
        required: Whether TensorFlow shall only use operations that give the same to the last bit each
            time. That holds for the whole process from here on.
    """
    keras.utils.set_random_seed(seed)
    if required:
        tf.config.experimental.enable_op_determinism()
