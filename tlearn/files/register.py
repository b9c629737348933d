"""What has been found out about photos, kept in the cache folder so that it is found out once.

One SQLite file of plain values by their keys. It is a convenience: where it cannot be read or written
(a full disk, a read-only place, another process that holds it for too long) everything is found
out anew, and one that is damaged is taken away and begun again. Several processes may use it at
once. It may be removed at any time.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from tlearn.files import cache, disk_use

__all__ = ["directory", "forget", "recall", "remember", "remember_first"]

_FILE = "register.sqlite"
_SECONDS_TO_WAIT = 10.0
# SQLite takes at least 999 variables in one statement.
_AT_ONCE = 500
_TABLE = (
    "CREATE TABLE IF NOT EXISTS kept (kind TEXT, key TEXT, value BLOB, PRIMARY KEY (kind, key))"
)


def directory() -> Path:
    """The folder of the register, inside the cache folder. It need not exist yet."""
    return cache.directory() / "register"


def recall(kind: str, keys: Sequence[str]) -> dict[str, bytes]:
    """Read values.

    Args:
        kind: What they say; it names the version of what wrote them too.
        keys: The keys.

    Returns:
        From a key to its value, of those that are known.
    """
    found: dict[str, bytes] = {}

    def read(register: sqlite3.Connection) -> None:
        for some in _in_parts(keys):
            marks = ",".join("?" * len(some))
            rows = register.execute(
                f"SELECT key, value FROM kept WHERE kind = ? AND key IN ({marks})", [kind, *some]
            )
            found.update((key, payload) for key, value in rows if (payload := _opened(value)))

    if (directory() / _FILE).is_file():
        _with_register(read)
    return found


def remember(kind: str, values: Mapping[str, bytes]) -> None:
    """Write values, in place of those that are there.

    Args:
        kind: As for `recall`.
        values: From a key to its value, which is not empty.
    """
    _write("INSERT OR REPLACE", kind, values)


def remember_first(kind: str, values: Mapping[str, bytes]) -> None:
    """Write only values whose keys are not known yet.

    Args:
        kind: As for `recall`.
        values: From a key to its value, which is not empty.
    """
    _write("INSERT OR IGNORE", kind, values)


def forget() -> None:
    """Take all of it away."""
    if directory().is_dir():
        disk_use.empty(directory())


def _write(how: str, kind: str, values: Mapping[str, bytes]) -> None:
    if not values:
        return

    def write(register: sqlite3.Connection) -> None:
        register.executemany(
            f"{how} INTO kept VALUES (?, ?, ?)",
            ((kind, key, _sealed(value)) for key, value in values.items()),
        )

    _with_register(write)


def _with_register(work: Callable[[sqlite3.Connection], None]) -> None:
    """Do work on the open file; what SQLite has to complain of ends it, and no more."""
    try:
        directory().mkdir(parents=True, exist_ok=True)
        path = directory() / _FILE
        with closing(sqlite3.connect(path, timeout=_SECONDS_TO_WAIT)) as register, register:
            register.execute(_TABLE)
            work(register)
    except (OSError, sqlite3.OperationalError, UnicodeEncodeError):
        # The place is not writable, the disk is full, or another process is slow.
        return
    except sqlite3.DatabaseError:
        forget()


def _sealed(value: bytes) -> bytes:
    # SQLite would give back a value that a disk has changed without a word.
    return zlib.crc32(value).to_bytes(4, "big") + value


def _opened(value: object) -> bytes | None:
    if not isinstance(value, bytes) or value[:4] != zlib.crc32(value[4:]).to_bytes(4, "big"):
        return None
    return value[4:]


def _in_parts(keys: Iterable[str]) -> Iterator[list[str]]:
    every = list(keys)
    for at in range(0, len(every), _AT_ONCE):
        yield every[at : at + _AT_ONCE]
