"""Which way up a JPEG was taken, read from its EXIF as TensorFlow graph code.

A camera held upright writes the pixels of its sensor, lying on its side, and a number from 1 to 8
that says how to turn them (EXIF 2.32, section 4.6.4, tag 0x0112). No operation of `tf.io` applies
it. Reading it in the graph lets a SavedModel that is fed a file's bytes see what training saw.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

__all__ = ["apply", "read"]

_EXIF = b"Exif\x00\x00"
_TAG = 0x0112
# Segments before the pixels. A phone writes about 20; each step of the walk costs microseconds.
_MOST_SEGMENTS = 256
_MOST_ENTRIES = 1024


def read(encoded: tf.Tensor) -> tf.Tensor:
    """Read the orientation of a JPEG from its bytes.

    Args:
        encoded: `string` tensor of shape `()`, the bytes of a JPEG.

    Returns:
        `int32` tensor of shape `()`, 1 to 8. It is 1, which means upright, when there is no EXIF
        or when it is damaged: this never fails.

    Example:

    ```python
    read(tf.io.read_file("portrait.jpg"))  # 6 for a phone held upright
    ```
    """
    start, length = _find_exif(encoded)
    return tf.cond(
        length > 0,
        lambda: _read_tiff(_piece(encoded, start, length)),
        lambda: tf.constant(1, tf.int32),
    )


def apply(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turn an image upright.

    Args:
        image: Tensor of shape `(height, width, channels)`, of any dtype.
        orientation: `int32` tensor of shape `()`, 1 to 8, as `read` gives it.

    Returns:
        The upright image; its height and width change places for 5 to 8.
    """

    def when(orientations: tuple[int, ...], change: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        wanted = tf.reduce_any(tf.equal(orientation, tf.constant(orientations, tf.int32)))
        return tf.cond(wanted, lambda: change(image), lambda: image)

    image = when((5, 6, 7, 8), lambda pixels: tf.transpose(pixels, (1, 0, 2)))
    image = when((2, 3, 6, 7), lambda pixels: tf.reverse(pixels, (1,)))
    image = when((3, 4, 7, 8), lambda pixels: tf.reverse(pixels, (0,)))
    image.set_shape((None, None, image.shape[-1]))
    return image


def _piece(encoded: tf.Tensor, start: tf.Tensor, length: tf.Tensor | int) -> tf.Tensor:
    """The substring, shorter or empty where the string ends before it."""
    size = tf.strings.length(encoded)
    start = tf.clip_by_value(start, 0, size)
    return tf.strings.substr(encoded, start, tf.clip_by_value(length, 0, size - start))


def _bytes(encoded: tf.Tensor, start: tf.Tensor, length: int) -> tf.Tensor:
    """`length` bytes as `int32`, with zeros for those past the end."""
    values = tf.cast(tf.io.decode_raw(_piece(encoded, start, length), tf.uint8), tf.int32)
    return tf.ensure_shape(tf.pad(values, [[0, length - tf.size(values)]]), (length,))


def _find_exif(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Walk the segments of a JPEG (ITU T.81, annex B) to the EXIF one.

    Returns:
        Where its TIFF block starts, and its length, which is 0 when there is none.
    """

    def is_walking(position: tf.Tensor, start: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
        return position >= 0

    def step(
        position: tf.Tensor, start: tf.Tensor, length: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        head = _bytes(encoded, position, 4)
        marker = head[1]
        size = head[2] * 256 + head[3]
        is_exif = (
            (head[0] == 0xFF)
            & (marker == 0xE1)
            & tf.equal(_piece(encoded, position + 4, len(_EXIF)), _EXIF)
        )
        is_fill = (head[0] != 0xFF) | (marker == 0xFF)
        is_last = ~is_fill & ((marker == 0xDA) | (marker == 0xD9))  # the pixels, or the end
        stands_alone = (marker == 0x01) | ((marker >= 0xD0) & (marker <= 0xD8))
        onward = position + tf.where(is_fill, 1, tf.where(stands_alone, 2, 2 + size))
        over = is_exif | is_last | (position >= tf.strings.length(encoded))
        return (
            tf.where(over, -1, onward),
            tf.where(is_exif, position + 10, start),
            tf.where(is_exif, size - 8, length),
        )

    _, start, length = tf.while_loop(
        is_walking,
        step,
        (tf.constant(2), tf.constant(0), tf.constant(0)),
        maximum_iterations=_MOST_SEGMENTS,
    )
    return start, length


def _read_tiff(tiff: tf.Tensor) -> tf.Tensor:
    """Find the tag in the first directory of a TIFF block, of either byte order."""
    head = _bytes(tiff, tf.constant(0), 8)
    is_little = tf.reduce_all(head[:2] == (0x49, 0x49))
    is_big = tf.reduce_all(head[:2] == (0x4D, 0x4D))

    def number(values: tf.Tensor) -> tf.Tensor:
        """Whole numbers from `(..., bytes)` in the block's byte order."""
        values = tf.where(is_little, tf.reverse(values, (-1,)), values)
        places = [256**power for power in range(values.shape[-1] - 1, -1, -1)]
        return tf.reduce_sum(tf.cast(values, tf.int64) * places, axis=-1)

    size = tf.cast(tf.strings.length(tiff), tf.int64)
    directory = tf.cast(tf.minimum(number(head[4:8]), size), tf.int32)
    count = number(_bytes(tiff, directory, 2))
    entries = tf.io.decode_raw(
        _piece(tiff, directory + 2, 12 * tf.cast(tf.minimum(count, _MOST_ENTRIES), tf.int32)),
        tf.uint8,
    )
    entries = tf.cast(entries[: tf.size(entries) // 12 * 12], tf.int32)
    entries = tf.reshape(entries, (-1, 12))

    kind, values = number(entries[:, 2:4]), number(entries[:, 4:8])
    is_short, is_long = (kind == 3) | (kind == 8), (kind == 4) | (kind == 9)
    value = tf.where(is_short, number(entries[:, 8:10]), number(entries[:, 8:12]))
    fits = (number(entries[:, 0:2]) == _TAG) & (values == 1) & (is_short | is_long)
    fits &= (value >= 1) & (value <= 8) & (is_little | is_big)
    # A tag that stands twice counts as it stood last, as in Pillow.
    found = tf.boolean_mask(value, fits)
    return tf.cast(tf.concat([[tf.constant(1, tf.int64)], found], axis=0)[-1], tf.int32)
