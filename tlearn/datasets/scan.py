"""Look at every file once: its digest, the decoder it needs, or why it cannot be read."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tlearn import processors
from tlearn.datasets.dataset import table_of
from tlearn.errors import DecodeError
from tlearn.files import register
from tlearn.hushing import hushed
from tlearn.progress import SILENT, Progress
from tlearn.version import installed

__all__ = ["scan"]

# A file is read whole, and as many at once as there are threads.
_MOST_BYTES = 1 << 30
# Files between two visits to the register: what is lost when the process is killed.
_AT_ONCE = 2000
# Two changes this close together may bear the same time on some file systems.
_NANOSECONDS_TO_SETTLE = 2_000_000_000

_Finding = tuple[str, str | None, str | None, str | None]


def scan(paths: Sequence[str | Path], *, progress: Progress = SILENT) -> pd.DataFrame:
    """Read and decode every file once, in a pool of threads.

    Memory holds a few files for each thread, however many there are. What was found of a file
    that can be read is remembered in the cache folder by its path, its size, its times and its
    inode, so that a second scan reads nothing; one that was changed in the two seconds before it was
    read, and one that could not be read, is read again.

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
    files = [os.fspath(path) for path in paths]
    with progress.task("Reading photos", total=len(files)) as task:
        for at in range(0, len(files), _AT_ONCE):
            some = files[at : at + _AT_ONCE]
            found = _remembered(some)
            unknown = [path for path in some if path not in found]
            task.advance(len(some) - len(unknown))
            if unknown:
                # Loaded by one thread before the others need it: TensorFlow, through the decoder.
                with hushed():
                    from tlearn.photos import decoding  # noqa: F401
            to_remember: dict[str, bytes] = {}
            for job in processors.in_threads(_look_at, unknown):
                task.advance(len(job))
                found |= {finding[0]: finding for finding, _ in job}
                to_remember |= {finding[0]: value for finding, value in job if value}
            register.remember(_kind(), to_remember)
            findings += [found[path] for path in some]
    names = ("path", "digest", "decoder", "reason")
    columns = zip(*findings, strict=True) if findings else ((),) * len(names)
    return table_of(dict(zip(names, columns, strict=True)))


@functools.cache
def _kind() -> str:
    """Another decoder may read other files: what one found says nothing of another."""
    versions = [str(installed(name)) for name in ("pillow", "tensorflow")]
    heic = importlib.util.find_spec("pillow_heif") is not None
    return " ".join(["file 1", *versions, "heic" if heic else ""])


def _remembered(paths: Sequence[str]) -> dict[str, _Finding]:
    """What is known of files that have not changed since."""
    found: dict[str, _Finding] = {}
    for path, value in register.recall(_kind(), paths).items():
        try:
            facts = json.loads(value)
            if facts["marks"] == _marks(Path(path).stat()):
                found[path] = (path, facts["digest"], facts["decoder"], None)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def _marks(status: os.stat_result) -> list[int]:
    """What changes with a file. Its mode and its owner change `ctime`."""
    return [
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
    ]


def _look_at(path: str) -> tuple[_Finding, bytes | None]:
    """What is found of a file, and what is to be remembered of it."""
    from tlearn.photos import decoding

    try:
        now = time.time_ns()
        before = Path(path).stat()
        data = _read(path, before)
        after = Path(path).stat()
        decoder = decoding.check(data, decoding.route(data))
    except DecodeError as error:
        return (path, None, None, str(error)), None
    except OSError as error:
        return (path, None, None, _in_plain_words(error, path)), None
    except MemoryError:
        return (path, None, None, "it does not fit into memory"), None
    except ValueError:
        return (path, None, None, "no file can have such a name"), None
    digest = hashlib.sha256(data).hexdigest()
    settled = max(before.st_mtime_ns, before.st_ctime_ns) < now - _NANOSECONDS_TO_SETTLE
    value = None
    if settled and _marks(before) == _marks(after):
        facts = {"marks": _marks(before), "digest": digest, "decoder": decoder}
        value = json.dumps(facts).encode()
    return (path, digest, decoder, None), value


def _read(path: str, status: os.stat_result) -> bytes:
    # Without this a named pipe would be waited for, for ever.
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
