"""What Pillow does for the decoder: it names the format of a file, says in plain words why one
cannot be read, and reads what TensorFlow cannot. No TensorFlow here.

Pillow and TensorFlow call the same libraries (libjpeg-turbo, libpng, libwebp), so for a JPEG
their pixels are equal; `tests/test_decoding.py` holds them to it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import struct
import threading
import warnings
from collections.abc import Iterator
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from tlearn.errors import DecodeError

__all__ = [
    "Decoder",
    "check_jpeg",
    "decode_with_pillow",
    "opened",
    "quiet",
    "reasons",
    "route",
    "shown",
]

Decoder = Literal["graph", "pillow"]

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

# Changing the warning filters is global to the process, so one thread at a time does it, and
# only around Pillow's reading of headers; the decoding itself runs in parallel.
_quiet_lock = threading.Lock()
_heif_lock = threading.Lock()
_heif_known: bool | None = None


def route(data: bytes) -> Decoder:
    """Say which decoder is for this file, from its first bytes and headers alone.

    The name of the file plays no part: a PNG named `.jpg` is a PNG.

    Args:
        data: The bytes of the file.

    Returns:
        `"graph"` for JPEG, PNG, GIF and still WebP that need nothing else; `"pillow"` for all
        other formats, and for a photo whose orientation the graph would not see.

    Raises:
        DecodeError: If the file is empty, is no image, or declares more pixels than Pillow takes
            for safe (178,956,970 unless `PIL.Image.MAX_IMAGE_PIXELS` has been changed).

    Example:

    ```python
    decoder = route(Path("photo.jpg").read_bytes())  # "graph"
    ```
    """
    with opened(data) as image:
        if image.format in {"JPEG", "MPO"}:
            # A camera writes the EXIF tag. An editor may write the XMP one instead, which the
            # graph does not read.
            in_xmp = "exif" not in image.info and "xmp" in image.info
            return "pillow" if in_xmp and _orientation(image) != 1 else "graph"
        if image.format == "PNG":
            # Pillow decodes a whole PNG in search of EXIF that may follow the pixels.
            may_turn = b"eXIf" in data or b"Raw profile type" in data or b"XML:com.adobe" in data
            return "pillow" if may_turn and _orientation(image) != 1 else "graph"
        if image.format == "GIF":
            return "graph"
        if image.format == "WEBP":
            plain = image.mode == "RGB" and getattr(image, "n_frames", 1) == 1
            return "graph" if plain and _orientation(image) == 1 else "pillow"
        return "pillow"


def check_jpeg(data: bytes) -> None:
    """Read a JPEG through to its end, at an eighth of its size.

    Args:
        data: The bytes of a JPEG.

    Raises:
        DecodeError: If it cannot be read.
    """
    with opened(data) as image, reasons():
        image.draft("RGB", (1, 1))
        image.load()


def decode_with_pillow(data: bytes, smallest: int | None = None) -> np.ndarray:
    """Decode any photo that Pillow can open: the first frame, upright, in RGB.

    Transparency is dropped, not blended: what the file holds under it is shown. Greyscale of 16
    bits is scaled to 8, where Pillow's own conversion would clip it.

    Args:
        data: The bytes of the file.
        smallest: Decode a JPEG at a half, a quarter or an eighth of its size, the least that
            leaves its shorter side at least this many pixels. `None` decodes it as it is.

    Returns:
        `uint8` array of shape `(height, width, 3)`, values 0 to 255.

    Raises:
        DecodeError: If the file cannot be read; the message is the reason in plain words.

    Example:

    ```python
    pixels = decode_with_pillow(Path("scan.tif").read_bytes())
    ```
    """
    with opened(data) as image, reasons():
        return np.asarray(shown(image, smallest))


def _upright(image: Image.Image) -> Image.Image:
    orientation = _orientation(image)
    return image if orientation == 1 else image.transpose(_UPRIGHT[orientation])


def _to_rgb(image: Image.Image, format: str | None) -> Image.Image:
    if image.mode == "F":
        raise DecodeError(
            "it holds floating-point values, which have no fixed range; save it with 8 bits"
        )
    if image.mode == "I" and format not in {"PNG", "PPM"}:
        raise DecodeError(
            "it holds 32-bit whole numbers, which have no fixed range; save it with 8 bits"
        )
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint32)
        image = Image.fromarray((np.minimum(values, 65535) >> 8).astype(np.uint8))
    # Pillow warns about what it would do with these; the alpha is dropped in any case.
    image.info.pop("transparency", None)
    return image.convert("RGB")


def shown(image: Image.Image, enough: int | None = None) -> Image.Image:
    """A photo as a person sees it, decoded no larger than need be.

    Args:
        image: The photo, as `opened` gives it.
        enough: A JPEG is decoded at a half, a quarter or an eighth of its size where both its sides have
            so many pixels then; whole by default.

    Returns:
        An upright photo of mode `RGB`.

    Raises:
        DecodeError: Its values have no fixed range.
    """
    if enough is not None:
        image.draft("RGB", (enough, enough))
    # These two plugins also warn while they decode.
    with quiet() if image.format in {"TIFF", "ICO"} else contextlib.nullcontext():
        image.load()
    return _to_rgb(_upright(image), image.format)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation of a photo, 1 to 8; 1, which is upright, where it has none."""
    try:
        with quiet():
            orientation = image.getexif().get(_ORIENTATION, 1)
        return int(orientation) if orientation in _UPRIGHT else 1
    except Exception:  # damaged EXIF raises nearly anything; such a photo is shown as it lies
        return 1


@contextlib.contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """Open the bytes of a photo with Pillow, its pixels not yet decoded.

    Args:
        data: The bytes of the file.

    Returns:
        A context manager that gives the photo.

    Raises:
        DecodeError: It is no photo, or cannot be opened; the message is the reason in plain words.
    """
    if not data:
        raise DecodeError("the file is empty")
    _register_heif()
    try:
        with quiet():
            image = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise DecodeError(f"a decompression bomb: {_size_of(data)}") from error
    except UnidentifiedImageError as error:
        raise DecodeError(_why_unidentified(data)) from error
    except Exception as error:  # a damaged header raises nearly anything
        raise DecodeError(_in_plain_words(error)) from error
    with image:
        yield image


@contextlib.contextmanager
def reasons() -> Iterator[None]:
    """A context manager that gives what Pillow raises as a `DecodeError` in plain words."""
    try:
        yield
    except DecodeError:
        raise
    except Exception as error:  # damaged pixels raise nearly anything
        raise DecodeError(_in_plain_words(error)) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """A context manager that keeps Pillow's warnings of damaged headers to itself."""
    with _quiet_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _in_plain_words(error: Exception) -> str:
    message = str(error).strip().rstrip(".")
    lowered = message.lower()
    if isinstance(error, Image.DecompressionBombError):
        return "a decompression bomb: one of its frames is too large"
    if isinstance(error, MemoryError):
        return "its pixels do not fit into memory"
    if "truncated" in lowered or "premature" in lowered or "unexpected end" in lowered:
        return "the file is truncated"
    if isinstance(error, (EOFError, struct.error, IndexError)):
        return "the file is truncated or damaged"
    return f"the file is damaged ({message})" if message else "the file is damaged"


def _why_unidentified(data: bytes) -> str:
    if data[4:8] == b"ftyp":
        if data[8:12] in _HEIC_BRANDS and not _heif_known:
            return "a HEIC photo, which needs an extra: pip install 'tlearn[heic]'"
        if data[8:12] in {b"avif", b"avis"}:
            return "an AVIF photo, which this version of Pillow cannot read; upgrade Pillow"
    if data[:3] == b"\xff\xd8\xff" or data[:8] == b"\x89PNG\r\n\x1a\n":
        return "the file is truncated or damaged in its header"
    return "not an image"


def _size_of(data: bytes) -> str:
    """Read width and height without the limit that has just been met."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        width, height = struct.unpack(">II", data[16:24])
        return f"{width} x {height} pixels"
    return "it declares more pixels than a photo has"


def _register_heif() -> None:
    global _heif_known
    if _heif_known is None:
        with _heif_lock:
            if _heif_known is None:
                found = importlib.util.find_spec("pillow_heif") is not None
                if found:
                    import pillow_heif

                    pillow_heif.register_heif_opener()
                _heif_known = found
