"""Versions of exports: counted up, whole or not there, listed.

```
exports/
└── NAME/
    ├── 1/                     finished
    └── .2.unfinished-4711/    being written, or killed while it was; servers pass over it
```
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tlearn.errors import RunError
from tlearn.files import atomic, disk_use
from tlearn.files.tables import from_csv

if TYPE_CHECKING:
    from tlearn.formats.proving import Proof

__all__ = ["ABOUT", "COLUMNS", "LABELS", "TABLE", "Version", "listed", "next_one", "table"]

_SAVED_MODEL: tuple[str, ...] = ("saved_model.pb", "fingerprint.pb", "variables", "assets")
LABELS = "labels.txt"
ABOUT = "about.json"
TABLE = "export.csv"

COLUMNS = {
    "format": "text",
    "quantization": "text",
    "file": "text",
    "photos": "whole",
    "accuracy": "number",
    "drop": "number",
    "changed": "whole",
    "max_difference": "number",
    "bytes": "whole",
    "milliseconds": "number",
    "peak_memory": "whole",
}
"""Of `export.csv`: fractions for `accuracy`, percentage points for `drop`, bytes for `peak_memory`."""


@dataclass
class Version:
    """A version that is being written.

    Attributes:
        folder: The hidden folder to write into.
        final: What it is called once it is finished; `None` before.
    """

    folder: Path
    final: Path | None = None


@contextlib.contextmanager
def next_one(place: Path) -> Iterator[Version]:
    """Write the next version, whole or not at all.

    Args:
        place: The folder that holds the versions. It and its parents are made, and removed again
            when nothing comes of it.

    Returns:
        A context manager that gives the `Version`.

    Raises:
        RunError: The disk is full, or the place cannot be written to.
    """
    made = [one for one in (place, *place.parents) if not one.exists()]
    hidden = None
    try:
        place.mkdir(parents=True, exist_ok=True)
        hidden = atomic.hidden_sibling(place / str(_last(place) + 1))
        hidden.mkdir()
        version = Version(hidden)
        yield version
        atomic.sync_tree(hidden)
        version.final = _renamed(hidden, place)
        atomic.sync(place)
    except BaseException as error:
        if hidden is not None:
            atomic.remove(hidden)
        for one in made:
            with contextlib.suppress(OSError):
                one.rmdir()  # only where it is empty
        if atomic.is_about(error, place):
            raise atomic.in_clear_words(error, place) from error
        raise


def table(proofs: Sequence[Proof], folder: Path) -> pd.DataFrame:
    """The proofs as a table.

    Args:
        proofs: What each file said.
        folder: Where the files are.

    Returns:
        A row per file, with the columns of `COLUMNS`.
    """
    rows = []
    for proof in proofs:
        name = proof.wanted.file
        parts = (name,) if name else _SAVED_MODEL
        if name.endswith(".xml"):
            parts += (Path(name).with_suffix(".bin").name,)
        rows.append(
            {
                "format": proof.wanted.format.name,
                "quantization": proof.wanted.quantization,
                "file": name or _SAVED_MODEL[0],
                "photos": proof.photos,
                "accuracy": proof.accuracy,
                "drop": proof.drop,
                "changed": proof.changed,
                "max_difference": proof.difference,
                "bytes": sum(disk_use.size_of(folder / part) for part in parts),
                "milliseconds": 1000 * proof.seconds,
                "peak_memory": proof.peak_memory,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def listed(exports: Path) -> pd.DataFrame:
    """All finished versions below a folder, the oldest first.

    Args:
        exports: The folder that holds the folders NAME.

    Returns:
        The columns `name` and `version`, then those of `COLUMNS`; no row where there is none.

    Raises:
        RunError: A table in it cannot be read.
    """
    found = []
    for place in sorted(exports.iterdir()) if exports.is_dir() else ():
        for number in _numbers(place):
            file = place / str(number) / TABLE
            if not file.is_file():
                continue
            try:
                rows = from_csv(file, COLUMNS)
            except (OSError, ValueError) as error:
                raise RunError(
                    f"The table of an export cannot be read: {error}. Expected the one that "
                    f"`tlearn export` wrote; export again. Received: file={str(file)!r}"
                ) from error
            rows.insert(0, "version", number)
            rows.insert(0, "name", place.name)
            found.append(rows)
    if not found:
        return pd.DataFrame(columns=["name", "version", *COLUMNS])
    return pd.concat(found, ignore_index=True)


def _numbers(place: Path) -> list[int]:
    if not place.is_dir():
        return []
    return sorted(int(one.name) for one in place.iterdir() if one.name.isdecimal())


def _last(place: Path) -> int:
    return max(_numbers(place), default=0)


def _renamed(hidden: Path, place: Path) -> Path:
    """Give it the next free number; another process may have taken the one that was free."""
    while True:
        final = place / str(_last(place) + 1)
        try:
            hidden.rename(final)
            return final
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
