"""All shelves of kept features together: where, how large, which, and which have to go."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from tlearn.errors import SizeError
from tlearn.features import segments
from tlearn.files import atomic, cache, disk_use
from tlearn.memory import parse_size

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ABOUT", "KEY", "USED", "directory", "limit", "shelves", "trim"]

ABOUT = "about.json"
USED = "used"
KEY = "[0-9a-f]{8,128}"

_LIMIT = "20GB"


def directory() -> Path:
    """Say where all shelves are. The folder need not exist yet."""
    return cache.directory() / "features"


def limit() -> int:
    """Say how many bytes all shelves together may take.

    Returns:
        What the environment variable TLEARN_CACHE_SIZE says, else 20 GB.

    Raises:
        SizeError: When it says no size.
    """
    given = os.environ.get("TLEARN_CACHE_SIZE") or _LIMIT
    try:
        return parse_size(given)
    except SizeError as error:
        raise SizeError(
            "The environment variable TLEARN_CACHE_SIZE must be a size such as '20GB', '500 MB' "
            f"or '0'. Received: TLEARN_CACHE_SIZE={given!r}"
        ) from error


def trim(limit: int | None = None, keep: Collection[str] = ()) -> list[str]:
    """Remove whole shelves, the longest unused first, until the others are small enough.

    Args:
        limit: How many bytes may stay; those of `limit()` where nothing is said.
        keep: Keys of shelves that stay in any case.

    Returns:
        The keys of the removed shelves.

    Raises:
        SizeError: When the environment variable TLEARN_CACHE_SIZE says no size.
    """
    most = _allowed(limit)
    for path in _inside():
        if path.name.startswith("."):  # what a killed process was about to remove
            atomic.remove(path)
        else:
            segments.remove_leftovers(path)
    folders = [path for path in _inside() if _is_shelf(path)]
    sizes = {path: disk_use.size_of(path) for path in folders}
    removed = []
    for path in sorted(folders, key=_last_used):
        if sum(sizes.values()) <= most:
            break
        if path.name in keep:
            continue
        if disk_use.take_away(path):
            removed.append(path.name)
        if not path.exists():
            del sizes[path]
    return removed


def shelves() -> pd.DataFrame:
    """List the shelves, the last used first.

    Returns:
        A row for each: `kind` (what it holds, in words), `photos`, `bytes`, `last_used` (UTC) and
        `key`.
    """
    import pandas as pd

    folders = sorted((path for path in _inside() if _is_shelf(path)), key=_last_used)
    rows = [
        (_kind(path), _photos(path), disk_use.size_of(path), _last_used(path), path.name)
        for path in reversed(folders)
    ]
    table = pd.DataFrame(rows, columns=["kind", "photos", "bytes", "last_used", "key"])
    table["last_used"] = pd.to_datetime(table["last_used"].astype("float64"), unit="s", utc=True)
    return table.astype({"photos": "int64", "bytes": "int64"})


def _allowed(most: int | None) -> int:
    return limit() if most is None else most


def _inside() -> list[Path]:
    try:
        return sorted(directory().iterdir())
    except OSError:  # nothing was ever kept
        return []


def _is_shelf(path: Path) -> bool:
    return re.fullmatch(KEY, path.name) is not None and path.is_dir()


def _last_used(folder: Path) -> float:
    """Seconds since 1970; 0 for a shelf that has just vanished."""
    for path in (folder / USED, folder):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0


def _kind(folder: Path) -> str:
    """Such as `backbone efficientnet_lite0, size 224`."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="ascii"))
        return ", ".join(f"{name} {value}" for name, value in about.items())
    except (OSError, ValueError, AttributeError):
        return ""


def _photos(folder: Path) -> int:
    """How many photos have a row, each counted once."""
    ids: set[bytes] = set()
    for path in segments.paths(folder):
        try:
            ids.update(segments.Segment(path).ids())
        except (OSError, segments.DamagedSegment):
            continue
    return len(ids)
