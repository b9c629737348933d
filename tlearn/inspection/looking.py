"""All photos of a data set looked at, once: a table, and a small picture of each."""

from __future__ import annotations

import datetime
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tlearn import processors
from tlearn.files import register
from tlearn.inspection import measuring
from tlearn.inspection.measuring import COLUMNS, SIDE
from tlearn.progress import SILENT, Progress

__all__ = ["Looks", "look"]

Array = np.ndarray[Any, Any]

# Counts up when the same photo would get other values.
_KIND = "look 1"
_SEEN = "first seen"
# Photos between two visits to the register: what is lost when the process is killed.
_AT_ONCE = 2000
_MOST_IN_MEMORY = 20_000


@dataclass(frozen=True)
class Looks:
    """What photos are like.

    Args:
        table: One row per photo, in the given order. Columns: `path`, `digest`, and

            - `format` (str): by content: `"jpeg"`, `"png"`; `suffix_fits` (bool): the name says so, too
            - `bytes` (int), `width`, `height` (int, upright), `aspect_ratio` (width by height)
            - `brightness` (mean, 0 to 1), `contrast` (standard deviation, 0 to 0.5)
            - `sharpness`: variance of the Laplacian where the longer side has 256 pixels
              (Pech-Pacheco et al. 2000); below 50 most photos look blurred
            - `colourfulness`: 0 for grey, above 60 for vivid (Hasler and Suesstrunk 2003)
            - `border`: how bright the outermost pixels are, 0 to 1
            - `orientation` (EXIF, 1 to 8), `taken` (datetime), `camera` (str); `None` where not told
            - `hash`: a perceptual hash, 16 hexadecimal digits
            - `first_seen`: when a photo of these bytes was first looked at here, seconds since 1970; 0 where that cannot be remembered

            What could not be looked at has `None` in all of them.
        grey: uint8 `(photos, 64, 64)`: each photo upright, grey, stretched to a square; zeros where
            it could not be looked at.
    """

    table: pd.DataFrame
    grey: Array


def look(examples: pd.DataFrame, *, progress: Progress = SILENT) -> Looks:
    """Look at photos; those that were looked at before are only looked up.

    Args:
        examples: Columns `path` and `digest`.
        progress: Who watches.

    Returns:
        What they are like. A small picture of each, 4 kB, is in memory, of more than 20,000 in a file
        without a name.

    Example:

    ```python
    data = tlearn.datasets.load("my_photos/")
    looks = inspection.look(data.examples)
    looks.table.groupby(data.examples["label"])["brightness"].mean()
    ```
    """
    digests = [str(digest) for digest in examples["digest"]]
    paths = dict(zip(digests, examples["path"], strict=True))
    place = {digest: number for number, digest in enumerate(paths)}
    facts: list[dict[str, Any]] = [{} for _ in place]
    grey = _room(len(place))
    register.remember_first(_SEEN, dict.fromkeys(place, str(time.time()).encode()))
    for part in _parts(list(place)):
        for digest, value in register.recall(_KIND, part).items():
            facts[place[digest]], grey[place[digest]] = _unpacked(value)
    todo = [digest for digest in place if not facts[place[digest]]]
    for fresh in _looked_at(todo, paths, progress):
        for digest, value in fresh.items():
            facts[place[digest]], grey[place[digest]] = _unpacked(value)
    first = {digest: float(value) for digest, value in register.recall(_SEEN, list(place)).items()}
    rows = [place[digest] for digest in digests]
    ordered = grey if rows == list(range(len(place))) else grey[rows]
    return Looks(_table(examples, [facts[row] for row in rows], first), ordered)


def _looked_at(
    digests: Sequence[str], paths: Mapping[str, str], progress: Progress
) -> Iterator[dict[str, bytes]]:
    """What is found of photos that are not known yet, some at a time; it is remembered."""
    if not digests:
        return
    with progress.task("Looking at photos", total=len(digests)) as task:
        for part in _parts(digests):
            fresh: dict[str, bytes] = {}
            for job in processors.in_threads(lambda one: (one, _try(paths[one])), part):
                task.advance(len(job))
                fresh |= {one: _packed(found) for one, found in job if found is not None}
            register.remember(_KIND, fresh)
            yield fresh


def _room(photos: int) -> Array:
    """Room for the small pictures; of many it is on the disk, so that memory is not filled."""
    shape = (photos, SIDE, SIDE)
    if photos <= _MOST_IN_MEMORY:
        return np.zeros(shape, np.uint8)
    with tempfile.TemporaryFile() as file:  # it lasts as long as the array
        return np.memmap(file, np.uint8, "w+", shape=shape)


def _parts(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(digests), _AT_ONCE):
        yield digests[start : start + _AT_ONCE]


def _packed(found: measuring.Measured) -> bytes:
    return found.grey.tobytes() + json.dumps(found.values, default=str).encode()


def _unpacked(value: bytes) -> tuple[dict[str, Any], Array]:
    small = np.frombuffer(value, np.uint8, SIDE * SIDE).reshape(SIDE, SIDE)
    return json.loads(value[SIDE * SIDE :]), small


def _try(path: str) -> measuring.Measured | None:
    try:
        return measuring.measure(path)
    except Exception:  # Pillow raises what it likes on what it cannot read
        return None


def _table(
    examples: pd.DataFrame, facts: list[dict[str, Any]], first: dict[str, float]
) -> pd.DataFrame:
    found = pd.DataFrame(
        {name: pd.Series([one.get(name) for one in facts], dtype=object) for name in COLUMNS}
    )
    found.insert(0, "path", examples["path"].to_numpy())
    found.insert(1, "digest", examples["digest"].to_numpy())
    known = found["format"].notna()
    found["suffix_fits"] = [
        measuring.suffix_fits(path, form) if form is not None else None
        for path, form in zip(found["path"], found["format"].where(known, None), strict=True)
    ]
    found["taken"] = pd.to_datetime(
        pd.Series([_moment(one.get("taken")) for one in facts], dtype=object)
    ).astype("datetime64[us]")
    numbers = ("aspect_ratio", "brightness", "contrast", "sharpness", "colourfulness", "border")
    found = found.astype(dict.fromkeys(numbers, "float64"))
    found = found.astype(dict.fromkeys(("bytes", "width", "height", "orientation"), "Int64"))
    found["first_seen"] = [first.get(digest, 0.0) for digest in found["digest"]]
    return found


def _moment(text: str | None) -> datetime.datetime | None:
    return None if text is None else datetime.datetime.fromisoformat(text)
