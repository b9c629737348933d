"""Photos that a program already has, as arrays or Pillow images, to pixels as a file gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tlearn.photos import pillow_decoding

__all__ = ["is_photo", "of_array", "of_image"]


def is_photo(value: object) -> bool:
    """Say whether a value is a photo, or several of the same size, and no path.

    Args:
        value: Anything.

    Returns:
        Whether it is a Pillow image, or an array or a tensor of two dimensions or more.
    """
    return isinstance(value, Image.Image) or len(getattr(value, "shape", ())) >= 2


def of_image(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Turn a Pillow image into pixels, as if it had been read from its file.

    Args:
        image: Of any mode; it is not changed.

    Returns:
        uint8 `(height, width, 3)`: the first frame, RGB, upright by its EXIF orientation, what is
        transparent as if it were not.

    Raises:
        DecodeError: It cannot be read, or its values have no fixed range.
    """
    with pillow_decoding.reasons():
        copy = image.copy()
        copy.format = image.format
        return np.array(pillow_decoding.shown(copy), np.uint8)


def of_array(pixels: Any) -> npt.NDArray[np.float32]:
    """Turn an array into photos.

    Args:
        pixels: Numbers in 0..255 of shape `(height, width, 3)`, `(height, width)` in grey, or
            `(photos, height, width, 3)`; any whole or float dtype; RGB.

    Returns:
        float32 `(photos, height, width, 3)`.

    Raises:
        ValueError: It has another shape or dtype, is empty, or holds what is no brightness in 0..255.
    """
    given = np.asarray(pixels)
    shape, dtype = given.shape, given.dtype
    array = np.repeat(given[..., np.newaxis], 3, axis=-1) if given.ndim == 2 else given
    array = array[np.newaxis] if array.ndim == 3 else array
    if array.ndim != 4 or array.shape[-1] != 3 or 0 in array.shape or dtype.kind not in "uif":
        raise ValueError(
            "The array is no photo. Expected RGB numbers in 0..255, of shape (height, width, 3) or "
            f"(photos, height, width, 3). Received: shape={shape}, dtype={dtype}"
        )
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 255):
        raise ValueError(
            "The array's numbers are no brightness. Expected them in 0..255, not scaled and not "
            f"standardised. Received: numbers from {low:g} to {high:g}"
        )
    if dtype.kind == "f" and 0 < high <= 1:
        raise ValueError(
            "The array's numbers look as if they were scaled to 0..1, and the model would see black. "
            f"Expected 0..255: multiply it by 255. Received: numbers from {low:g} to {high:g}"
        )
    return array.astype(np.float32)
