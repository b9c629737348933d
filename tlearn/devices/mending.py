"""Keras's `fit` mended for several workers.

https://github.com/keras-team/keras/issues/20585 (open in Keras 3.15): under
`MultiWorkerMirroredStrategy` two functions of Keras's TensorFlow trainer reduce what replicas hold in
a way that TensorFlow refuses. `_maybe_symbolic_build` averages a batch to learn its shapes, and
`reduce_per_replica` averages scalars over an axis that they do not have. Here the first takes one
replica's batch in place of the average, and the second averages all numbers of a step at once, over
no axis. Nothing else in tlearn knows of it; `proof` shows on each start that it holds.
"""

from __future__ import annotations

import inspect
from typing import Any

import keras
import tensorflow as tf

__all__ = ["is_needed", "mend"]

_BROKEN = 'strategy.reduce("MEAN", v, axis=0)'


def is_needed() -> bool:
    """Whether the Keras at hand is one that the mend is for."""
    trainer = _trainer()
    found = getattr(trainer, "reduce_per_replica", None)
    return found is not None and _BROKEN in inspect.getsource(found)


def mend() -> None:
    """Put the mended functions into Keras, for this process, once."""
    trainer = _trainer()
    plain = trainer.reduce_per_replica

    def reduce_per_replica(values: Any, strategy: Any, reduction: str) -> Any:
        if strategy.extended._in_multi_worker_mode() and reduction in ("auto", "mean"):
            return _mean(values, strategy)
        return plain(values, strategy, reduction)

    build = trainer.TensorFlowTrainer._maybe_symbolic_build

    def _maybe_symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        strategy = self._distribute_strategy
        if iterator is not None and strategy and strategy.extended._in_multi_worker_mode():
            for _, _, batches in iterator:
                data_batch = keras.tree.map_structure(
                    lambda one: strategy.experimental_local_results(one)[0], next(batches)
                )
                break
            iterator = None
        build(self, iterator=iterator, data_batch=data_batch)

    if is_needed():
        trainer.reduce_per_replica = reduce_per_replica
        trainer.TensorFlowTrainer._maybe_symbolic_build = _maybe_symbolic_build


def _mean(values: Any, strategy: Any) -> Any:
    """The mean over all replicas of every number of a step, by one exchange."""
    flat = keras.tree.flatten(values)
    dtypes = [strategy.experimental_local_results(one)[0].dtype for one in flat]
    stacked = strategy.run(
        lambda *numbers: tf.stack([tf.cast(one, tf.float32) for one in numbers]), args=tuple(flat)
    )
    means = tf.unstack(
        strategy.reduce(tf.distribute.ReduceOp.MEAN, stacked, axis=None), num=len(flat)
    )
    cast = [tf.cast(one, dtype) for one, dtype in zip(means, dtypes, strict=True)]
    return keras.tree.pack_sequence_as(values, cast)


def _trainer() -> Any:
    from keras.src.backend.tensorflow import trainer

    return trainer
