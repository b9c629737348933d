"""A SavedModel that tlearn wrote, loaded: what it says of photos' bytes and of pixels.

Every answer of a trained run comes from here, so that `tlearn predict` says exactly what the
exported model will say wherever it is served. With `flip` it is asked twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tlearn.errors import RunError
from tlearn.photos.decoding import decode_batch

__all__ = ["Saved"]

Said = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]


class Saved:
    """A SavedModel written by `export`. Holds the loaded object, whose variables die with it.

    It may be called from several threads at the same time.

    Args:
        directory: The folder with `saved_model.pb`.
        flip: Answer with the mean of a photo and of its mirror image.

    Attributes:
        class_names: In the order of the probabilities.
        threshold: Below which probability an answer is unsure, 0..1; 0 in a SavedModel of before there
            were thresholds.
        image_size: The side of the square that the network sees, in pixels.

    Raises:
        RunError: It is none that tlearn wrote, or it is damaged.
    """

    def __init__(self, directory: Path, *, flip: bool = False) -> None:
        try:
            self._loaded: Any = tf.saved_model.load(str(directory))
            about = self._loaded.signatures["about"]()
            self._answer = self._loaded.signatures["serving_default"]
            self._answer_pixels = self._loaded.signatures["pixels"]
        except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
            raise RunError(
                "The SavedModel cannot be used. Expected one that tlearn wrote, whole, with the "
                "signatures 'serving_default', 'pixels' and 'about'; export it again. "
                f"Received: run={str(directory)!r} ({type(error).__name__}: {error})"
            ) from error
        self.class_names = tuple(name.decode() for name in about["class_names"].numpy())
        self.threshold = float(about["threshold"]) if "threshold" in about else 0.0
        self.image_size = int(about["image_size"])
        size, mode = self.image_size, about["resize_mode"].numpy().decode()
        self._squares = tf.function(
            lambda photos: decode_batch(photos, size, mode),
            input_signature=[tf.TensorSpec((None,), tf.string)],
            autograph=False,
        )
        self._flip = flip

    def of_bytes(self, photos: Sequence[bytes]) -> Said:
        """Answer photos' files.

        Args:
            photos: The bytes of JPEG, PNG, GIF or still WebP files.

        Returns:
            Probabilities, float32 `(photos, classes)`; distances, float32 `(photos,)`, NaN where the
            SavedModel cannot tell; and whether each could be read, bool `(photos,)`.
        """
        encoded = tf.constant(list(photos), tf.string)
        if self._flip:
            squares, readable = self._squares(encoded)
            return (*self.of_pixels(squares), readable.numpy())
        said = self._answer(images=encoded)
        return said["probabilities"].numpy(), _distances(said), said["class_index"].numpy() >= 0

    def of_pixels(self, pixels: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Answer pixels.

        Args:
            pixels: float32 `(photos, height, width, 3)`, RGB in 0..255, of any height and width.

        Returns:
            Probabilities and distances, as for `of_bytes`.
        """
        said = self._answer_pixels(pixels=tf.constant(pixels, tf.float32))
        if not self._flip:
            return said["probabilities"].numpy(), _distances(said)
        other = self._answer_pixels(pixels=tf.constant(pixels[:, :, ::-1], tf.float32))
        plain, mirrored = (one["probabilities"].numpy() for one in (said, other))
        return (plain + mirrored) / 2, (_distances(said) + _distances(other)) / 2


def _distances(said: dict[str, Any]) -> npt.NDArray[Any]:
    if "distance" in said:
        return said["distance"].numpy()
    return np.full(said["probability"].shape, np.nan, np.float32)
