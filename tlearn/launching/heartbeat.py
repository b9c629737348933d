"""A sign of life for whoever has launched this process: a file whose time is that of the last progress."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from types import TracebackType

from tlearn.progress import Progress, Task

__all__ = ["VARIABLE", "beating"]

# The environment variable that names the file.
VARIABLE = "TLEARN_HEARTBEAT"
_EVERY = 1.0


def beating(progress: Progress) -> Progress:
    """Someone who watches as before, and whose hearing of progress is seen outside.

    Args:
        progress: Who watches.

    Returns:
        `progress` itself where nobody has launched this process.
    """
    path = os.environ.get(VARIABLE)
    return _Beating(progress, _Heart(Path(path))) if path else progress


class _Heart:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = 0.0

    def beat(self) -> None:
        now = time.monotonic()
        if now - self._last >= _EVERY:
            self._last = now
            with contextlib.suppress(OSError):  # whoever launched it is gone
                os.utime(self._path)


class _Beating(Progress):
    def __init__(self, progress: Progress, heart: _Heart) -> None:
        self._progress = progress
        self._heart = heart

    def say(self, message: str) -> None:
        self._heart.beat()
        self._progress.say(message)

    def warn(self, message: str) -> None:
        self._heart.beat()
        self._progress.warn(message)

    def task(self, description: str, total: int | None = None, unit: str = "photos") -> Task:
        self._heart.beat()
        return _BeatingTask(self._progress.task(description, total, unit), self._heart)


class _BeatingTask(Task):
    def __init__(self, task: Task, heart: _Heart) -> None:
        self._task = task
        self._heart = heart

    def advance(self, steps: int = 1) -> None:
        self._heart.beat()
        self._task.advance(steps)

    def note(self, text: str) -> None:
        self._heart.beat()
        self._task.note(text)

    def __enter__(self) -> Task:
        self._task.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._heart.beat()
        self._task.__exit__(kind, error, trace)
