"""A photo of any shape becomes a square by two matrices, which every runtime can multiply.

`photos.resizing` uses an operation that only TensorFlow has. Antialiased bilinear resizing is
linear in rows and in columns, so that it is `rows @ photo @ columns.T`, and cropping and padding
are zeros in those matrices. The same pixels come out, to within a hundredth of a level.
"""

from __future__ import annotations

import tensorflow as tf

from tlearn.photos.resize_modes import RESIZE_MODES

__all__ = ["square"]

_PADDING = 127.0


def square(pixels: tf.Tensor, size: int, mode: str) -> tf.Tensor:
    """What `photos.resizing.resize` gives.

    Args:
        pixels: float32 `(batch, height, width, 3)`, 0..255.
        size: The side of the square, in pixels.
        mode: `"crop"`, `"pad"` or `"stretch"`.

    Returns:
        float32 `(batch, size, size, 3)`, 0..255.

    Raises:
        ValueError: There is no such mode.
    """
    if mode not in RESIZE_MODES:
        raise ValueError(f"Expected one of {RESIZE_MODES}. Received: mode={mode!r}")
    shape = tf.shape(pixels)
    height, width = shape[1], shape[2]
    shorter, longer = tf.minimum(height, width), tf.maximum(height, width)
    matrices = []
    for length in (height, width):
        taken, made = length, tf.constant(size)
        if mode == "crop":
            taken = shorter
        elif mode == "pad":
            made = tf.maximum(1, (2 * length * size + longer) // (2 * longer))
        matrices.append(_matrix(length, taken, size, made))
    rows, columns = matrices
    channels = tf.transpose(pixels, [0, 3, 1, 2])  # (batch, 3, height, width)
    resized = tf.matmul(rows, tf.matmul(channels, columns, transpose_b=True))
    if mode == "pad":
        inside = tf.reduce_sum(rows, 1)[:, tf.newaxis] * tf.reduce_sum(columns, 1)
        resized += _PADDING * (1.0 - inside)
    resized = tf.clip_by_value(tf.transpose(resized, [0, 2, 3, 1]), 0.0, 255.0)
    return tf.ensure_shape(resized, (None, size, size, 3))


def _matrix(length: tf.Tensor, taken: tf.Tensor, size: int, made: tf.Tensor) -> tf.Tensor:
    """What makes `made` pixels, in the middle of `size`, of the middle `taken` of `length`.

    float32 `(size, length)`; rows outside of what is made are zero, the others add up to 1.
    """
    first, before = (length - taken) // 2, (size - made) // 2
    scale = _float(taken) / _float(made)
    reach = tf.maximum(scale, 1.0)  # the triangle is as wide as a new pixel, or as an old one
    wanted = tf.range(float(size)) - _float(before) + 0.5
    given = tf.range(_float(length)) - _float(first) + 0.5
    apart = tf.abs(given[tf.newaxis, :] - (wanted * scale)[:, tf.newaxis])
    weights = tf.maximum(0.0, 1.0 - apart / reach)
    weights *= _float((given > 0) & (given < _float(taken)))[tf.newaxis, :]
    weights /= tf.maximum(tf.reduce_sum(weights, axis=1, keepdims=True), 1e-6)
    return weights * _float((wanted > 0) & (wanted < _float(made)))[:, tf.newaxis]


def _float(value: tf.Tensor) -> tf.Tensor:
    return tf.cast(value, tf.float32)
