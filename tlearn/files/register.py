"""What was found out about files, remembered in the cache folder by what they hold.

One SQLite file, which several processes may use at once. It may be removed at any time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from tlearn.files import cache

__all__ = ["Register", "directory"]

_PART = 500
_TABLE = """
CREATE TABLE IF NOT EXISTS seen (
    digest TEXT PRIMARY KEY, first REAL NOT NULL, kind TEXT NOT NULL, facts TEXT, picture BLOB
) WITHOUT ROWID
"""


def directory() -> Path:
    """The folder that the register lies in."""
    return cache.directory() / "looks"


class Register:
    """Facts and a small picture of each photo, by its digest, and when it was first seen.

    Where the cache folder cannot be written to, nothing is remembered, and nothing fails.

    Args:
        kind: Changes when the same photo would get other facts: then they are found anew, but not
            when it was first seen.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._path = directory() / "photos.sqlite"

    def read(self, digests: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
        """What is known of photos.

        Args:
            digests: The SHA-256 of photos, in hexadecimal.

        Yields:
            `(digest, facts, picture)` of those that are known, in no order.
        """
        wanted = "SELECT digest, facts, picture FROM seen WHERE kind = ? AND digest IN"
        for part in self._asked(wanted, (self._kind,), digests):
            yield from part

    def first_seen(self, digests: Sequence[str]) -> dict[str, float]:
        """When photos were first seen here.

        Args:
            digests: The SHA-256 of photos, in hexadecimal.

        Returns:
            Seconds since 1970; without those that were not.
        """
        parts = self._asked("SELECT digest, first FROM seen WHERE digest IN", (), digests)
        return {digest: first for part in parts for digest, first in part}

    def write(self, found: Iterable[tuple[str, str, bytes]], *, at: float) -> None:
        """Remember photos.

        Args:
            found: `(digest, facts, picture)` of each.
            at: When they were seen, in seconds since 1970, if they were not seen before.
        """
        rows = [(digest, at, self._kind, facts, picture) for digest, facts, picture in found]
        for attempt in range(2):
            try:
                with closing(self._open()) as database, database:
                    database.executemany(
                        "INSERT INTO seen VALUES (?, ?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE "
                        "SET kind = excluded.kind, facts = excluded.facts, "
                        "picture = excluded.picture",
                        rows,
                    )
                return
            except sqlite3.OperationalError:  # no room, no permission, or another one writes
                return
            except sqlite3.DatabaseError:  # damaged: it is made anew, once
                if attempt == 0:
                    self._forget()
            except OSError:
                return

    def _asked(
        self, question: str, given: tuple[str, ...], digests: Sequence[str]
    ) -> Iterator[list[tuple]]:
        if not self._path.is_file():
            return
        try:
            with closing(self._open()) as database:
                for start in range(0, len(digests), _PART):
                    part = digests[start : start + _PART]
                    marks = ", ".join("?" * len(part))
                    yield database.execute(f"{question} ({marks})", (*given, *part)).fetchall()
        except (sqlite3.Error, OSError):
            return

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(self._path, timeout=30)
        database.execute(_TABLE)
        return database

    def _forget(self) -> None:
        with suppress(OSError):
            self._path.unlink()
