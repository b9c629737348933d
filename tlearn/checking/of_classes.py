"""Findings about what is missing: files that cannot be used, classes with too few photos."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from pathlib import PurePath

import pandas as pd

from tlearn.checking.finding import Finding
from tlearn.datasets.dataset import short_list
from tlearn.files.tables import printable

__all__ = ["of_classes", "of_files"]

# With the usual shares three photos to test on: an interval of half the scale.
_FEW = 20
# From here on a model that never names the small class loses less than it seems.
_UNEQUAL = 10


def of_files(unreadable: pd.DataFrame, left_out: pd.DataFrame) -> list[Finding]:
    """Findings about files that are no use as they are.

    Args:
        unreadable: Files that stand in a class; columns `path`, `reason`.
        left_out: Files and folders that stand in none; columns `path`, `reason`.

    Returns:
        `unreadable`, `not-a-photo` and `left-out`, without those that there are none of.
    """
    named = [_named_like_a_photo(path) for path in unreadable["path"]]
    foreign = [
        not photo and reason.startswith("not an image")
        for photo, reason in zip(named, unreadable["reason"], strict=True)
    ]
    mask = pd.Series(foreign, index=unreadable.index, dtype=bool)
    return [
        Finding(
            kind,
            tuple((path,) for path in rows["path"]),
            _commonest(rows["reason"]),
            notes=tuple(rows["reason"]),
        )
        for kind, rows in (
            ("unreadable", unreadable[~mask]),
            ("not-a-photo", unreadable[mask]),
            ("left-out", left_out),
        )
        if len(rows)
    ]


def of_classes(labels: Sequence[str], class_names: Sequence[str]) -> list[Finding]:
    """Findings about the number of photos of each class.

    Args:
        labels: The class of each photo that can be read.
        class_names: All classes, also those without a photo.

    Returns:
        `class-name`, `no-photos`, `one-class`, `empty-class`, `small-class` and `imbalance`, as far
        as they are so.
    """
    odd = [name for name in class_names if len(name.splitlines()) != 1 or printable(name) != name]
    found = []
    if odd:
        found.append(Finding("class-name", (), short_list(map(ascii, odd)), count=len(odd)))
    if not len(labels):
        return [*found, Finding("no-photos", (), "no photo can be read in any class", count=1)]
    counts = pd.Series(list(labels), dtype=object).value_counts()
    if len(class_names) == 1:
        found.append(Finding("one-class", (), f"all photos are {class_names[0]}", count=1))
    empty = [name for name in class_names if name not in counts]
    if empty:
        found.append(Finding("empty-class", (), short_list(empty, 10), count=len(empty)))
    few = [f"{name} ({counts[name]})" for name in class_names if 0 < counts.get(name, 0) < _FEW]
    if few:
        about = f"fewer than {_FEW} photos: {short_list(few, 10)}"
        found.append(Finding("small-class", (), about, count=len(few)))
    most, fewest = counts.iloc[0], counts.iloc[-1]
    if most >= _UNEQUAL * fewest:
        about = (
            f"{counts.index[0]} has {most:,} photos, {counts.index[-1]} {fewest:,}: "
            f"{most / fewest:.0f} times as many"
        )
        small = int((counts * _UNEQUAL <= most).sum())
        found.append(Finding("imbalance", (), about, count=small))
    return found


def _named_like_a_photo(path: str) -> bool:
    kind, _ = mimetypes.guess_type(PurePath(path).name)
    return (kind or "").startswith("image/") or PurePath(path).suffix.lower() in {".heic", ".jxl"}


def _commonest(reasons: pd.Series) -> str:
    counts = reasons.value_counts()
    return short_list((f"{reason} ({count:,})" for reason, count in counts.items()), 3)
