"""CSV and Parquet tables of photos: path, label and, if wanted, split and group."""

from __future__ import annotations

import csv
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tlearn.datasets.dataset import Listing, short_list, table_of
from tlearn.datasets.split_names import SPELLINGS, split_of
from tlearn.errors import DatasetError
from tlearn.files.names import natural_sorted

__all__ = ["SUFFIXES", "is_table", "listing", "read", "text_of"]

SUFFIXES = (".csv", ".parquet", ".pq")

_COLUMNS = ("path", "label", "split", "group")


def listing(file: Path, *, inside: Path | None = None) -> Listing:
    """List the photos that a table names.

    ```
    path,label,split,group
    photos/1.jpg,cat,train,cat-07
    photos/2.jpg,dog,test,
    ```

    Relative paths are relative to the table's folder. `split` and `group` are optional, as
    columns and as values; further columns are passed over. Labels are texts: `007` and `NA` stay
    as they are.

    Args:
        file: The table, CSV in UTF-8 or Parquet.
        inside: The folder that no path may lead out of, or `None` when any may be named.

    Returns:
        One row per photo; a row that says the same twice is taken once.

    Raises:
        DatasetError: When the table cannot be read, lacks a column or a value, or says two
            different things about one photo.

    Example:

    ```python
    listing(Path("photos.csv")).examples
    ```
    """
    table = read(file)
    missing = [name for name in ("path", "label") if name not in table]
    if missing:
        raise DatasetError(
            f"The table {file.name} has no column {' and no column '.join(map(repr, missing))}. "
            "Expected the columns path,label[,split,group], separated by commas and named in the "
            f"first line. Rename its columns. Received: columns={list(table.columns)}"
        )
    values = {name: [text_of(value) for value in table[name]] for name in _COLUMNS if name in table}
    for name in ("path", "label"):
        empty = [number for number, value in enumerate(values[name], start=1) if value is None]
        if empty:
            raise DatasetError(
                f"The table {file.name} has rows without a {name}: {short_list(map(str, empty))}, "
                "counted from 1 below the names. Expected a path and a label in every row. Fill "
                f"them in or remove the rows. Received: rows={len(table)}"
            )
    nothing: list[str | None] = [None] * len(table)
    examples = table_of(
        {
            "path": (_absolute(file, str(path)) for path in values["path"]),
            "label": (unicodedata.normalize("NFC", str(label)) for label in values["label"]),
            "split": _splits(file, values.get("split", nothing)),
            "group": values.get("group", nothing),
        }
    ).drop_duplicates(ignore_index=True)
    _refuse_contradictions(file, examples)
    if inside is not None:
        _refuse_outside(file, examples, inside)
    advice = (
        f"Relative paths in it are relative to {str(file.parent)!r}; see that the photos are there."
    )
    return Listing(file.stem, examples, tuple(natural_sorted(set(examples["label"]))), [], advice)


def is_table(file: Path) -> bool:
    """Say whether a file is a table that names photos and their labels.

    Args:
        file: Any file.

    Returns:
        True when its suffix is one of `SUFFIXES` and it has the columns `path` and `label`.
    """
    if file.suffix.lower() not in SUFFIXES:
        return False
    try:
        return {"path", "label"} <= set(read(file))
    except DatasetError:
        return False


def read(
    file: Path, columns: Sequence[str] = _COLUMNS, *, layout: str = "path,label[,split,group]"
) -> pd.DataFrame:
    """Read a table as it is written, in which nothing is guessed.

    Args:
        file: CSV in UTF-8, or Parquet.
        columns: Those that count, each of which may be there once.
        layout: The columns as a message names them.

    Returns:
        All its columns, their names in lower case; of a CSV all values are texts. Read them by
        `text_of`.

    Raises:
        DatasetError: It cannot be read, or has a column twice.
    """
    try:
        table = _read_csv(file) if file.suffix.lower() == ".csv" else pd.read_parquet(file)
    except Exception as error:  # pyarrow raises nearly anything for a damaged file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DatasetError(
            f"The table {file.name} cannot be read: {reason}. Expected a CSV in UTF-8, separated "
            f"by commas, or a Parquet file, with the columns {layout}. Save it as one of these. "
            f"Received: source={str(file)!r}"
        ) from error
    table.columns = pd.Index([str(name).strip().casefold() for name in table.columns])
    twice = [name for name in columns if list(table.columns).count(name) > 1]
    if twice:
        raise DatasetError(
            f"The table {file.name} has more than one column {twice[0]!r}. Expected one. Remove or "
            f"rename the others. Received: columns={list(table.columns)}"
        )
    return table


def _read_csv(file: Path) -> pd.DataFrame:
    # pandas would guess: "007" a number, "NA" nothing, a comma too many an index.
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, strict=True, skipinitialspace=True)
        names = next(reader, [])
        rows = []
        for row in reader:
            if row and len(row) != len(names):
                raise ValueError(
                    f"line {reader.line_num} has {len(row)} values and the first line has "
                    f"{len(names)}; a value that holds a comma must stand in double quotes"
                )
            if row:
                rows.append(row)
    return pd.DataFrame(rows, columns=pd.Index(names, dtype=object), dtype=object)


def text_of(value: object) -> str | None:
    """A value of a table as text.

    Args:
        value: Whatever the table holds.

    Returns:
        Its text without space at the ends; `None` where there is none.
    """
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    # A column of whole numbers with a gap comes back as floating point.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def _absolute(file: Path, path: str) -> str:
    full = file.parent / os.path.expanduser(path)  # noqa: PTH111 - "~x.jpg" may be a name
    if "\\" in path and os.sep == "/" and not full.exists():
        full = file.parent / path.replace("\\", "/")  # written on Windows
    return os.path.abspath(full)  # noqa: PTH100 - a link stays the file that the table names


def _splits(file: Path, values: list[str | None]) -> list[str | None]:
    known = {value: split_of(value) for value in set(values) if value is not None}
    unknown = natural_sorted(value for value, split in known.items() if split is None)
    if unknown:
        spellings = "; ".join(", ".join(names) for names in SPELLINGS.values())
        raise DatasetError(
            f"The table {file.name} names splits that tlearn does not know: "
            f"{short_list(map(repr, unknown))}. Expected one of: {spellings}; or nothing, where "
            f"tlearn is to decide. Rename them. Received: split={unknown[0]!r}"
        )
    return [None if value is None else known[value] for value in values]


def _refuse_contradictions(file: Path, examples: pd.DataFrame) -> None:
    again = examples[examples["path"].duplicated(keep=False)]
    if again.empty:
        return
    path, rows = next(iter(again.groupby("path", sort=False)))
    at_odds = next(name for name in ("label", "split", "group") if len(set(rows[name])) > 1)
    said = " and ".join(repr(value) for value in dict.fromkeys(rows[at_odds]))
    raise DatasetError(
        f"The table {file.name} says two things about {again['path'].nunique()} of its photos: "
        f"{path} has the {at_odds} {said}. Expected each photo once. Keep the row that is right. "
        f"Received: path={path!r}"
    )


def _refuse_outside(file: Path, examples: pd.DataFrame, inside: Path) -> None:
    outside = [path for path in examples["path"] if not Path(path).is_relative_to(inside)]
    if outside:
        raise DatasetError(
            f"The table {file.name} in the archive names files outside of it: "
            f"{short_list(outside, 3)}. Expected paths relative to the table, inside the archive. "
            f"Mend the table and pack the archive again. Received: path={outside[0]!r}"
        )
