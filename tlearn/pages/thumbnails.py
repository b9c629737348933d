"""A photo as a small picture inside a page."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path

from PIL import Image, ImageOps

__all__ = ["SIDE", "data_uri", "jpeg", "small", "uri"]

SIDE = 192
_QUALITY = 72
# What is larger is shown without a picture, unless its format can be read at a fraction of its
# size, as JPEG can. 50 million pixels take 150 MB.
_MOST_PIXELS = 50_000_000


def data_uri(path: str, side: int = SIDE) -> str | None:
    """Make a small picture of a photo for a page; see `small`.

    Args:
        path: The file.
        side: The most pixels along a side.

    Returns:
        A `data:` URI; `None` where there is no picture.
    """
    encoded = small(path, side)
    return None if encoded is None else uri(encoded)


def small(path: str, side: int = SIDE) -> bytes | None:
    """Make a small picture of a photo, upright.

    Args:
        path: The file.
        side: The most pixels along a side.

    Returns:
        A JPEG, about 6 KB with 192 pixels a side; `None` where the file cannot be read, or is
        too large to be read for this.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Opening a named pipe would wait for ever.
            if not Path(path).is_file():
                return None
            with Image.open(path) as photo:
                photo.draft("RGB", (2 * side, 2 * side))
                if photo.width * photo.height > _MOST_PIXELS:
                    return None
                return jpeg(_upright(photo, side))
    except Exception:  # Pillow raises nearly anything for what is damaged
        return None


def jpeg(picture: Image.Image) -> bytes:
    """Encode a picture as small as it still looks well.

    Args:
        picture: RGB.

    Returns:
        A JPEG file.
    """
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=_QUALITY, optimize=True)
    return encoded.getvalue()


def uri(encoded: bytes) -> str:
    """A JPEG as what an `<img>` takes that may load nothing.

    Args:
        encoded: A JPEG file.

    Returns:
        A `data:` URI.
    """
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode("ascii")


def _upright(photo: Image.Image, side: int) -> Image.Image:
    if photo.mode.startswith("I") or photo.mode == "F":
        # 16 bits: Pillow would cut off what is above 255.
        photo = photo.convert("F").point(lambda value: value / 257)
        photo = photo.convert("L")
    has_alpha = photo.mode in ("LA", "PA", "RGBA") or "transparency" in photo.info
    upright = ImageOps.exif_transpose(photo.convert("RGBA" if has_alpha else "RGB"))
    upright.thumbnail((side, side))
    if has_alpha:
        ground = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(ground, upright)
    return upright.convert("RGB")
