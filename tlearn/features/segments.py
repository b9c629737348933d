"""Files of kept features. Each holds some rows of one kind, and never changes.

```
header   512 bytes: a line that says what it is, then JSON: shape, dtype, rows, SHA-256 of the ids
ids      32 bytes for each row: the SHA-256 of its photo
rows     one after another, as numpy has them in memory
```

A file is written under a hidden name, synced and renamed: what bears its name is whole. Its length
says so too, for disks that lose what they had promised to keep.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from tlearn.files import atomic

__all__ = ["DamagedSegment", "Segment", "paths", "remove_leftovers", "write", "write_whole"]

# A later format takes another suffix, so that versions of tlearn can share a cache.
_SUFFIX = ".rows1"
_UNFINISHED = ".unfinished"
_MAGIC = b"tlearn features 1\n"
_HEADER = 512
_ID = 32
_DAY = 24 * 3600
_MANY_FILES = 65536


class DamagedSegment(Exception):
    """A file that is no segment, or not a whole one."""


class Segment:
    """A segment, opened. The descriptor stays open as long as this lives.

    So it can be read even when its name is gone. There is no `close`: another thread may be in
    the middle of reading, and a number that has been closed may already mean another file.

    Args:
        path: The file.

    Raises:
        DamagedSegment: When it is no segment, or not a whole one.
        OSError: When it is not there or cannot be read.
    """

    _descriptor = -1

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._descriptor = _open(path)
        header = bytearray(_HEADER)
        self.fill([memoryview(header)], 0)
        try:
            if not header.startswith(_MAGIC):
                raise ValueError
            about = json.loads(header[len(_MAGIC) :])
            self.shape = tuple(int(side) for side in about["shape"])
            self.dtype = np.dtype(about["dtype"])
            self.rows = int(about["rows"])
            told = str(about["ids"])
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedSegment(path) from error
        self.row_bytes = math.prod(self.shape) * self.dtype.itemsize
        self.start = _HEADER + _ID * self.rows
        if os.fstat(self._descriptor).st_size != self.start + self.rows * self.row_bytes:
            raise DamagedSegment(path)
        ids = bytearray(_ID * self.rows)
        self.fill([memoryview(ids)], _HEADER)
        if hashlib.sha256(ids).hexdigest() != told:
            raise DamagedSegment(path)
        self._ids = bytes(ids)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def ids(self) -> list[bytes]:
        """The photos' SHA-256, in the order of the rows."""
        return [self._ids[start : start + _ID] for start in range(0, len(self._ids), _ID)]

    def fill(self, buffers: Sequence[memoryview], offset: int) -> None:
        """Read from `offset` on into one buffer after another, with one call where possible.

        Args:
            buffers: Where to; of bytes, and no more than 1024 of them.
            offset: Where in the file to begin.

        Raises:
            DamagedSegment: When the file ends before the buffers are full.
            OSError: When the disk fails.
        """
        # Not mmap: its pages count as memory of this process, and a container that is at its
        # limit would be killed for them. What preadv leaves behind is the system's to drop.
        if not hasattr(os, "preadv"):
            self._fill_in_turn(buffers, offset)
            return
        views = [view for view in buffers if len(view)]
        while views:
            got = os.preadv(self._descriptor, views, offset)
            if got == 0:
                raise DamagedSegment(self.path)
            offset += got
            while views and got >= len(views[0]):
                got -= len(views.pop(0))
            if views:
                views[0] = views[0][got:]

    def _fill_in_turn(self, buffers: Sequence[memoryview], offset: int) -> None:
        """`fill` for Windows, which cannot read at an offset without moving there."""
        with self._lock:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            for view in buffers:
                done = 0
                while done < len(view):
                    piece = os.read(self._descriptor, len(view) - done)
                    if not piece:
                        raise DamagedSegment(self.path)
                    view[done : done + len(piece)] = piece
                    done += len(piece)


def paths(folder: Path) -> list[Path]:
    """The segments in `folder`, the oldest first; none where there is no folder."""
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in sorted(names) if name.endswith(_SUFFIX)]


def write(folder: Path, ids: Sequence[bytes], rows: np.ndarray) -> None:
    """Add a segment to `folder`, whole or not at all, under a name that no other bears.

    Args:
        folder: An existing folder.
        ids: The photos' SHA-256.
        rows: Their features; as many.

    Raises:
        OSError: When it cannot be written. Nothing is left of it.
    """
    rows = np.ascontiguousarray(rows)
    together = b"".join(ids)
    about = {
        "shape": list(rows.shape[1:]),
        "dtype": rows.dtype.str,
        "rows": len(rows),
        "ids": hashlib.sha256(together).hexdigest(),
    }
    header = (_MAGIC + json.dumps(about).encode("ascii")).ljust(_HEADER - 1) + b"\n"
    name = f"{time.time_ns():020d}-{uuid.uuid4().hex}{_SUFFIX}"
    write_whole(folder / name, [header, together, rows.reshape(-1).view(np.uint8).data])


def write_whole(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file whole or not at all, even when two processes write the same at once."""
    hidden = path.with_name(f".{path.name}-{uuid.uuid4().hex}{_UNFINISHED}")
    try:
        with hidden.open("xb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        hidden.replace(path)
    except BaseException:
        atomic.remove(hidden)
        raise
    atomic.sync(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left, once it is too old to be still at work."""
    with suppress(OSError):
        for name in os.listdir(folder):  # noqa: PTH208
            path = folder / name
            if name.endswith(_UNFINISHED) and time.time() - path.lstat().st_mtime > _DAY:
                atomic.remove(path)


def _open(path: Path) -> int:
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    try:
        return os.open(path, flags)
    except OSError as error:
        if error.errno != errno.EMFILE or not _allow_more_files():
            raise
    return os.open(path, flags)


def _allow_more_files() -> bool:
    """Let this process open as many files as it may; macOS starts with 256."""
    if sys.platform == "win32":
        return False
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    more = _MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, _MANY_FILES)
    if soft == resource.RLIM_INFINITY or more <= soft:
        return False
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
    except (OSError, ValueError):
        return False
    return True
