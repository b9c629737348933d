"""One version of a model in memory: its signatures, and what they answer."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from tlearn.errors import RunError
from tlearn.serving.finding import Edition

__all__ = ["DEFAULT", "PHOTOS", "Servable", "Signature"]

DEFAULT = "serving_default"
PHOTOS = "images"


@dataclass(frozen=True)
class Signature:
    """What a signature takes.

    Attributes:
        name: Its name.
        inputs: Name of each input -> its NumPy dtype; `object` for strings.
        method: What TensorFlow Serving may be asked to do with it, such as
            `tensorflow/serving/predict`.
    """

    name: str
    inputs: dict[str, npt.DTypeLike]
    method: str


class Servable:
    """A SavedModel that tlearn wrote, loaded and warmed up. Safe to call from many threads.

    Args:
        name: What the model is called.
        edition: Where it lies.

    Raises:
        RunError: It is no such SavedModel, or damaged.
    """

    def __init__(self, name: str, edition: Edition) -> None:
        self.name = name
        self.version = edition.version
        self.keras_model = edition.keras_model
        try:
            # Kept, since the variables die with it.
            self._loaded: Any = tf.saved_model.load(str(edition.saved_model))
            about = self._loaded.signatures["about"]()
            self.definitions = _definitions((edition.saved_model / "saved_model.pb").read_bytes())
            self.class_names = tuple(one.decode() for one in about["class_names"].numpy())
            self.image_size = int(about["image_size"])
            self.resize_mode = about["resize_mode"].numpy().decode()
            # A SavedModel of before there were thresholds is never unsure.
            self.threshold = float(about["threshold"]) if "threshold" in about else None
            self.signatures = {
                one: Signature(
                    one,
                    {key: _dtype(entry.dtype) for key, entry in definition.inputs.items()},
                    definition.method_name,
                )
                for one, definition in self.definitions.items()
            }
            # The first call of a signature takes a second, which nobody is to wait for.
            self.answer(DEFAULT, [_blank()])
        except (OSError, KeyError, ValueError, TypeError, tf.errors.OpError) as error:
            raise RunError(
                "The SavedModel cannot be used. Expected one that tlearn wrote, whole, with the "
                "signatures 'serving_default', 'pixels' and 'about'; export it again. "
                f"Received: run={name!r} ({type(error).__name__}: {error})"
            ) from error

    def answer(self, signature: str, given: Sequence[bytes] | npt.NDArray) -> dict[str, Any]:
        """Answer a batch.

        Args:
            signature: One with one input.
            given: Photos' bytes, or pixels `(batch, height, width, 3)` of its dtype.

        Returns:
            An array per output, its first axis the batch.
        """
        (name,) = self.signatures[signature].inputs
        tensor = tf.constant(given, tf.string) if isinstance(given, list) else tf.constant(given)
        said = self._loaded.signatures[signature](**{name: tensor})
        return {key: value.numpy() for key, value in said.items()}


def _definitions(graph: bytes) -> dict[str, Any]:
    parsed = saved_model_pb2.SavedModel()
    parsed.ParseFromString(graph)
    return dict(parsed.meta_graphs[0].signature_def)


def _dtype(number: int) -> npt.DTypeLike:
    if number == types_pb2.DT_STRING:
        return np.dtype(object)
    return np.dtype(tf.as_dtype(number).as_numpy_dtype)


def _blank() -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", (8, 8)).save(encoded, "PNG")
    return encoded.getvalue()
