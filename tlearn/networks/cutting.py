"""Where a model can be cut into a frozen trunk and a trained top, and what each cut costs."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tlearn.networks import graph

__all__ = ["Cut", "choose", "cuts", "fingerprint", "multiplications", "pixels", "tensor"]

_PIXELS = "pixels"
# What a layer's configuration holds that changes nothing in what it computes.
_NO_ARITHMETIC = ("name", "trainable", "_initializer", "_regularizer", "_constraint")


@dataclass(frozen=True)
class Cut:
    """A place where the network passes through a single tensor.

    Args:
        name: The layer before it, or `"pixels"` at the input.
        tensor: The tensor.
        before: Multiplications for one photo up to here.
        dtype: What its numbers are kept as.
    """

    name: str
    tensor: Any
    before: int
    dtype: str = "float16"

    @property
    def bytes(self) -> int:
        """What is kept of one photo."""
        return math.prod(self.tensor.shape[1:]) * int(np.dtype(self.dtype).itemsize)

    @property
    def is_input(self) -> bool:
        """Whether the whole network is behind it, so that nothing needs to be run for it."""
        return self.name == _PIXELS


def cuts(model: keras.Model, head: Collection[Any]) -> tuple[Cut, ...]:
    """All places at which a model with `trainable` set can be cut before anything that trains.

    Args:
        model: A model; of one that is not functional, or whose input is not one tensor, no cut is
            known.
        head: The layers of its head, which always train: a cut is before the first of them.

    Returns:
        Cuts from input to output.
    """
    if len(getattr(model, "inputs", None) or ()) != 1:
        return ()
    found: list[Cut] = []
    before = 0
    computed = False  # before the first kernel there are only pixels
    first = {id(layer) for layer in head}
    for step in graph.steps(model):
        layer = step.layer
        if id(layer) in first or layer.trainable_weights or isinstance(layer, keras.Model):
            break
        if isinstance(layer, keras.layers.Dropout) and layer.trainable:
            break  # it belongs to what trains: kept features would be without it
        before += multiplications(layer)
        computed = computed or bool(layer.weights)
        if computed and step.cut is not None and None not in step.cut.shape[1:]:
            found.append(Cut(layer.name, step.cut, before))
    return tuple(found)


def pixels(model: keras.Model) -> Cut | None:
    """The cut before the whole network: decoded and resized photos, kept as whole numbers.

    Args:
        model: A model.

    Returns:
        The cut, or `None` where the model's input is not one square of pixels.
    """
    inputs: Sequence[Any] = getattr(model, "inputs", None) or ()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or None in inputs[0].shape[1:]:
        return None
    return Cut(_PIXELS, inputs[0], 0, "uint8")


def choose(found: Sequence[Cut], *, views: int, epochs: int, photos: int, room: int) -> Cut | None:
    """The cut that costs least time and fits.

    What is before a cut runs once for each view, what is behind it and frozen once in each epoch.

    Args:
        found: Cuts from input to output; the last one is where training begins.
        views: Views of each photo that are kept.
        epochs: Epochs of the stage.
        photos: Photos of the stage.
        room: Bytes that may be kept.

    Returns:
        A cut, or `None` where keeping nothing costs less or nothing fits.
    """
    if not found:
        return None
    whole = found[-1].before
    # What is kept serves later runs too, so that a stage of few epochs is cut as one of many.
    epochs = max(epochs, views + 1)
    best: Cut | None = None
    least: tuple[float, int] = (epochs * whole, 0)
    for cut in found:
        if photos * views * cut.bytes > room:
            continue
        cost = (views * cut.before + epochs * (whole - cut.before), cut.bytes)
        if cost < least or (best is None and cost[0] <= least[0]):
            best, least = cut, cost
    return best


def multiplications(layer: Any) -> int:
    """Multiplications of one photo in a layer; one for each number it gives, where none is known.

    Args:
        layer: A layer that has been called.

    Returns:
        Their number.
    """
    shapes = [tensor.shape[1:] for tensor in keras.tree.flatten(layer.output)]
    numbers = sum(math.prod(side or 1 for side in shape) for shape in shapes)
    kernel = getattr(layer, "kernel", None)
    if kernel is None:
        return numbers
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return numbers * math.prod(kernel.shape[:-2])
    return numbers * math.prod(kernel.shape[:-1])


def tensor(model: keras.Model, cut: Cut) -> Any:
    """The tensor at which a model is cut.

    Args:
        model: The model of the cut, or another one with the same layers.
        cut: A cut behind a layer.

    Returns:
        A tensor of `model`.
    """
    return next(step.cut for step in graph.steps(model) if step.layer.name == cut.name)


def fingerprint(model: keras.Model, cut: Cut) -> str:
    """Tells networks up to a cut apart by what they compute, whatever their layers are called.

    Args:
        model: The model.
        cut: The cut.

    Returns:
        A SHA-256 in hexadecimal over structure and weights.
    """
    digest = hashlib.sha256()
    number: dict[int, int] = {}
    for node in graph.between(model, set(), [cut.tensor]):
        config = {
            key: value
            for key, value in node.operation.get_config().items()
            if not key.endswith(_NO_ARITHMETIC)
        }
        inputs = [number[id(tensor)] for tensor in node.input_tensors]
        line = [type(node.operation).__name__, config, inputs]
        digest.update(json.dumps(line, sort_keys=True, default=str).encode())
        for tensor in node.outputs:
            number[id(tensor)] = len(number)
        for weight in getattr(node.operation, "weights", ()):
            digest.update(keras.ops.convert_to_numpy(weight).tobytes())
    return digest.hexdigest()
