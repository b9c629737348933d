"""How many photos are prepared at once: a fixed number, not one that tf.data tunes as it runs.

Its autotuning stays at one thread on a machine of two processors, and whoever drops an iterator
waits for the tuner's thread to wake from its sleep: half a minute after a pass of a minute.
"""

from __future__ import annotations

import tensorflow as tf

from tlearn import processors

__all__ = ["AT_ONCE", "steady"]

# Twice the processors: results are handed on in order, so that some wait for an earlier one.
AT_ONCE = 2 * processors.count()


def steady(data: tf.data.Dataset) -> tf.data.Dataset:
    """Turn autotuning off for a data set and all that it is made of.

    Args:
        data: Any tf.data set whose parallelism is given in numbers.

    Returns:
        The same elements.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)
