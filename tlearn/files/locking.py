"""A folder that one process at a time may change."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlearn.files import atomic

__all__ = ["InUse", "locked"]


class InUse(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold a lock; the system gives it back when the process ends, however it ends.

    Args:
        path: The lock's file. It is made with its parent folders, and stays.

    Returns:
        A context manager that holds the lock until it is left.

    Raises:
        InUse: Another process holds it.
        RunError: The place cannot be written to.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise atomic.in_clear_words(error, path) from error
    try:
        try:
            _lock(descriptor)
        except OSError as error:
            raise InUse(str(path)) from error
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":

    def _lock(descriptor: int) -> None:
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:

    def _lock(descriptor: int) -> None:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
