"""Snapshots of long work: arrays and a few facts, whole or not there; the last two are kept."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tlearn.files import atomic

__all__ = ["Snapshot", "Snapshots"]

Array = np.ndarray[Any, Any]

_KEPT = 2
_FACTS = "facts"
_PATTERN = "snapshot-*.npz"


@dataclass(frozen=True)
class Snapshot:
    """What was kept.

    Args:
        facts: What JSON can hold; numbers come back to the last bit.
        arrays: By name.
    """

    facts: dict[str, Any]
    arrays: dict[str, Array]


class Snapshots:
    """A folder of snapshots.

    Args:
        folder: It is made with the first snapshot.

    Example:

    ```python
    kept = Snapshots("night/")
    kept.save({"epoch": 3}, {"weights": weights})
    last = kept.load()
    ```
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def save(self, facts: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Keep a snapshot, then remove all but the last two.

        Args:
            facts: What JSON can hold.
            arrays: Arrays of numbers. Equal ones, such as weights that are frozen, are written once.

        Raises:
            RunError: The disk is full or the place cannot be written to. The snapshots from before
                are still there.
        """
        there = self._files()
        number = 1 + (_number(there[-1]) if there else 0)
        unique: dict[str, Array] = {}
        names: dict[str, str] = {}
        for name, values in arrays.items():
            values = np.asarray(values)
            said = f"{values.dtype.str}{values.shape}".encode()
            key = hashlib.sha256(said + np.ascontiguousarray(values).tobytes()).hexdigest()[:24]
            unique[key], names[name] = values, key
        text = json.dumps({"facts": dict(facts), "names": names})
        unique[_FACTS] = np.frombuffer(text.encode(), np.uint8)
        file = self.folder / f"snapshot-{number:08d}.npz"
        # By a stream, since numpy adds a suffix to names that it does not like.
        with atomic.replacing(file) as hidden, hidden.open("wb") as stream:
            np.savez(stream, **unique)  # type: ignore[arg-type]
        for old in self._files()[:-_KEPT]:
            atomic.remove(old)

    def load(self) -> Snapshot | None:
        """The last snapshot that is whole; `None` where there is none."""
        for file in reversed(self._files()):
            with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                with file.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
                    said = json.loads(kept[_FACTS].tobytes())
                    found = {key: kept[key] for key in set(said["names"].values())}
                arrays = {name: found[key] for name, key in said["names"].items()}
                return Snapshot(said["facts"], arrays)
        return None

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._files())

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(_PATTERN), key=_number)


def _number(file: Path) -> int:
    return int(file.stem.partition("-")[2])
