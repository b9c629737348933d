"""What one photo is like: its file, its light, its camera, and a small picture of it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps
from scipy.fft import dctn

__all__ = ["COLUMNS", "Measured", "SIDE", "measure", "opened", "suffix_fits"]

Array = np.ndarray[Any, Any]

# The side of the small grey picture by which photos are compared, in pixels.
SIDE = 64
# The longer side at which light and sharpness are measured: about what a network sees of a photo.
_MEASURED = 256
_FRAME = 0.03
_SUFFIXES = {
    "jpeg": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "mpo": {".jpg", ".jpeg", ".mpo"},
    "tiff": {".tif", ".tiff"},
    "heif": {".heic", ".heif", ".hif"},
    "avif": {".avif"},
    "bmp": {".bmp", ".dib"},
}
COLUMNS = (
    "format",
    "suffix_fits",
    "bytes",
    "width",
    "height",
    "aspect_ratio",
    "brightness",
    "contrast",
    "sharpness",
    "colourfulness",
    "border",
    "orientation",
    "taken",
    "camera",
    "hash",
)


@dataclass(frozen=True)
class Measured:
    """One photo.

    Args:
        values: From each of `COLUMNS` but `suffix_fits` to its value, `None` where it has none.
        grey: uint8 `(64, 64)`, the upright photo stretched to a square.
    """

    values: dict[str, Any]
    grey: Array


def measure(path: str) -> Measured:
    """Look at one photo.

    Args:
        path: The file.

    Returns:
        What it is like.

    Raises:
        OSError: It cannot be read or decoded.
        ValueError: Likewise.
    """
    with Image.open(path) as image:
        form = (image.format or "").lower()
        exif = image.getexif()
        width, height = image.size
        orientation = exif.get(ExifTags.Base.Orientation)
        if orientation in (5, 6, 7, 8):
            width, height = height, width
        details = exif.get_ifd(ExifTags.IFD.Exif)
        picture = _upright(image, _MEASURED)
    picture.thumbnail((_MEASURED, _MEASURED), Image.Resampling.BOX)
    colours = np.asarray(picture, np.float32)
    grey = np.asarray(picture.convert("L"), np.float32)
    small = _square(picture, SIDE)
    return Measured(
        {
            "format": form,
            "bytes": Path(path).stat().st_size,
            "width": width,
            "height": height,
            "aspect_ratio": round(width / height, 4),
            "brightness": round(float(grey.mean()) / 255, 4),
            "contrast": round(float(grey.std()) / 255, 4),
            "sharpness": round(_sharpness(grey), 2),
            "colourfulness": round(_colourfulness(colours), 2),
            "border": round(_border(grey), 4),
            "orientation": orientation if isinstance(orientation, int) else None,
            "taken": _taken(exif, details),
            "camera": _camera(exif),
            "hash": _hash(small),
        },
        small,
    )


def suffix_fits(path: str, form: str) -> bool:
    """Whether a file's name says what is in it.

    Args:
        path: The file.
        form: The format that it has, as `measure` gives it.

    Returns:
        True also for a name without a suffix.
    """
    suffix = PurePath(path).suffix.lower()
    return not suffix or suffix in _SUFFIXES.get(form, {f".{form}"})


def opened(path: str, side: int) -> Array:
    """A photo as a grey square.

    Args:
        path: The file.
        side: Of the square, in pixels.

    Returns:
        uint8 `(side, side)`, upright, stretched.
    """
    with Image.open(path) as image:
        return _square(_upright(image, 2 * side), side)


def _upright(image: Any, enough: int) -> Any:
    """The photo in RGB as a person sees it, decoded no larger than need be.

    Args:
        image: An open Pillow image.
        enough: The side that it needs at least, in pixels.

    Returns:
        A Pillow image; what is transparent is white.
    """
    image.draft("RGB", (enough, enough))  # a JPEG is decoded at half, a quarter or an eighth
    image = ImageOps.exif_transpose(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layered = image.convert("RGBA")
        image = Image.new("RGBA", layered.size, "white")
        image.alpha_composite(layered)
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, np.float64)
        most = 65535 if values.max() > 255 else 255
        image = Image.fromarray(np.clip(values * 255 / most, 0, 255).astype(np.uint8))
    return image.convert("RGB")


def _square(picture: Any, side: int) -> Array:
    large = min(picture.size) >= side
    way = Image.Resampling.BOX if large else Image.Resampling.BILINEAR
    return np.asarray(picture.convert("L").resize((side, side), way), np.uint8)


def _sharpness(grey: Array) -> float:
    """The variance of the Laplacian (Pech-Pacheco et al. 2000), at the size above."""
    if min(grey.shape) < 3:
        return 0.0
    inner = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((around - 4 * inner).var())


def _colourfulness(colours: Array) -> float:
    """Hasler and Suesstrunk 2003, equation 7; about 0 (grey) to above 100."""
    red, green, blue = (colours[..., channel] for channel in range(3))
    first, second = red - green, (red + green) / 2 - blue
    spread = np.hypot(first.std(), second.std())
    return float(spread + 0.3 * np.hypot(first.mean(), second.mean()))


def _border(grey: Array) -> float:
    """How bright the outermost pixels are, 0 to 1."""
    wide = max(1, round(_FRAME * min(grey.shape)))
    edge = np.ones(grey.shape, bool)
    edge[wide:-wide, wide:-wide] = False
    return float(grey[edge].mean()) / 255


def _taken(exif: Any, details: Any) -> datetime.datetime | None:
    text = details.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    try:
        moment = datetime.datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    part = str(details.get(ExifTags.Base.SubsecTimeOriginal, "")).strip("\0 ")
    if part.isdecimal():
        moment += datetime.timedelta(seconds=int(part) / 10 ** len(part))
    return moment


def _camera(exif: Any) -> str | None:
    parts = (str(exif.get(tag, "")).strip("\0 ") for tag in (271, 272))
    return " ".join(part for part in parts if part) or None


def _hash(small: Array) -> str:
    """64 signs of the lowest frequencies, above and below their median; 16 hexadecimal digits."""
    half = small.reshape(32, 2, 32, 2).astype(np.float32).mean((1, 3))
    low = dctn(half, norm="ortho")[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return np.packbits(bits).tobytes().hex()
