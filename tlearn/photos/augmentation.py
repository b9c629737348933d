"""What training does to photos so that the model learns the thing and not the picture of it.

Only for training: none of this is part of the model or of what is exported. Every change is
decided by a seed given with the photo, so that parallel work gives the same pixels in every run.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import tensorflow as tf

from tlearn.photos.mixing import mix
from tlearn.photos.resizing import resize

__all__ = ["Augmentation", "STRENGTHS", "augment", "mix"]

STRENGTHS = ("none", "light", "strong")

# Luma of ITU-R BT.601, and the YIQ axes that hue turns around it.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


@dataclasses.dataclass(frozen=True)
class _Ranges:
    """How far each change may go."""

    least_area: float  # share of what the plain resize would show
    stretch: float  # largest ratio of the crop's sides, relative to the plain resize
    rotation: float  # degrees to either side
    light: float  # brightness and contrast: factor from 1 - light to 1 + light
    saturation: float  # factor, as above
    hue: float  # degrees to either side


# Crops: Szegedy et al. 2015 (area from 0.08) is for training from nothing; a pretrained backbone
# on few photos wants the thing itself in view.
_RANGES = {
    "light": _Ranges(0.60, 1.15, 0.0, 0.10, 0.15, 4.0),
    "strong": _Ranges(0.30, 4 / 3, 15.0, 0.30, 0.40, 12.0),
}


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Which changes are made to a photo in training.

    Args:
        strength: `"none"`, `"light"` (crop, flip, a little colour) or `"strong"` (smaller crops,
            rotation, more colour).
        mirror: Whether left and right may change places. Not for text or anything with a side.
        hue: Whether hue may change. Not where colour is what tells the classes apart.

    Raises:
        ValueError: If there is no such strength.
    """

    strength: str = "light"
    mirror: bool = True
    hue: bool = True

    def __post_init__(self) -> None:
        if self.strength not in STRENGTHS:
            raise ValueError(
                f"There is no such strength of augmentation. Expected one of {STRENGTHS}. "
                f"Received: strength={self.strength!r}"
            )


def augment(
    image: tf.Tensor, size: int, resize_mode: str, augmentation: Augmentation, seed: tf.Tensor
) -> tf.Tensor:
    """Change one photo at random and make it square, as graph code.

    The crop is taken from the photo at its full resolution and only then made smaller, so that
    details that the plain resize would lose are learnt from.

    Args:
        image: `uint8` tensor of shape `(height, width, 3)`.
        size: The side of the result, in pixels.
        resize_mode: As for `tlearn.photos.decoding.resize`.
        augmentation: Which changes to make.
        seed: Whole-number tensor of shape `(2,)`; it alone decides what is done.

    Returns:
        `float32` tensor of shape `(size, size, 3)`, values 0 to 255. With strength `"none"` it is
        `resize(image, size, resize_mode)`.

    Example:

    ```python
    seen = augment(photo, 224, "crop", Augmentation("strong"), seed=(1, 2))
    ```
    """
    if augmentation.strength == "none":
        return resize(image, size, resize_mode)
    ranges = _RANGES[augmentation.strength]
    draws = tf.unstack(tf.random.stateless_uniform((10,), seed, alg="philox"))  # each in [0, 1)

    image = _random_box(image, resize_mode, ranges, draws[0:4])
    image = resize(image, size, "pad" if resize_mode == "pad" else "stretch")
    if augmentation.mirror:
        image = tf.cond(draws[4] < 0.5, lambda: tf.reverse(image, (1,)), lambda: image)
    if ranges.rotation:
        image = _rotated(image, size, math.radians(ranges.rotation) * (2 * draws[5] - 1))
    hue = math.radians(ranges.hue) * (2 * draws[9] - 1) if augmentation.hue else None
    image = _recoloured(
        image,
        brightness=1 + ranges.light * (2 * draws[6] - 1),
        contrast=1 + ranges.light * (2 * draws[7] - 1),
        saturation=1 + ranges.saturation * (2 * draws[8] - 1),
        hue=hue,
    )
    return tf.ensure_shape(image, (size, size, 3))


def _random_box(
    image: tf.Tensor, resize_mode: str, ranges: _Ranges, draws: list[tf.Tensor]
) -> tf.Tensor:
    """Cut a box out, about the shape of what the plain resize would show, from anywhere."""
    shape = tf.shape(image)
    height, width = shape[0], shape[1]
    square = tf.minimum(height, width)
    shown = (square, square) if resize_mode == "crop" else (height, width)
    area = ranges.least_area + (1 - ranges.least_area) * draws[0]
    ratio = tf.exp(math.log(ranges.stretch) * (2 * draws[1] - 1))

    def side(shown: tf.Tensor, whole: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
        wanted = tf.cast(tf.round(tf.cast(shown, tf.float32) * share), tf.int32)
        return tf.clip_by_value(wanted, 1, whole)

    def place(whole: tf.Tensor, part: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.cast(whole - part + 1, tf.float32) * draw, tf.int32)

    box_height = side(shown[0], height, tf.sqrt(area * ratio))
    box_width = side(shown[1], width, tf.sqrt(area / ratio))
    top, left = place(height, box_height, draws[2]), place(width, box_width, draws[3])
    return image[top : top + box_height, left : left + box_width]


def _rotated(image: tf.Tensor, size: int, angle: tf.Tensor) -> tf.Tensor:
    cosine, sine, middle = tf.cos(angle), tf.sin(angle), (size - 1) / 2
    transform = tf.stack(
        [
            *(cosine, -sine, middle * (1 - cosine + sine)),
            *(sine, cosine, middle * (1 - sine - cosine)),
            *(0.0, 0.0),
        ]
    )
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image[tf.newaxis],
        transforms=transform[tf.newaxis],
        output_shape=(size, size),
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )[0]


def _recoloured(
    image: tf.Tensor,
    *,
    brightness: tf.Tensor,
    contrast: tf.Tensor,
    saturation: tf.Tensor,
    hue: tf.Tensor | None,
) -> tf.Tensor:
    """All colour changes are linear in a pixel, so they are one 3 x 3 matrix and one multiply."""
    matrix = saturation * tf.eye(3) + (1 - saturation) * tf.constant(np.tile(_LUMA, (3, 1)))
    if hue is not None:
        cosine, sine = tf.cos(hue), tf.sin(hue)
        turn = tf.reshape(tf.stack([1.0, 0.0, 0.0, 0.0, cosine, -sine, 0.0, sine, cosine]), (3, 3))
        to_yiq = tf.constant(_YIQ, tf.float32)
        from_yiq = tf.constant(np.linalg.inv(_YIQ), tf.float32)
        matrix = tf.matmul(from_yiq, tf.matmul(turn, tf.matmul(to_yiq, matrix)))
    mean_luma = tf.tensordot(tf.reduce_mean(image, (0, 1)), _LUMA, 1)
    pixels = tf.matmul(
        tf.reshape(image, (-1, 3)), matrix * (contrast * brightness), transpose_b=True
    )
    pixels += brightness * (1 - contrast) * mean_luma
    return tf.reshape(tf.clip_by_value(pixels, 0.0, 255.0), tf.shape(image))
