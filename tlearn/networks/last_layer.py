"""The last layer with weights: what it sees, what it gives, and its numbers divided."""

from __future__ import annotations

from typing import Any

import keras

from tlearn.networks import graph

__all__ = ["around", "divide"]


def around(model: keras.Model, name: str) -> tuple[Any, Any]:
    """The tensors before and behind a layer, in this model's own graph.

    A layer that is part of several models has several; `layer.input` would be the first one's.

    Args:
        model: A functional model.
        name: The layer's name.

    Returns:
        What the layer sees and what it gives, symbolic tensors of `model`.

    Raises:
        ValueError: The model has no such layer.
    """
    for node in graph.nodes(model):
        if node.operation.name == name:
            return node.input_tensors[0], node.outputs[0]
    raise ValueError(
        "Expected a functional model with a layer of this name. "
        f"Received: name={name!r}, model={model.name!r}"
    )


def divide(model: keras.Model, name: str, divisor: float) -> None:
    """Divide what a dense layer gives, by dividing its kernel and its bias.

    Args:
        model: A model.
        name: The name of one of its `Dense` layers, without an activation.
        divisor: Above 0.
    """
    layer = model.get_layer(name)
    layer.set_weights([weight / divisor for weight in layer.get_weights()])
