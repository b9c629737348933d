"""A photo that a stranger sent: looked at before anything decodes it."""

from __future__ import annotations

from dataclasses import dataclass

from tlearn.errors import DecodeError
from tlearn.photos.decoding import smallest_for
from tlearn.photos.photo_bytes import servable
from tlearn.photos.pillow_decoding import check_jpeg, opened, route

__all__ = ["FORMATS", "Photo", "admit", "again"]

# Pillow knows forty more, of which some run other programs and few are ever photos.
FORMATS = frozenset({"AVIF", "BMP", "GIF", "HEIF", "JPEG", "MPO", "PNG", "TIFF", "WEBP"})
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Photo:
    """A photo that may be decoded.

    Attributes:
        data: Bytes that the SavedModel can decode.
        pixels: How many of them are in memory at once when it is.
        resort: Whether Pillow may still read what the SavedModel cannot.
    """

    data: bytes
    pixels: int
    resort: bool


def admit(data: bytes, most_pixels: int, image_size: int) -> Photo:
    """Look at a photo's headers, and turn what TensorFlow cannot decode into what it can.

    Args:
        data: The bytes of a file.
        most_pixels: The most pixels that it may have.
        image_size: The side of what the model looks at, which says how small a JPEG is decoded.

    Returns:
        The photo.

    Raises:
        DecodeError: It is none, is damaged, or too large; the message is the reason in plain words.
    """
    with opened(data) as image:
        kind, width, height = image.format, image.width, image.height
        progressive = "progressive" in image.info
    if kind not in FORMATS:
        raise DecodeError(f"{kind} is no format that is taken here")
    if width * height > most_pixels:
        raise DecodeError(
            f"it has {width} x {height} pixels, and {most_pixels:,} are the most that are taken"
        )
    decoder = route(data)
    if decoder == "graph" and data.startswith(_JPEG) and b"\xff\xd9" not in data[-1024:]:
        check_jpeg(data)  # TensorFlow writes to the error stream of a JPEG that ends too early
    pixels = width * height
    if kind in {"JPEG", "MPO"} and not progressive:
        # A progressive one is in memory as a whole, however small it is decoded.
        smallest = smallest_for(image_size)
        pixels //= (
            max(one for one in (1, 2, 4, 8) if one == 1 or min(width, height) // one >= smallest)
            ** 2
        )
    return Photo(servable(data, decoder), pixels, resort=decoder == "graph")


def again(photo: Photo) -> Photo:
    """The same photo decoded by Pillow, for what the SavedModel could not read.

    Args:
        photo: As `admit` gave it.

    Returns:
        The photo as PNG.

    Raises:
        DecodeError: Pillow cannot read it either.
    """
    if not photo.resort:
        raise DecodeError("it cannot be decoded")
    return Photo(servable(photo.data, "pillow"), photo.pixels, resort=False)
