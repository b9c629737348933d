"""A photo of any shape becomes a square of one size, as graph code."""

from __future__ import annotations

import tensorflow as tf

from tlearn.photos.resize_modes import DEFAULT_RESIZE, RESIZE_MODES

__all__ = ["resize"]

# The middle of 0..255, which the backbones' input scaling takes to about 0.
_PADDING = 127.0


def resize(image: tf.Tensor, size: int, mode: str = DEFAULT_RESIZE) -> tf.Tensor:
    """Make a photo square, with antialiasing.

    Args:
        image: `uint8` or float tensor of shape `(height, width, 3)` or
            `(batch, height, width, 3)`.
        size: The side of the square, in pixels.
        mode: `"crop"` keeps the largest centred square, `"pad"` keeps the whole photo and fills
            up with grey, `"stretch"` makes the sides equal.

    Returns:
        `float32` tensor of shape `(size, size, 3)` or `(batch, size, size, 3)`, values 0 to 255.

    Raises:
        ValueError: If there is no such mode.

    Example:

    ```python
    square = resize(decode(encoded), 224, "crop")
    ```
    """
    if mode not in RESIZE_MODES:
        raise ValueError(
            f"There is no such way to make a photo square. Expected one of {RESIZE_MODES}. "
            f"Received: mode={mode!r}"
        )
    shape = tf.shape(image)
    height, width = shape[-3], shape[-2]
    if mode == "crop":
        side = tf.minimum(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[..., top : top + side, left : left + side, :]
    if mode != "pad":
        return _antialiased(image, (size, size))
    longer = tf.maximum(height, width)
    inner = [_scaled(height, size, longer), _scaled(width, size, longer)]
    image = _antialiased(image, inner)
    before = [(size - inner[0]) // 2, (size - inner[1]) // 2]
    paddings = [[side, size - part - side] for side, part in zip(before, inner, strict=True)]
    paddings = [[0, 0]] * (len(image.shape) - 3) + paddings + [[0, 0]]
    image = tf.pad(image, paddings, constant_values=_PADDING)
    image.set_shape((*image.shape[:-3], size, size, 3))
    return image


def _antialiased(image: tf.Tensor, size: tuple[int, int] | list[tf.Tensor]) -> tf.Tensor:
    resized = tf.image.resize(image, size, method="bilinear", antialias=True)
    return tf.clip_by_value(tf.cast(resized, tf.float32), 0.0, 255.0)


def _scaled(side: tf.Tensor, size: int, longer: tf.Tensor) -> tf.Tensor:
    return tf.maximum(1, (2 * side * size + longer) // (2 * longer))
