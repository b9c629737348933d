"""The part of a SavedModel that says when its answer is unsure, or the photo unlike any it knows."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tlearn import heads
from tlearn.calibration import Limits
from tlearn.errors import ExportError
from tlearn.networks import last_layer

__all__ = ["Doubts", "reader"]

# A photo that cannot be read is certainly not answered; of what it is like nothing is known.
_UNREADABLE: dict[str, Any] = {"unsure": True, "unlike": False, "distance": -1.0}


def reader(model: keras.Model, limits: Limits | None) -> keras.Model:
    """A model's probabilities, with what its head sees where that is needed.

    Args:
        model: From pixels to probabilities.
        limits: What is exported beside it.

    Returns:
        `model`, or where photos are compared with those of training a model of the same layers that
        gives features `(batch, features)` and probabilities.

    Raises:
        ExportError: The model has no head whose features could be compared.
    """
    if limits is None or limits.scope is None:
        return model
    try:
        features, _ = last_layer.around(model, heads.LOGITS)
    except ValueError as error:
        raise ExportError(
            "The model has no features to compare photos by. Expected a functional model whose "
            f"last layer with weights is named {heads.LOGITS!r}, as `heads.attach` gives it, or "
            f"limits without a scope. Received: model={model.name!r}"
        ) from error
    return keras.Model(model.inputs, [features, model.outputs[0]])


class Doubts(tf.Module):
    """What makes an answer unsure, or a photo unlike any that was seen; owns its variables.

    Args:
        limits: The threshold, and the training photos to compare with.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits
        if limits.scope is not None:
            known = limits.scope.known
            self.bank = tf.Variable(known.bank, trainable=False, name="known_photos")
            self.spread = tf.Variable(known.spread, trainable=False, name="spread")
            self.lengths = tf.Variable(known.lengths, trainable=False, name="lengths")

    def __call__(self, probability: tf.Tensor, features: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """Doubt answers.

        Args:
            probability: Of the answers, `(batch,)`.
            features: What the head sees, `(batch, features)`; needed where there is a scope.

        Returns:
            `unsure` bool `(batch,)`; with a scope also `distance` float32 and `unlike` bool.
        """
        found = {"unsure": probability < self._limits.threshold}
        if self._limits.scope is not None:
            # The arithmetic of `calibration.scope.Known.nearest`, so that both say the same.
            known = tf.cast(self.bank, tf.float32)
            asked = tf.cast(features, tf.float32) / self.spread
            length = tf.sqrt(tf.reduce_sum(asked**2, axis=1, keepdims=True))
            asked /= tf.maximum(length, 1e-6)
            apart = self.lengths - 2 * tf.matmul(asked, known, transpose_b=True)
            nearest = tf.reduce_min(apart, axis=1)
            squares = tf.reduce_sum(asked**2, axis=1) + nearest
            found["distance"] = tf.sqrt(tf.maximum(squares, 0)) / self._limits.scope.limit
            found["unlike"] = found["distance"] > 1
        return found

    def where_readable(
        self, found: dict[str, tf.Tensor], readable: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """The same, with what is said of a photo that cannot be read.

        Args:
            found: As the call gives it; other keys are left out.
            readable: Bool `(batch,)`.
        """
        return {
            name: tf.where(readable, found[name], unread)
            for name, unread in _UNREADABLE.items()
            if name in found
        }

    def about(self) -> dict[str, tf.Tensor]:
        """Temperature, threshold and, with a scope, the distance that counts as 1."""
        told = {"temperature": self._limits.temperature, "threshold": self._limits.threshold}
        if self._limits.scope is not None:
            told["distance_limit"] = self._limits.scope.limit
        return {name: tf.constant(value, tf.float32) for name, value in told.items()}
