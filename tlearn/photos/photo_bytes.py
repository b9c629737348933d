"""A photo's file as bytes that the SavedModel's byte signature can decode."""

from __future__ import annotations

import io

from PIL import Image

from tlearn.photos.pillow_decoding import decode_with_pillow

__all__ = ["servable"]


def servable(data: bytes, decoder: str) -> bytes:
    """Give a photo's bytes as TensorFlow can decode them.

    Args:
        data: The bytes of the file.
        decoder: `"graph"` when TensorFlow decodes them as they are; `"pillow"` when only Pillow
            does (BMP, TIFF, HEIC...).

    Returns:
        `data` itself, or the upright RGB pixels that Pillow decoded, as PNG: the same pixels,
        nothing lost.

    Raises:
        DecodeError: Pillow cannot decode `data`.
    """
    if decoder == "graph":
        return data
    encoded = io.BytesIO()
    # The bytes live for one batch, so time counts for more than size: half that of level 1.
    Image.fromarray(decode_with_pillow(data)).save(encoded, "PNG", compress_level=0)
    return encoded.getvalue()
