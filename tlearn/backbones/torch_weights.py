"""From PyTorch's tensors to the weights of Keras layers, which keep their axes in another order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from tlearn.errors import BackboneError

__all__ = ["assign"]


def assign(
    model: keras.Model,
    state: Mapping[str, np.ndarray],
    names: Callable[[keras.Layer], str],
    *,
    expected: str,
) -> None:
    """Set a model's weights from a PyTorch state dict.

    Convolutions are turned from (out, in, height, width) to (height, width, in, out), depthwise
    ones from (channels, 1, height, width) to (height, width, channels, 1), dense layers from
    (out, in) to (in, out).

    Args:
        model: A model of convolutions, BatchNorms and dense layers.
        state: Arrays by their PyTorch names, such as `_blocks.3._bn1.running_mean`.
        names: From a layer with weights to its name in PyTorch, such as `_blocks.3._bn1`.
        expected: Which file fits, in words, for the message of an error.

    Raises:
        BackboneError: If a tensor is missing or has another shape. Layers before it are set then.
    """
    for layer in model.layers:
        if not layer.weights:
            continue
        values = []
        for part in _parts(layer):
            name = f"{names(layer)}.{part}"
            if name not in state:
                raise BackboneError(
                    f"The weights file does not fit {model.name}: it has no tensor named {name!r}. "
                    f"Expected {expected}. Received: backbone={model.name!r}, tensors={len(state)}"
                )
            values.append(_turned(layer, state[name]))
        shapes = [tuple(weight.shape) for weight in layer.weights]
        found = [value.shape for value in values]
        if found != shapes:
            raise BackboneError(
                f"The weights file does not fit {model.name}: the shapes at {layer.name} were "
                f"expected to be {shapes} and are {found}. Expected {expected}. "
                f"Received: backbone={model.name!r}"
            )
        layer.set_weights(values)


def _parts(layer: keras.Layer) -> Sequence[str]:
    if isinstance(layer, keras.layers.BatchNormalization):
        return ("weight", "bias", "running_mean", "running_var")
    return ("weight", "bias") if layer.use_bias else ("weight",)


def _turned(layer: keras.Layer, value: np.ndarray) -> np.ndarray:
    if value.ndim != 4:
        return value.T
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return value.transpose(2, 3, 0, 1)
    return value.transpose(2, 3, 1, 0)
