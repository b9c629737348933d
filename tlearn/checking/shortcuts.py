"""Shortcuts: what has nothing to do with a photo's content, and yet tells its class.

A network that finds such a thing learns it in place of the content, and fails on photos from
elsewhere. The test photos do not show it, since they have it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from tlearn.checking import telling
from tlearn.datasets.dataset import table_of

__all__ = ["COLUMNS", "PROPERTIES", "Property", "find"]

Array = np.ndarray[Any, Any]

COLUMNS = ("property", "class", "auc", "low", "found", "mistaken", "of_the_file", "typical")

# The area under the ROC curve from which on a property tells a class "far better than chance": of
# a photo of the class and one of another, which is which, in three of four cases. What belongs to
# the content stays below it in the photo sets that were looked at, see docs/check.md.
_TELLING = 0.75
# A value that so much of a class has, and so many times as much of it as of the others, is one
# too: what a network learns of the rest, it does not learn of these.
_OF_SOME, _TIMES = 0.2, 10
# One wrong alarm in a hundred data sets, over all that is tested in one.
_WRONG_ALARMS = 0.01
# Of fewer separate photos nothing sure can be said.
_FEWEST = 10
# Of one property; with more it is the way the data set was made.
_MOST_CLASSES = 20
# More photos than this make the numbers no surer that matter here.
_MOST = 20_000
# A value that fewer photos have is one of the rest.
_RARE = 5
# So much of what is above chance must be left at the confidence bound.
_SURE = 0.5
_UNKNOWN = "none"


@dataclass(frozen=True)
class Property:
    """Something that photos have.

    Args:
        columns: Of the table of photos.
        of_the_file: It comes from the camera or a program, and so cannot be content.
        named: Its values are names and have no order.
    """

    columns: tuple[str, ...]
    of_the_file: bool
    named: bool = False


PROPERTIES = {
    "format": Property(("format",), of_the_file=True, named=True),
    "camera": Property(("camera",), of_the_file=True, named=True),
    "orientation": Property(("orientation",), of_the_file=True, named=True),
    "date": Property(("taken",), of_the_file=True),
    "size": Property(("width", "height"), of_the_file=True),
    "bytes per pixel": Property(("bytes_per_pixel",), of_the_file=True),
    "brightness of the border": Property(("border",), of_the_file=False),
    "brightness": Property(("brightness",), of_the_file=False),
    "contrast": Property(("contrast",), of_the_file=False),
    "colourfulness": Property(("colourfulness",), of_the_file=False),
    "sharpness": Property(("sharpness",), of_the_file=False),
}


def find(
    photos: pd.DataFrame, groups: Sequence[object], *, seed: int = 0, least: float = _TELLING
) -> pd.DataFrame:
    """Find the properties that tell a class from all others.

    For each property a small decision tree, or for names the classes of each value, is fitted in
    five folds; photos of one group are in one fold, so that no copy is recognised. It is a
    shortcut where the area under the ROC curve of one class against the rest reaches `least`,
    or where a name stands for a part of one class and for next to nothing of the others; and where
    the confidence bound, corrected for the number of questions that are asked, is above chance by
    half of that.

    Args:
        photos: A row for each photo that could be read; `label`, and of the columns of
            `PROPERTIES` those that are known. Missing values are a value of their own.
        groups: For each photo what ties it to its near-duplicates and its burst, `(photos,)`.
        seed: Decides the folds.
        least: The area under the curve, 0.5 (chance) to 1.

    Returns:
        A row for each shortcut, those of the file first, the surest first. Columns: `property`;
        `class`; `auc` and its lower bound `low` (float64, 0 to 1); `found`, the share of the
        class that the property alone tells, and `mistaken`, the share of the others that it takes
        for the class (float64, 0 to 1); `of_the_file` (bool); `typical`, such as
        `"PNG: 100 % of hat, 0 % of the others"`.
    """
    codes, names = pd.factorize(photos["label"], sort=True)
    units, _ = pd.factorize(pd.Series(list(groups), dtype=object))
    photos, codes, units = _sampled(photos, codes, units, seed)
    pixels = photos["width"].astype(float) * photos["height"].astype(float)
    photos = photos.assign(bytes_per_pixel=photos["bytes"].astype(float) / pixels)
    separate = [len(np.unique(units[codes == code])) for code in range(len(names))]
    judged = [code for code, count in enumerate(separate) if count >= _FEWEST]
    if len(judged) < 2 and not (judged and len(names) > 1):
        return _table([])
    of_fold = telling.folds(codes, units, seed)
    present = {
        name: one
        for name, one in PROPERTIES.items()
        if set(one.columns) <= set(photos) and _varies(photos[list(one.columns)])
    }
    tests = max(1, len(present) * len(judged))
    reach = NormalDist().inv_cdf(1 - _WRONG_ALARMS / tests)
    rows: list[dict[str, Any]] = []
    for name, one in present.items():
        values = _values(photos, one)
        scores = telling.scores(values, codes, of_fold, len(names), named=one.named)
        left = np.ones(len(codes), bool)
        # What tells one class also tells the others from it; they count only against the rest.
        for _ in range(min(len(names) - 1, _MOST_CLASSES)):
            told = [
                found
                for code in judged
                if (found := _judged(scores, codes, units, left, code, one, reach, least))
            ]
            if not told:
                break
            best = max(told, key=lambda found: (found["auc"], -found["mistaken"]))
            is_class = codes == best.pop("code")
            label = str(names[codes[is_class][0]])
            typical = _typical(photos[left], one, is_class[left], label)
            rows.append(
                {
                    "property": name,
                    "class": label,
                    "of_the_file": one.of_the_file,
                    "typical": typical,
                    **best,
                }
            )
            left &= ~is_class
    rows.sort(key=lambda row: (not row["of_the_file"], -row["low"]))
    return _table(rows)


def _judged(
    scores: Array,
    codes: Array,
    units: Array,
    left: Array,
    code: int,
    one: Property,
    reach: float,
    least: float,
) -> dict[str, Any] | None:
    """How well a class is told from those that are left, or `None` where it is not enough."""
    is_class = codes[left] == code
    if not is_class.any() or is_class.all():
        return None
    own = scores[left, code]
    count = len(np.unique(units[left][is_class]))
    area = telling.area(own, is_class)
    low = area - reach * telling.standard_error(area, count, len(np.unique(units[left][~is_class])))
    found, mistaken = telling.best_cut(own, is_class)
    if area < least or low < 0.5 + _SURE * (area - 0.5):
        if not one.named:
            return None
        found, mistaken = telling.best_cut(own, is_class, times=_TIMES)
        # The lower end of a share, by the normal approximation.
        if found - reach * np.sqrt(found * (1 - found) / count) < _OF_SOME / 2 or found < _OF_SOME:
            return None
    return {"code": code, "auc": area, "low": low, "found": found, "mistaken": mistaken}


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = table_of({name: [row[name] for row in rows] for name in COLUMNS})
    numbers = dict.fromkeys(("auc", "low", "found", "mistaken"), "float64")
    return table.astype({**numbers, "of_the_file": "bool"})


def _sampled(
    photos: pd.DataFrame, codes: Array, units: Array, seed: int
) -> tuple[pd.DataFrame, Array, Array]:
    photos = photos.reset_index(drop=True)
    if len(photos) <= _MOST:
        return photos, codes, units
    chosen = np.sort(np.random.default_rng(seed).choice(len(photos), _MOST, replace=False))
    return photos.iloc[chosen].reset_index(drop=True), codes[chosen], units[chosen]


def _varies(columns: pd.DataFrame) -> bool:
    return len(columns.astype(object).drop_duplicates()) > 1


def _values(photos: pd.DataFrame, one: Property) -> Array:
    """float64 `(photos, columns)`, NaN where there is none; names as numbers from 0."""
    if not one.named:
        columns = [_numbers(photos[name]) for name in one.columns]
        return np.stack(columns, axis=1)
    values = photos[one.columns[0]].astype(object)
    values = values.where(values.notna(), _UNKNOWN).astype(str)
    counts = values.map(values.value_counts())
    codes, _ = pd.factorize(values.where(counts >= _RARE, "rare"))
    return codes.astype(np.float64)[:, None]


def _numbers(values: pd.Series) -> Array:
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(np.float64, na_value=np.nan)
    moments = pd.to_datetime(values, errors="coerce", format="ISO8601")
    days = (moments - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    return days.to_numpy(np.float64, na_value=np.nan)


def _typical(photos: pd.DataFrame, one: Property, is_class: Array, label: str) -> str:
    """What sets the class apart, in figures that a person can check."""
    column = photos[list(one.columns)]
    if one.named or one.columns == ("width", "height"):
        values = column.astype(object).where(column.notna(), _UNKNOWN).astype(str)
        names = values.agg("x".join, axis=1) if len(one.columns) > 1 else values.iloc[:, 0]
        inside = names[is_class].value_counts(normalize=True)
        outside = names[~is_class].value_counts(normalize=True)
        gap = inside.sub(outside, fill_value=0)
        name = gap.idxmax()
        shares = inside.get(name, 0.0), outside.get(name, 0.0)
        if gap[name] >= 0.3 or one.named:
            return f"{name}: {shares[0]:.0%} of {label}, {shares[1]:.0%} of the others".replace(
                "%", " %"
            )
        column = column[["width"]]
    values = column.iloc[:, 0]
    if not pd.api.types.is_numeric_dtype(values):
        moments = pd.to_datetime(values, errors="coerce", format="ISO8601")
        first, second = moments[is_class].median(), moments[~is_class].median()
        return f"median {_day(first)} in {label}, {_day(second)} in the others"
    first, second = values[is_class].median(), values[~is_class].median()
    return f"median {first:.3g} in {label}, {second:.3g} in the others"


def _day(moment: Any) -> str:
    return _UNKNOWN if pd.isna(moment) else f"{moment:%Y-%m-%d}"
