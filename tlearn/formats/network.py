"""A run's network as plain TensorFlow functions, from which the other formats are converted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tlearn.errors import ExportError
from tlearn.export import as_float32
from tlearn.formats.squares import square
from tlearn.runs import Run

__all__ = ["Network", "of_run"]


@dataclass(frozen=True)
class Network:
    """A trained network.

    Attributes:
        model: From squares to calibrated probabilities, float32.
        image_size: The side of the squares, in pixels.
        resize_mode: How a photo becomes one.
    """

    model: keras.Model
    image_size: int
    resize_mode: str

    @cached_property
    def answer(self) -> Any:
        """From `pixels` `(batch, size, size, 3)` to `probabilities` `(batch, classes)`."""
        shape = (None, self.image_size, self.image_size, 3)

        def answer(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"probabilities": self.model(pixels, training=False)}

        return _function(answer, shape)

    @cached_property
    def squares(self) -> Any:
        """From `pixels` `(batch, height, width, 3)` to `squares` `(batch, size, size, 3)`."""

        def squares(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"squares": square(pixels, self.image_size, self.resize_mode)}

        return _function(squares, (None, None, None, 3))

    def save(self, function: Any, folder: Path) -> None:
        """Write one of the two functions as a SavedModel, for converters that read those."""
        module = tf.Module()
        module.kept_variables = [weight.value for weight in self.model.weights]
        tf.saved_model.save(
            module,
            str(folder),
            signatures={"serving_default": function},
            options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
        )


def of_run(run: Run) -> Network:
    """Load the network of a run.

    Args:
        run: A finished run.

    Raises:
        ExportError: Its `model.keras` has been removed, cannot be read, or Keras's backend is not
            TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            "Other formats are converted by TensorFlow, whatever backend trained the run. Expected "
            "KERAS_BACKEND=tensorflow, set before Keras is imported. "
            f"Received: backend={keras.backend.backend()!r}"
        )
    try:
        model = keras.models.load_model(run.model_path, compile=False)
    except (OSError, ValueError, TypeError) as error:
        raise ExportError(
            "The run's network cannot be loaded, so that nothing can be converted. Expected the "
            "file that the run wrote; it may have been removed to save space. "
            f"Received: file={str(run.model_path)!r} ({str(error).splitlines()[0]})"
        ) from error
    return Network(as_float32(model), int(run.info["image_size"]), str(run.info["resize_mode"]))


def _function(function: Any, shape: tuple[int | None, ...]) -> Any:
    given = tf.TensorSpec(shape, tf.float32, name="pixels")
    return tf.function(function, input_signature=[given], autograph=False)
