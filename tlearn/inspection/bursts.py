"""Photos of one moment: taken by one camera within seconds, or numbered as a series in their names."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from tlearn.inspection import overlay
from tlearn.inspection.looking import Looks

__all__ = ["LONGEST", "bursts"]

Array = np.ndarray[Any, Any]

_SECONDS = 3.0
# Of the small grey pictures. Photos of one moment share most of what is in them.
_ALIKE = 0.8
# A longer row is not one moment: a camera on a stand that takes all photos of a set.
LONGEST = 50
# A camera's own count (IMG_0012) says nothing: each photo has one.
_SERIES = re.compile(
    r"^(?P<stem>.*?(?:burst|frame|vlcsnap)[-_ ]?|.+ \()(?P<number>\d+)\)?(?:_cover)?$",
    re.IGNORECASE,
)


def bursts(looks: Looks) -> pd.DataFrame:
    """Find photos of one moment.

    Two photos are of one moment when their small pictures are alike (a correlation of 0.8) and

    - one camera took them within 3 seconds of each other, by their EXIF, or
    - their names in one folder are neighbours in a series: `..._BURST001` and `..._BURST002`,
      `frame_0001` and `frame_0002`, `photo (1)` and `photo (2)`.

    More than 50 in a row are none: there a camera stood still while many things were taken.

    Args:
        looks: What the photos are like.

    Returns:
        One row per pair of neighbours: `first` and `second`, row numbers of `looks`, `kind`,
        `"burst"`, and `similarity`, NaN: it is not measured.
    """
    rows: list[tuple[int, int]] = []
    for row in (*_by_time(looks.table), *_by_name(looks.table)):
        near = [one for one in itertools.pairwise(row) if _alike(looks.grey, *one)]
        rows += near if len(near) < LONGEST else []
    pairs = sorted({(min(pair), max(pair)) for pair in rows})
    table = pd.DataFrame(pairs, columns=["first", "second"], dtype="int64")
    return table.assign(kind="burst", similarity=np.nan)


def _by_time(table: pd.DataFrame) -> Iterator[list[int]]:
    known = table[table["taken"].notna() & table["camera"].notna()]
    for _, photos in known.groupby("camera", sort=False):
        ordered = photos["taken"].sort_values(kind="stable")
        later = ordered.diff().dt.total_seconds() > _SECONDS
        yield from _rows(ordered.index, later.to_numpy())


def _by_name(table: pd.DataFrame) -> Iterator[list[int]]:
    series: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for row, path in enumerate(table["path"]):
        name = PurePath(path)
        if found := _SERIES.match(name.stem):
            key = (str(name.parent), found["stem"].lower())
            series.setdefault(key, []).append((int(found["number"]), row))
    for members in series.values():
        numbers, rows = zip(*sorted(members), strict=True)
        yield from _rows(rows, np.diff(numbers, prepend=numbers[0]) > 1)


def _rows(ordered: Any, begins: Array) -> Iterator[list[int]]:
    """Cut a row of photos where a new one begins."""
    parts = np.split(np.asarray(ordered, int), np.flatnonzero(begins))
    yield from (part.tolist() for part in parts if len(part) > 1)


def _alike(grey: Array, one: int, other: int) -> bool:
    first, second = overlay.unit(grey[[one, other]].reshape(2, 32, 2, 32, 2).mean((2, 4)))
    return bool((first * second).sum() >= _ALIKE)
