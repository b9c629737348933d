"""What a model is compiled with so that a stage can be fitted."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tlearn.stages.material import Batches
from tlearn.stages.stage import Stage

__all__ = ["gives_logits", "loss_of", "one_hot"]


def loss_of(model: keras.Model, stage: Stage) -> keras.losses.Loss:
    """What a stage minimises: the log loss, with its label smoothing.

    Args:
        model: A classifier whose output is `(batch, classes)` probabilities or logits.
        stage: Its label smoothing.

    Returns:
        A loss for one-hot labels.
    """
    return keras.losses.CategoricalCrossentropy(
        from_logits=gives_logits(model), label_smoothing=stage.label_smoothing
    )


def gives_logits(model: keras.Model) -> bool:
    """Whether the last layer gives raw scores: it has no activation, or a linear one."""
    last = model.layers[-1]
    while isinstance(last, keras.Model):
        last = last.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return False
    activation = getattr(last, "activation", None)
    return activation is None or activation is keras.activations.linear


def one_hot(batches: Batches, classes: int) -> Batches:
    """The same batches with labels that are one-hot, float32 `(batch, classes)`."""
    if len(batches.element_spec[1].shape) > 1:
        return batches

    def encode(inputs: Any, labels: Any, *weights: Any) -> tuple[Any, ...]:
        return (inputs, tf.one_hot(labels, classes), *weights)

    return batches.map(encode)
