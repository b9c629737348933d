"""Photos made of others: what a copy of a photo comes back as."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

SHARE = 0.08


def _cropped(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """92 % of both sides, from anywhere."""
    width, height = (round(side * (1 - SHARE)) for side in photo.size)
    left = int(random.integers(photo.width - width + 1))
    top = int(random.integers(photo.height - height + 1))
    return photo.crop((left, top, left + width, top + height))


def _cropped_around(photo: Image.Image, random: np.random.Generator) -> Image.Image:
    """8 % less on each side."""
    across, down = round(photo.width * SHARE), round(photo.height * SHARE)
    return photo.crop((across, down, photo.width - across, photo.height - down))


KINDS: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "re-encoded": lambda photo, random: photo,
    "resized": lambda photo, random: photo.resize(
        (round(photo.width * 0.7), round(photo.height * 0.7)), Image.Resampling.LANCZOS
    ),
    "mirrored": lambda photo, random: ImageOps.mirror(photo),
    "cropped": _cropped,
    "cropped around": _cropped_around,
    "brightened": lambda photo, random: ImageEnhance.Brightness(photo).enhance(1.2),
}


def write(source: str, kind: str, target: Path, random: np.random.Generator) -> None:
    """Write a photo anew, as a JPEG of quality 60 where it is only re-encoded, and 90 otherwise."""
    with Image.open(source) as image:
        photo = ImageOps.exif_transpose(image).convert("RGB")
    KINDS[kind](photo, random).save(target, "JPEG", quality=60 if kind == "re-encoded" else 90)
