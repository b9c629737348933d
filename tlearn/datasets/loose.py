"""Whether a file that stands in no class is a photo, and so must not be lost without a word."""

from __future__ import annotations

import mimetypes
import warnings
from pathlib import Path

from PIL import Image

__all__ = ["is_photo"]

_SUFFIXES = {".avif", ".heic", ".heif", ".hif", ".jp2", ".jxl", ".webp"}


def is_photo(path: Path) -> bool:
    """Say whether a file is a photo, by its suffix or, failing that, by its first bytes.

    Args:
        path: The file.

    Returns:
        True when it is named like a photo or Pillow knows its format.
    """
    kind, _ = mimetypes.guess_type(path.name)
    if path.suffix.lower() in _SUFFIXES or (kind or "").startswith("image/"):
        return True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Opening a named pipe would wait for ever.
            if not path.is_file():
                return False
            with Image.open(path):
                return True
    except Exception:  # Pillow raises nearly anything for what is no image
        return False
