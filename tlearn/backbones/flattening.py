"""Rebuild a network as one flat model: no model within it, and its scaling where we put it."""

from __future__ import annotations

from typing import Any

import keras

from tlearn.backbones.scaling import Scaling

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

    rebuilt = keras.models.clone_model(
        model, input_tensors=pixels, clone_function=clone, call_function=call
    )
    return keras.Model(pixels, rebuilt.output, name=model.name)


def _copy(layer: keras.Layer) -> keras.Layer:
    return type(layer).from_config(layer.get_config())
