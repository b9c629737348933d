"""In which folder, and under which name, a photo is put when photos are sorted by their answers."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tlearn.files import atomic
from tlearn.prediction.urls import is_url

__all__ = ["Names", "UNLIKE", "UNSURE", "folder_of", "named"]

UNSURE = "unsure"
UNLIKE = "unlike"

_OURS = {UNSURE, UNLIKE}
_WINDOWS = {"con", "prn", "aux", "nul", *(f"{one}{n}" for one in ("com", "lpt") for n in range(10))}
_MOST_BYTES = 200


def folder_of(label: str, *, unsure: bool, unlike: bool) -> str:
    """The folder for a photo.

    Args:
        label: The likeliest class.
        unsure: Whether the answer is unsure.
        unlike: Whether the photo is unlike anything in training; the answer then means little.

    Returns:
        `"unlike"`, `"unsure"` or the class. A class whose name is one of these, or no name that every
        system gives a folder, gets one that resembles it, with a mark of its own behind.
    """
    if unlike:
        return UNLIKE
    if unsure:
        return UNSURE
    safe = "".join("_" if one in '/\\:*?"<>|' or not one.isprintable() else one for one in label)
    safe = safe.strip(" .")
    plain = safe.casefold().partition(".")[0] not in _WINDOWS and safe.casefold() not in _OURS
    if safe == label and plain and 0 < len(label.encode()) <= _MOST_BYTES:
        return label
    cut = safe.encode("utf-8", "replace")[: _MOST_BYTES - 10].decode("utf-8", "ignore")
    return f"{cut or 'class'}-{_mark(label)}"


def named(place: str) -> str:
    """The name of a photo's file, of a path or of a URL, whose query is no part of it."""
    if is_url(place):
        place = place.partition("://")[2].partition("?")[0].rstrip("/")
    return place.replace("\\", "/").rpartition("/")[2] or "photo"


class Names:
    """Names that are given to photos, each once in a folder; on the disk, since there may be millions.

    Args:
        disk: An open data base.
    """

    def __init__(self, disk: sqlite3.Connection) -> None:
        self._disk = disk
        disk.execute("CREATE TABLE names (name TEXT PRIMARY KEY) WITHOUT ROWID")

    @classmethod
    @contextmanager
    def beside(cls, folder: Path) -> Iterator[Names]:
        """Names kept in a file beside `folder` while the block runs."""
        file = atomic.hidden_sibling(folder)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(file, isolation_level=None)) as disk:
                disk.execute("PRAGMA journal_mode = OFF")
                disk.execute("PRAGMA synchronous = OFF")
                yield cls(disk)
        finally:
            atomic.remove(file)

    def choices(self, folder: str, place: str) -> Iterator[str]:
        """Names for a photo, the best first: its own, unless another photo has it, then marked ones.

        Args:
            folder: Where it is to be put.
            place: Where it lies. The same photos in the same order get the same names.

        Returns:
            An endless iterator of names, none of which was given to another photo.
        """
        name = named(place)
        stem, dot, suffix = name.rpartition(".")
        if not stem:
            stem, dot, suffix = name, "", ""
        number = 0
        while True:
            mark = "" if number == 0 else f"-{_mark(place)}" + ("" if number == 1 else f"-{number}")
            cut = stem.encode("utf-8", "surrogateescape")[
                : 240 - len(suffix.encode("utf-8", "replace"))
            ]
            fitting = cut.decode("utf-8", "surrogateescape") if number else stem
            choice = f"{fitting}{mark}{dot}{suffix}"
            if self._is_free(f"{folder}/{choice}"):
                yield choice
            number += 1

    def _is_free(self, name: str) -> bool:
        # Many disks take `A.jpg` and `a.jpg` for one.
        key = name.casefold().encode("utf-8", "surrogateescape").hex()
        done = self._disk.execute("INSERT OR IGNORE INTO names VALUES (?)", (key,))
        return done.rowcount == 1


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
