"""Look at every file once: its digest, the decoder it needs, or why it cannot be read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from tlearn import processors
from tlearn.datasets.dataset import table_of
from tlearn.errors import DecodeError
from tlearn.progress import SILENT, Progress

__all__ = ["scan"]

# A file is read whole, and as many at once as there are threads.
_MOST_BYTES = 1 << 30
# Enough to outweigh what handing work to a thread costs, few enough for a bar that moves.
_FILES_PER_JOB = 8

_Finding = tuple[str, str | None, str | None, str | None]


def scan(paths: Sequence[str | Path], *, progress: Progress = SILENT) -> pd.DataFrame:
    """Read and decode every file once, in a pool of threads.

    Memory holds a few files for each thread, however many there are.

    Args:
        paths: The files. They need not exist.
        progress: Told of each file that is done.

    Returns:
        One row per path, in the given order. Columns: `path` (str), `digest` (SHA-256 of the
        bytes, in hex), `decoder` (`"graph"` or `"pillow"`) and `reason` (why the file cannot be
        read, in plain words; `None` when it can). `digest` and `decoder` are `None` where
        `reason` is not.

    Example:

    ```python
    found = scan(["cat.jpg", "broken.jpg"])
    broken = found[found["reason"].notna()]
    ```
    """
    findings: list[_Finding] = []
    with progress.task("Reading photos", total=len(paths)) as task:
        for job in _in_threads([os.fspath(path) for path in paths]):
            findings += job
            task.advance(len(job))
    names = ("path", "digest", "decoder", "reason")
    columns = zip(*findings, strict=True) if findings else ((),) * len(names)
    return table_of(dict(zip(names, columns, strict=True)))


def _in_threads(paths: Sequence[str]) -> Iterator[list[_Finding]]:
    if not paths:
        return
    # Loaded by one thread before the others need it: TensorFlow, through the decoder.
    from tlearn.photos import decoding  # noqa: F401

    threads = processors.count()
    jobs = (paths[at : at + _FILES_PER_JOB] for at in range(0, len(paths), _FILES_PER_JOB))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="tlearn-scan")
    try:
        waiting: deque[Future[list[_Finding]]] = deque()
        for job in jobs:
            waiting.append(pool.submit(_look_at_all, job))
            if len(waiting) >= 4 * threads:
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _look_at_all(paths: Iterable[str]) -> list[_Finding]:
    return [_look_at(path) for path in paths]


def _look_at(path: str) -> _Finding:
    from tlearn.photos import decoding

    try:
        data = _read(path)
        decoder = decoding.check(data, decoding.route(data))
    except DecodeError as error:
        return path, None, None, str(error)
    except OSError as error:
        return path, None, None, _in_plain_words(error, path)
    except MemoryError:
        return path, None, None, "it does not fit into memory"
    except ValueError:
        return path, None, None, "no file can have such a name"
    return path, hashlib.sha256(data).hexdigest(), decoder, None


def _read(path: str) -> bytes:
    # Without this a named pipe would be waited for, for ever.
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no ordinary file"
        raise DecodeError(f"it is {kind}")
    if status.st_size > _MOST_BYTES:
        raise DecodeError(f"it is larger than {_MOST_BYTES >> 30} GiB, which no photo is")
    return Path(path).read_bytes()


def _in_plain_words(error: OSError, path: str) -> str:
    if isinstance(error, PermissionError):
        return "there is no permission to read it"
    if isinstance(error, FileNotFoundError):
        broken = Path(path).is_symlink()
        return "it is a link to a file that is not there" if broken else "there is no such file"
    return f"the system cannot read it ({error.strerror or error})"
