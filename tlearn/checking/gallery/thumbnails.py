"""A photo as a small picture inside a page."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path

from PIL import Image, ImageOps

__all__ = ["SIDE", "data_uri"]

SIDE = 192
_QUALITY = 72
# What is larger is shown without a picture, unless its format can be read at a fraction of its
# size, as JPEG can. 50 million pixels take 150 MB.
_MOST_PIXELS = 50_000_000


def data_uri(path: str) -> str | None:
    """Make a small picture of a photo, upright.

    Args:
        path: The file.

    Returns:
        A JPEG of at most `SIDE` pixels a side, about 6 KB, as a `data:` URI; `None` where the file
        cannot be read, or is too large to be read for this.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Opening a named pipe would wait for ever.
            if not Path(path).is_file():
                return None
            with Image.open(path) as photo:
                photo.draft("RGB", (2 * SIDE, 2 * SIDE))
                if photo.width * photo.height > _MOST_PIXELS:
                    return None
                small = _small(photo)
    except Exception:  # Pillow raises nearly anything for what is damaged
        return None
    encoded = io.BytesIO()
    small.save(encoded, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode("ascii")


def _small(photo: Image.Image) -> Image.Image:
    if photo.mode.startswith("I") or photo.mode == "F":
        # 16 bits: Pillow would cut off what is above 255.
        photo = photo.convert("F").point(lambda value: value / 257)
        photo = photo.convert("L")
    has_alpha = photo.mode in ("LA", "PA", "RGBA") or "transparency" in photo.info
    upright = ImageOps.exif_transpose(photo.convert("RGBA" if has_alpha else "RGB"))
    upright.thumbnail((SIDE, SIDE))
    if has_alpha:
        ground = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(ground, upright)
    return upright.convert("RGB")
