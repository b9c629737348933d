"""Small real photo files for the tests of data sets, and a watcher that keeps what it hears."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from tlearn.progress import Progress


def pixels(key: object, side: int = 12) -> Image.Image:
    """A picture that only this key gives."""
    seed = int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:4], "big")
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def photo(path: Path, key: object = None, format: str | None = None) -> Path:
    """Write a small photo; what it shows follows from `key`, or else from its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels(str(path) if key is None else key).save(path, format or _format(path))
    return path


def classes(root: Path, **counts: int) -> Path:
    """A folder with a sub-folder per class and so many photos in each."""
    for name, count in counts.items():
        for number in range(count):
            photo(root / name / f"{number}.png", key=(name, number))
    return root


def tree_of(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


def _format(path: Path) -> str:
    return {".jpg": "JPEG", ".jpeg": "JPEG"}.get(path.suffix.lower(), "PNG")


class Heard(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def warn(self, message: str) -> None:
        self.warned.append(message)
