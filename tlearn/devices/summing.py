"""Gradients of all replicas added up before they are clipped.

Keras clips the gradient of each replica and adds up afterwards, so that what `global_clipnorm`
does would depend on how many replicas there are: of two that pull in different directions, each a
half as long, none is clipped where one device would.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

__all__ = ["SumsFirst"]


class SumsFirst:
    """To be mixed into a Keras optimizer, in front of it. With one replica it changes nothing."""

    def _clip_gradients(self, grads: Sequence[Any]) -> Any:
        if keras.backend.backend() != "tensorflow":
            return super()._clip_gradients(grads)  # type: ignore[misc]
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            there = [place for place, one in enumerate(grads) if one is not None]
            found = context.all_reduce(tf.distribute.ReduceOp.SUM, [grads[one] for one in there])
            grads = list(grads)
            for place, summed in zip(there, found, strict=True):
                grads[place] = summed
        return super()._clip_gradients(grads)  # type: ignore[misc]

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> list[Any]:
        return list(grads_and_vars)  # done above
