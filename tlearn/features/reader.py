"""Kept features, read back: a few rows at a time, or all of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from types import TracebackType

import numpy as np

from tlearn.errors import CacheError
from tlearn.features.segments import DamagedSegment, Segment

__all__ = ["Reader"]

# The most buffers that one call of preadv takes, on every system that has it.
_MOST_BUFFERS = 1024


class Reader:
    """The kept rows of some photos, in the order of the photos. Made by `Shelf.reader`.

    It holds its files open: what another process removes in the meantime can still be read.
    Several threads may read at once.

    Args:
        segments: The files.
        files: For each photo the number of its file.
        rows: For each photo the number of its row in the file.
        shape: The shape of a row.
        dtype: The type of its numbers.

    Example:

    ```python
    with shelf.reader(digests) as reader:
        batch = reader.read(np.array([5, 3, 900]))
    ```
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        files: np.ndarray,
        rows: np.ndarray,
        shape: tuple[int, ...],
        dtype: np.dtype,
    ) -> None:
        self._segments: Sequence[Segment] | None = segments
        self._files = np.asarray(files, dtype=np.int64)
        self._row_bytes = math.prod(shape) * dtype.itemsize
        starts = np.array([one.start for one in segments], dtype=np.int64)
        rows = np.asarray(rows, dtype=np.int64)
        self._offsets = starts[self._files] + rows * self._row_bytes if len(rows) else rows
        self.shape = (len(self._files), *shape)
        self.dtype = dtype

    def __len__(self) -> int:
        return len(self._files)

    @property
    def nbytes(self) -> int:
        """What `load` would take of the memory."""
        return len(self) * self._row_bytes

    def read(self, positions: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Read the rows of some photos.

        Args:
            positions: Numbers of photos, in any order, also more than once.
            out: The array to read into, of the same shape and type as what is given back.

        Returns:
            `out`, or a new array: a row for each position, in their order.

        Raises:
            CacheError: When a file was cut short while it was in use, or the disk fails.
            IndexError: When there are not so many photos.
        """
        positions = np.asarray(positions, dtype=np.int64)
        segments = self._segments
        if segments is None:
            raise ValueError("This reader is closed. Open another with Shelf.reader.")
        files, offsets = self._files[positions], self._offsets[positions]
        out = self._checked(out, len(positions))
        if out.size == 0:
            return out
        target = out.reshape(len(out), -1).view(np.uint8)
        # In the order of the disk; rows that follow each other there are read by one call.
        order = np.lexsort((offsets, files))
        files, offsets = files[order], offsets[order]
        breaks = (np.diff(files) != 0) | (np.diff(offsets) != self._row_bytes)
        edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(order)]
        rows = order.tolist()
        for begin, end in itertools.pairwise(edges):
            segment = segments[files[begin]]
            for first in range(begin, end, _MOST_BUFFERS):
                some = rows[first : min(end, first + _MOST_BUFFERS)]
                self._fill(segment, [target[row].data for row in some], int(offsets[first]))
        return out

    def load(self) -> np.ndarray:
        """Read all rows into memory, in the order of the photos.

        Raises:
            CacheError: As `read`.
        """
        return self.read(np.arange(len(self)))

    def close(self) -> None:
        """Let the files go, once no other thread reads from them."""
        self._segments = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _checked(self, out: np.ndarray | None, count: int) -> np.ndarray:
        shape = (count, *self.shape[1:])
        if out is None:
            return np.empty(shape, self.dtype)
        if out.shape != shape or out.dtype != self.dtype or not out.flags.carray:
            raise ValueError(
                f"Features are read into a contiguous array of {shape} and {self.dtype}. "
                f"Received: out of {out.shape} and {out.dtype}"
            )
        return out

    @staticmethod
    def _fill(segment: Segment, buffers: list[memoryview], offset: int) -> None:
        try:
            segment.fill(buffers, offset)
        except (DamagedSegment, OSError) as error:
            reason = "it was cut short" if isinstance(error, DamagedSegment) else error.strerror
            raise CacheError(
                f"Kept features can no longer be read: {reason}. Start again; they are computed "
                f"anew. Received: file={str(segment.path)!r}"
            ) from error
