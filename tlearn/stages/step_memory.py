"""Whether a step of training fits into memory, told before it is made.

On a GPU a step that does not fit is an error that can be caught. On a CPU there is nothing to catch: the
system ends the process. So the need is estimated, as what a backward pass keeps: the outputs of all layers
behind the first that trains, and twice the largest.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tlearn import memory

__all__ = ["bytes_per_photo", "parts_that_fit"]

_LARGEST_TIMES = 2
_BESIDE = 200_000_000  # kernels, gradients of the weights, batches ahead


def bytes_per_photo(model: keras.Model) -> int:
    """What a step of training keeps of each photo.

    Args:
        model: What is fitted, `trainable` set.

    Returns:
        Bytes; 0 where the model is no graph of layers.
    """
    sizes: list[int] = []
    trains = False
    for layer in getattr(model, "operations", ()):
        trains = trains or bool(getattr(layer, "trainable_variables", ()))
        try:
            outputs = keras.tree.flatten(layer.output)
        except (AttributeError, ValueError):
            return 0
        size = sum(_bytes(one) for one in outputs)
        if trains:
            sizes.append(size)
    return sum(sizes) + _LARGEST_TIMES * max(sizes, default=0)


def parts_that_fit(model: keras.Model, batch_size: int) -> int:
    """In how many parts a batch must be taken so that a step fits into memory.

    Args:
        model: What is fitted, `trainable` set.
        batch_size: Photos of a step.

    Returns:
        A power of 2; 1 where there is a GPU, on which a step is tried.
    """
    if tf.config.list_logical_devices("GPU"):
        return 1
    each = bytes_per_photo(model)
    room = memory.free() - _BESIDE
    parts = 1
    while 2 * parts <= batch_size and each * math.ceil(batch_size / parts) > room:
        parts *= 2
    return parts


def _bytes(tensor: Any) -> int:
    size = keras.backend.standardize_dtype(tensor.dtype)
    width = 2 if size in ("float16", "bfloat16") else 4
    return width * math.prod(side or 1 for side in tensor.shape[1:])
