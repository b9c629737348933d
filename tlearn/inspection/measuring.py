"""What one photo is like: its file, its light, its camera, and a small picture of it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import ExifTags, Image
from scipy.fft import dctn

from tlearn.photos import pillow_decoding

__all__ = ["COLUMNS", "Measured", "SIDE", "measure", "opened", "suffix_fits"]

Array = np.ndarray[Any, Any]

# The side of the small grey picture by which photos are compared, in pixels.
SIDE = 64
# The longer side at which light and sharpness are measured: about what a network sees of a photo.
_MEASURED = 256
_FRAME = 0.03
# What Pillow calls a format, and what its files may be called.
_NAMES = {"MPO": "jpeg", "HEIF": "heic", "DIB": "bmp"}
_SUFFIXES = {
    "jpeg": {".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"},
    "png": {".png", ".apng"},
    "tiff": {".tif", ".tiff"},
    "heic": {".heic", ".heif", ".hif"},
    "avif": {".avif", ".avifs"},
    "bmp": {".bmp", ".dib"},
    "jpeg2000": {".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"},
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
        OSError: It cannot be read.
        DecodeError: It cannot be decoded.
    """
    data = Path(path).read_bytes()
    with pillow_decoding.opened(data) as image, pillow_decoding.reasons():
        form = _NAMES.get(image.format or "", (image.format or "").lower())
        width, height = image.size
        picture = pillow_decoding.shown(image, _MEASURED)
        told = _exif(image)
    if (told["orientation"] or 1) >= 5:
        width, height = height, width
    picture.thumbnail((_MEASURED, _MEASURED), Image.Resampling.BOX)
    colours = np.asarray(picture, np.float32)
    grey = np.asarray(picture.convert("L"), np.float32)
    small = _square(picture, SIDE)
    return Measured(
        {
            "format": form,
            "bytes": len(data),
            "width": width,
            "height": height,
            "aspect_ratio": round(width / height, 4),
            "brightness": round(float(grey.mean()) / 255, 4),
            "contrast": round(float(grey.std()) / 255, 4),
            "sharpness": round(_sharpness(grey), 2),
            "colourfulness": round(_colourfulness(colours), 2),
            "border": round(_border(grey), 4),
            **told,
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
    with pillow_decoding.opened(Path(path).read_bytes()) as image, pillow_decoding.reasons():
        return _square(pillow_decoding.shown(image, 2 * side), side)


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


def _exif(image: Any) -> dict[str, Any]:
    try:
        with pillow_decoding.quiet():
            exif = image.getexif()
            details = exif.get_ifd(ExifTags.IFD.Exif)
    except Exception:  # damaged EXIF raises nearly anything, and is as good as none
        return {"orientation": None, "taken": None, "camera": None}
    orientation = exif.get(ExifTags.Base.Orientation)
    return {
        "orientation": orientation if orientation in range(1, 9) else None,
        "taken": _taken(details),
        "camera": _camera(exif),
    }


def _taken(details: Any) -> datetime.datetime | None:
    try:
        text = _words(details.get(ExifTags.Base.DateTimeOriginal))
        moment = datetime.datetime.strptime(text, "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    part = _words(details.get(ExifTags.Base.SubsecTimeOriginal))
    digits = part if part.isascii() and part.isdigit() else "0"
    return moment.replace(microsecond=int(f"{digits:0<6}"[:6]))


def _camera(exif: Any) -> str | None:
    maker, model = (_words(exif.get(tag)) for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
    if maker and not model.lower().startswith(maker.split()[0].lower()):
        model = f"{maker} {model}".strip()
    return model or None


def _words(value: object) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
    return " ".join(text.replace("\0", " ").split())


def _hash(small: Array) -> str:
    """64 signs of the lowest frequencies, above and below their median; 16 hexadecimal digits."""
    half = small.reshape(32, 2, 32, 2).astype(np.float32).mean((1, 3))
    low = dctn(half, norm="ortho")[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return np.packbits(bits).tobytes().hex()
