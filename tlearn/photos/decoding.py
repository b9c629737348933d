"""The one decoder: bytes to upright RGB pixels, and those to a square of one size.

Training, prediction and the exported SavedModel all come through here, so that what was trained
on is what is served. `decode`, `resize` and `decode_batch` are TensorFlow graph code and need
nothing of tlearn once they are traced into a SavedModel. What TensorFlow cannot decode goes through
Pillow in training and prediction (`tlearn/photos/pillow_decoding.py`); which decoder a file needs is found
once, by `check`, and kept beside its path.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from tlearn.errors import DecodeError
from tlearn.photos import orientation
from tlearn.photos.pillow_decoding import Decoder, check_jpeg, decode_with_pillow, route
from tlearn.photos.resize_modes import DEFAULT_RESIZE, RESIZE_MODES
from tlearn.photos.resizing import resize

__all__ = [
    "DEFAULT_RESIZE",
    "RESIZE_MODES",
    "check",
    "decode",
    "decode_batch",
    "decode_with_pillow",
    "load",
    "resize",
    "route",
    "smallest_for",
]

# Autotuning has no time to tune in one batch and stays at one thread. The pool of the machine caps
# this on smaller ones.
_DECODED_AT_ONCE = 16
_JPEG = b"\xff\xd8\xff"
_GIF = b"GIF8"
_PNG = b"\x89PNG\r\n\x1a\n"

# A JPEG is made smaller while it is decoded, as long as this many of its pixels are left for one of
# the model's. docs/decoding.md has the measurements.
_PIXELS_FOR_ONE = 2
# A search through all of a file for its EXIF is quicker than a walk to it, up to this many bytes.
_SEARCHED = 65536


def check(data: bytes, decoder: Decoder) -> Decoder:
    """Really decode a file, and say which decoder can.

    A JPEG is read through to its end but made only at an eighth of its size, which costs half.
    Safe to call from many threads; TensorFlow and Pillow both release the interpreter lock.

    Args:
        data: The bytes of the file.
        decoder: What `route` said.

    Returns:
        `decoder`, or `"pillow"` when TensorFlow cannot decode the file and Pillow can.

    Raises:
        DecodeError: If neither can; the message is the reason in plain words.

    Example:

    ```python
    data = Path("photo.jpg").read_bytes()
    decoder = check(data, route(data))
    ```
    """
    if decoder == "graph":
        is_jpeg = data.startswith(_JPEG)
        # TensorFlow writes to the error stream when a JPEG or GIF ends too early; Pillow does not.
        end = data[-1024:]
        if is_jpeg and b"\xff\xd9" not in end:
            check_jpeg(data)
        elif data.startswith(_GIF) and b";" not in end[-16:]:
            decode_with_pillow(data)
        try:
            with tf.device("CPU:0"):
                if is_jpeg:
                    tf.io.decode_jpeg(data, channels=3, ratio=8, dct_method="INTEGER_ACCURATE")
                else:
                    decode(tf.constant(data))
            return "graph"
        except tf.errors.OpError:
            pass
    decode_with_pillow(data)
    return "pillow"


def smallest_for(size: int) -> int:
    """Say how small a JPEG may be decoded that then becomes a square of this size.

    Training, prediction and the SavedModel decode by this one rule, so that they see the same.

    Args:
        size: The side of the squares, in pixels.

    Returns:
        The fewest pixels that its shorter side must keep, for `decode` and `load`.

    Example:

    ```python
    square = resize(decode(encoded, smallest_for(224)), 224)
    ```
    """
    return _PIXELS_FOR_ONE * size


def decode(encoded: tf.Tensor, smallest: int | None = None) -> tf.Tensor:
    """Decode one photo, as graph code.

    JPEG (greyscale, CMYK and progressive too), PNG, GIF (its first frame) and still WebP are
    accepted, by what they hold. Transparency is dropped, 16 bits become 8, and a JPEG is turned
    upright by its EXIF orientation.

    Args:
        encoded: `string` tensor of shape `()`, the bytes of one file.
        smallest: Decode a JPEG at a half, a quarter or an eighth of its size, the least that
            leaves its shorter side at least this many pixels; it saves half of the work on a large
            photo. `None`, and photos below twice this size, are decoded as they are.

    Returns:
        `uint8` tensor of shape `(height, width, 3)`, values 0 to 255.

    Raises:
        tf.errors.InvalidArgumentError: If it cannot be decoded, or is of another format.
        ValueError: If `smallest` is below 1.

    Example:

    ```python
    pixels = decode(tf.io.read_file("photo.jpg"))
    ```
    """
    if smallest is not None and smallest < 1:
        raise ValueError(f"Expected a whole number of at least 1. Received: {smallest=!r}")

    def jpeg() -> tf.Tensor:
        return orientation.apply(_decode_jpeg(encoded, smallest), _read_orientation(encoded))

    def gif() -> tf.Tensor:
        pixels = _first_frame(encoded)
        width_height = tf.io.decode_raw(tf.strings.substr(encoded, 6, 4), tf.uint16)
        is_whole = tf.reduce_all(tf.shape(pixels)[1::-1] == tf.cast(width_height, tf.int32))
        # TensorFlow misplaces a first frame that is smaller than the picture.
        with tf.control_dependencies([tf.debugging.Assert(is_whole, ["a GIF in parts"])]):
            return tf.identity(pixels)

    def other() -> tf.Tensor:
        # `decode_image` takes BMP as well, and a palette BMP comes out wrong without a word.
        is_known = _starts(encoded, _PNG) | _is_webp(encoded)
        return _first_frame(tf.where(is_known, encoded, ""))

    image = tf.cond(
        _starts(encoded, _JPEG), jpeg, lambda: tf.cond(_starts(encoded, _GIF), gif, other)
    )
    image.set_shape((None, None, 3))
    return image


def load(path: tf.Tensor, decoder: tf.Tensor, smallest: int | None = None) -> tf.Tensor:
    """Read and decode one file inside a `tf.data` pipeline.

    Args:
        path: `string` tensor of shape `()`.
        decoder: `string` tensor of shape `()`, `"graph"` or `"pillow"`, as `check` gave it.
        smallest: As for `decode`.

    Returns:
        `uint8` tensor of shape `(height, width, 3)`, values 0 to 255.

    Example:

    ```python
    examples = tf.data.Dataset.from_tensor_slices((paths, decoders))
    photos = examples.map(load, num_parallel_calls=tf.data.AUTOTUNE)
    ```
    """

    def with_pillow() -> tf.Tensor:
        read = functools.partial(_load_with_pillow, smallest=smallest)
        return tf.numpy_function(read, [path], tf.uint8, stateful=False)

    def in_graph() -> tf.Tensor:
        return decode(tf.io.read_file(path), smallest)

    image = tf.cond(tf.equal(decoder, "graph"), in_graph, with_pillow)
    image.set_shape((None, None, 3))
    return image


def decode_batch(
    encoded: tf.Tensor, size: int, mode: str = DEFAULT_RESIZE
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decode and resize a batch of photos, as graph code that no photo can make fail.

    Args:
        encoded: `string` tensor of shape `(batch,)`, the bytes of one file each; the batch may be
            empty.
        size: The side of the squares, in pixels.
        mode: As for `resize`.

    Returns:
        `float32` tensor of shape `(batch, size, size, 3)`, values 0 to 255, all zeros for what
        cannot be decoded; and `bool` tensor of shape `(batch,)`, false for those.

    Example:

    ```python
    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def serve(encoded):
        pixels, readable = decode_batch(encoded, 224)
        return model(pixels), readable
    ```
    """
    count = tf.size(encoded, out_type=tf.int64)

    def prepare(index: tf.Tensor, item: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return index, resize(decode(item, smallest_for(size)), size, mode)

    # A data set inside the graph is the only place where TensorFlow catches the error of one
    # item. The blank at the end keeps it from being empty when nothing could be decoded.
    photos = tf.data.Dataset.from_tensor_slices((tf.range(count), encoded))
    # Graph code as it stands: AutoGraph would spend seconds on reading its source.
    prepare = tf.autograph.experimental.do_not_convert(prepare)
    photos = photos.map(prepare, num_parallel_calls=_DECODED_AT_ONCE, deterministic=False)
    photos = photos.ignore_errors()
    blank = tf.data.Dataset.from_tensors((count, tf.zeros((size, size, 3))))
    batch = photos.concatenate(blank).batch(count + 1)
    indices, pixels = batch.get_single_element()

    places = indices[:, tf.newaxis]
    shape = tf.stack([count + 1, size, size, 3])
    pixels = tf.scatter_nd(places, pixels, shape)[:count]
    readable = tf.scatter_nd(places, tf.ones_like(indices), [count + 1])[:count] > 0
    pixels.set_shape((None, size, size, 3))
    readable.set_shape((None,))
    return pixels, readable


def _decode_jpeg(encoded: tf.Tensor, smallest: int | None) -> tf.Tensor:
    def at(ratio: int) -> tf.Tensor:
        # Exactly the pixels that Pillow gives; TensorFlow's default is up to 9 levels off.
        return tf.io.decode_jpeg(encoded, 3, ratio=ratio, dct_method="INTEGER_ACCURATE")

    if smallest is None:
        return at(1)
    shorter = tf.reduce_min(tf.io.extract_jpeg_shape(encoded)[:2])
    # `ratio` is no tensor, so each of the four is a branch of its own.
    halvings = tf.math.count_nonzero(shorter // (2, 4, 8) >= smallest, dtype=tf.int32)
    return tf.switch_case(halvings, [functools.partial(at, 2**power) for power in range(4)])


def _read_orientation(encoded: tf.Tensor) -> tf.Tensor:
    """What `orientation.read` says, which is not asked where there is no EXIF in a small file."""
    may_turn = tf.cond(
        tf.strings.length(encoded) <= _SEARCHED,
        lambda: tf.strings.regex_full_match(encoded, r"(?s)\C*Exif\x00\x00\C*"),
        lambda: tf.constant(True),
    )
    return tf.cond(may_turn, lambda: orientation.read(encoded), lambda: tf.constant(1))


def _first_frame(encoded: tf.Tensor) -> tf.Tensor:
    pixels = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    return tf.ensure_shape(pixels, (None, None, 3))


def _starts(encoded: tf.Tensor, magic: bytes) -> tf.Tensor:
    size = tf.minimum(tf.strings.length(encoded), len(magic))
    return tf.equal(tf.strings.substr(encoded, 0, size), magic)


def _is_webp(encoded: tf.Tensor) -> tf.Tensor:
    head = tf.strings.substr(encoded, 0, tf.minimum(tf.strings.length(encoded), 12))
    return tf.strings.regex_full_match(head, r"(?s)RIFF\C{4}WEBP")


def _load_with_pillow(path: bytes | np.ndarray, *, smallest: int | None) -> np.ndarray:
    name = os.fsdecode(np.asarray(path).item())  # an array when run eagerly
    try:
        return decode_with_pillow(Path(name).read_bytes(), smallest)
    except DecodeError as error:
        raise DecodeError(
            f"{name} could be read before and cannot be now: {error}. Expected the photos to stay "
            "as they were while they are in use. Start again, so that they are checked anew. "
            f"Received: path={name!r}"
        ) from error
