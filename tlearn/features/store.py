"""The lasting store of features: rows of numbers, kept by what the photo holds.

```
TLEARN_CACHE/features/
└── KEY/            a shelf: one kind of features; KEY says all that they depend on
    ├── about.json  the same in words
    ├── used        its time is when the shelf was last read or written
    └── *.rows1     segments: see tlearn.features.segments
```

Several processes may read, add and remove at once without locks: a segment never changes, two with
the same photos do no harm, and what is open can be read after it was removed. It may be removed at
any time; what is missing is computed again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from tlearn.errors import CacheError
from tlearn.features import segments
from tlearn.features.reader import Reader
from tlearn.features.segments import DamagedSegment, Segment
from tlearn.features.shelves import ABOUT, KEY, USED, directory, limit, shelves, trim
from tlearn.files import atomic

__all__ = ["Reader", "Shelf", "directory", "limit", "shelves", "trim"]

_TRIES = 5


class Shelf:
    """One kind of features, a row for each photo. Making one only records; nothing is created.

    Args:
        key: A hex digest of all that the rows depend on, but for the photo.
        shape: The shape of a row.
        dtype: The type of its numbers, as numpy names it.
        about: What the key stands for, in words, for `tlearn cache`.

    Example:

    ```python
    shelf = Shelf(key, (1280,), "float16", {"backbone": "efficientnet_lite0"})
    for chunk in np.array_split(shelf.missing(digests), 10):
        shelf.write([digests[one] for one in chunk], compute(chunk))
    with shelf.reader(digests) as reader:
        features = reader.load()
    ```
    """

    def __init__(
        self, key: str, shape: tuple[int, ...], dtype: str, about: Mapping[str, Any] | None = None
    ) -> None:
        if not re.fullmatch(KEY, key):
            raise ValueError(f"A shelf's key is a digest in hexadecimal. Received: key={key!r}")
        self.key = key
        self.shape = tuple(int(side) for side in shape)
        self.dtype = np.dtype(dtype)
        if self.dtype.hasobject:
            raise ValueError(f"Features are numbers. Received: dtype={dtype!r}")
        self.about = dict(about or {})
        self.folder = directory() / key

    def missing(self, digests: Sequence[str]) -> np.ndarray:
        """Say which rows are still to be computed.

        Args:
            digests: The SHA-256 of photos, in hexadecimal.

        Returns:
            The positions in `digests` of those that are not kept, ascending, each photo once.

        Raises:
            CacheError: When the disk fails.
        """
        wanted: dict[bytes, int] = {}
        for position, one in enumerate(_ids(digests)):
            wanted.setdefault(one, position)
        self._mark_used()
        for segment in self._segments():
            for one in segment.ids():
                wanted.pop(one, None)
            if not wanted:
                break
        return np.array(list(wanted.values()), dtype=np.int64)

    def write(self, digests: Sequence[str], rows: np.ndarray) -> None:
        """Keep rows, all of them or none, in a file of their own.

        A file should hold some megabytes: as many as there are stay open while a reader reads.

        Args:
            digests: The SHA-256 of their photos, in hexadecimal.
            rows: `(len(digests), *shape)`, of the shelf's type.

        Raises:
            CacheError: When the disk is full or the place cannot be written to. Nothing is left
                half-written.
        """
        ids = _ids(digests)
        if rows.shape != (len(ids), *self.shape) or rows.dtype != self.dtype:
            raise ValueError(
                f"Expected {(len(ids), *self.shape)} of {self.dtype}. "
                f"Received: rows of {rows.shape} and {rows.dtype}"
            )
        if not ids:
            return
        try:
            self._add(ids, rows)
        except OSError as error:
            with suppress(OSError):
                self.folder.rmdir()  # only if this made it; others leave it not empty
            clear = str(atomic.in_clear_words(error, self.folder)).partition(" Received: ")[0]
            raise CacheError(
                f"{clear} The environment variable TLEARN_CACHE names another cache folder, "
                "TLEARN_CACHE_SIZE says how much may be kept, and `tlearn cache --clear features` "
                f"makes room. Received: folder={str(self.folder.parent)!r}"
            ) from error

    def reader(self, digests: Sequence[str]) -> Reader:
        """Open the rows of photos.

        Args:
            digests: The SHA-256 of photos, in hexadecimal; one may stand there more than once.

        Returns:
            A reader whose rows are in the order of `digests`.

        Raises:
            CacheError: When the row of a photo is not kept, or the disk fails.
        """
        ids = _ids(digests)
        lacking = set(ids)
        found: dict[bytes, tuple[int, int]] = {}
        opened: list[Segment] = []
        self._mark_used()
        for segment in self._segments() if lacking else ():
            here = {one: row for row, one in enumerate(segment.ids()) if one in lacking}
            if here:
                found.update((one, (len(opened), row)) for one, row in here.items())
                opened.append(segment)
                lacking -= here.keys()
            if not lacking:
                break
        if lacking:
            raise CacheError(
                f"The features of {len(lacking):,} photos are not kept, or no longer. Start again; "
                f"they are computed anew. Received: folder={str(self.folder)!r}"
            )
        places = np.array([found[one] for one in ids], dtype=np.int64).reshape(-1, 2)
        return Reader(opened, places[:, 0], places[:, 1], self.shape, self.dtype)

    def _segments(self) -> Iterator[Segment]:
        """All that can be used; what is damaged is removed, so that it is computed again."""
        try:
            for path in segments.paths(self.folder):
                try:
                    segment = Segment(path)
                except DamagedSegment:
                    atomic.remove(path)
                except (FileNotFoundError, PermissionError):
                    continue
                else:
                    if (segment.shape, segment.dtype) == (self.shape, self.dtype):
                        yield segment
                    else:
                        atomic.remove(path)
        except OSError as error:
            raise CacheError(
                f"The kept features cannot be read: {error.strerror}. The environment variable "
                f"TLEARN_CACHE names another cache folder. Received: folder={str(self.folder)!r}"
            ) from error

    def _add(self, ids: Sequence[bytes], rows: np.ndarray) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                segments.remove_leftovers(self.folder)
                segments.write(self.folder, ids, rows)
                if not (self.folder / ABOUT).exists():
                    text = json.dumps(self.about, default=str)
                    segments.write_whole(self.folder / ABOUT, [text.encode("ascii")])
                self._mark_used()
                return
            except FileNotFoundError:  # another process has just removed the shelf
                if attempt == _TRIES:
                    raise

    def _mark_used(self) -> None:
        with suppress(OSError):  # not there yet, or read-only
            (self.folder / USED).touch()


def _ids(digests: Sequence[str]) -> list[bytes]:
    """The digests as the bytes that they stand for."""
    wrong: object
    try:
        ids = [bytes.fromhex(one) for one in digests]
        wrong = next((one for one, id in zip(digests, ids, strict=True) if len(id) != 32), None)
    except (TypeError, ValueError) as error:
        wrong = error
    if wrong is not None:
        raise ValueError(f"A photo's digest is a SHA-256 in hexadecimal. Received: {wrong!r}")
    return ids
