"""Rebuild a network as one flat model: no model within it, and its scaling where we put it."""

from __future__ import annotations

from typing import Any

import keras

from tlearn.backbones.scaling import Scaling
from tlearn.errors import BackboneError

__all__ = ["flattened"]


def flattened(
    model: keras.Model,
    pixels: keras.KerasTensor,
    scaling: Scaling,
    *,
    drop: tuple[type[keras.Layer], ...] = (),
) -> keras.Model:
    """Rebuild a functional model on `pixels`, scaled by `scaling`.

    Args:
        model: A functional model of one input. `Sequential` models inside it are opened.
        pixels: The new input.
        scaling: From the new input to what `model` takes.
        drop: Kinds of layers that are left out; each must pass on one tensor of the same shape.

    Returns:
        A flat functional model with layers of its own, of the same names, whose weights are in
        the same order but random. Every layer is called once, so that `layer.output` is defined.

    Raises:
        BackboneError: If one of its layers cannot be rebuilt from its own configuration.
    """
    scaled = scaling(pixels)

    def call(layer: keras.Layer, *inputs: Any, **options: Any) -> Any:
        inputs, options = keras.tree.map_structure(
            lambda value: scaled if value is pixels else value, (inputs, options)
        )
        if isinstance(layer, drop):
            return inputs[0]
        if isinstance(layer, keras.Sequential):
            (x,) = inputs
            for inner in layer.layers:
                x = _copy(inner)(x)
            return x
        return layer(*inputs, **options)

    def clone(layer: keras.Layer) -> keras.Layer:
        # A Sequential is only read for its layers, which are then copied one by one.
        return layer if isinstance(layer, keras.Sequential) else _copy(layer)

    inputs = keras.tree.map_structure(lambda _: pixels, model.input)
    rebuilt = keras.models.clone_model(
        model, input_tensors=inputs, clone_function=clone, call_function=call
    )
    return keras.Model(pixels, rebuilt.output, name=model.name)


def _copy(layer: keras.Layer) -> keras.Layer:
    try:
        return type(layer).from_config(layer.get_config())
    # Each layer that cannot tell how it was made fails in its own way.
    except Exception as error:
        raise BackboneError(
            f"The layer {layer.name!r} ({type(layer).__name__}) cannot be rebuilt from its own "
            "configuration, which is a fault of the library that it comes from: a model with it "
            "could be saved and never loaded again. Take another backbone, or another version of "
            f"that library. Received: layer={layer.name!r}"
        ) from error
