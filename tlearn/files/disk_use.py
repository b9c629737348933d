"""How much a file or folder takes of the disk, and taking it away beside other processes."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from tlearn.files import atomic

__all__ = ["empty", "size_of", "take_away"]


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files in a folder. What vanishes meanwhile counts nothing.

    Links inside count as themselves, not as what they point to.
    """
    if not path.is_dir():
        return _bytes(path)
    return sum(_bytes(Path(parent, name)) for parent, _, names in os.walk(path) for name in names)


def take_away(path: Path) -> bool:
    """Remove a file or folder so that no process ever sees half of it.

    It is renamed to a hidden name first; a kill in the middle leaves at most that.

    Returns:
        Whether it was this call that took it away: not if it was gone already, or cannot go.
    """
    aside = path.with_name(f".{path.name.lstrip('.')}.unfinished-{uuid.uuid4().hex[:8]}")
    try:
        path.rename(aside)
    except OSError:
        return False
    atomic.remove(aside)
    return True


def empty(folder: Path) -> int:
    """Take away all that is in `folder`, hidden names included.

    Returns:
        How many bytes less it holds.
    """
    before = size_of(folder)
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return 0
    for path in inside:
        take_away(path)
    return max(0, before - size_of(folder))


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
