"""What a model is compiled with so that a stage can be fitted."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tlearn.stages.material import Batches
from tlearn.stages.metrics import EachPhotoOnce, PhotosSeen
from tlearn.stages.stage import Stage

__all__ = ["compile_for", "compile_plain", "counted", "gives_logits", "loss_of", "one_hot"]


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


def compile_for(
    fitted: keras.Model, model: keras.Model, stage: Stage, optimizer: keras.optimizers.Optimizer
) -> None:
    """Compile for the fitting of a stage, on one-hot labels.

    Args:
        fitted: What is fitted: the whole model, or a part that shares its variables.
        model: The whole model.
        stage: Its label smoothing.
        optimizer: The optimizer.
    """
    losses = keras.losses.categorical_crossentropy
    fitted.compile(
        optimizer=optimizer,
        loss=loss_of(model, stage),
        weighted_metrics=[
            EachPhotoOnce(keras.metrics.categorical_accuracy, name="accuracy"),
            EachPhotoOnce(losses, name="log_loss", from_logits=gives_logits(model)),
            PhotosSeen(),
        ],
    )


def compile_plain(model: keras.Model, validation: Batches) -> None:
    """Compile so that `evaluate` works on the caller's labels and `load_model` needs no tlearn."""
    logits = gives_logits(model)
    one_hot = len(validation.element_spec[1].shape) > 1
    losses = keras.losses
    loss = losses.CategoricalCrossentropy if one_hot else losses.SparseCategoricalCrossentropy
    # SGD has no slots, so the saved model is no larger and loads without a word.
    model.compile(optimizer="sgd", loss=loss(from_logits=logits), metrics=["accuracy"])


def counted(batches: Batches) -> Batches:
    """The same batches, of a length that Keras can ask for.

    Raises:
        ValueError: They never end.
    """
    steps = int(batches.cardinality())
    if steps == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "The data never end, so an epoch has no length. Use `.take(steps)`. "
            "Received: an infinite tf.data.Dataset"
        )
    if steps == tf.data.UNKNOWN_CARDINALITY:
        steps = sum(1 for _ in batches)
        batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    return batches
