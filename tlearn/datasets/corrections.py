"""Labels that a person has mended: a table is applied to a data set, and no file is touched."""

from __future__ import annotations

import dataclasses
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import pandas as pd

from tlearn.datasets import tables
from tlearn.datasets.dataset import Dataset, in_order, short_list, table_of
from tlearn.errors import DatasetError
from tlearn.files.names import natural_sorted
from tlearn.progress import SILENT, Progress

__all__ = ["ACTIONS", "corrected"]

ACTIONS = ("relabel", "remove", "keep")

_COLUMNS = ("path", "label", "digest", "action")
_LAYOUT = "path,label[,digest,action]"


@dataclass(frozen=True)
class _Row:
    """One line of the table; `label` is `None` unless it relabels."""

    number: int
    path: str
    label: str | None
    digest: str | None
    action: str


def corrected(dataset: Dataset, file: str | Path, *, progress: Progress = SILENT) -> Dataset:
    """Apply a table of corrections to a data set.

    ```
    path,label,digest,action
    pants/17.jpg,skirt,,relabel
    shirts/3.jpg,,9f86d0...,remove
    hats/8.jpg,hat,,keep
    ```

    `path` is absolute, or relative to the data set's folder, or to the table's. With a `digest`
    (SHA-256 of the photo's bytes, in hex) the content counts: the photo is found where it has
    moved to, and another photo at the old path is left as it is. Without an `action` a row
    relabels. A photo that is kept has been looked at and is right.

    Args:
        dataset: The photos, not yet divided.
        file: The table, CSV in UTF-8 or Parquet. Further columns are passed over.
        progress: Warned of the rows whose photos are not in the data set.

    Returns:
        The data set with a column `given_label` more in `examples`: what the data set itself says
        of a photo that has a row, whether it is another label or the same, else `None`. Removed
        photos stand in `skipped`. `corrections` says what was done: `file`, and the numbers of
        photos `relabelled`, `kept`, `removed`, and of rows `missing`, whose photos are not there.

    Raises:
        DatasetError: The table cannot be read, lacks a column or a value, names a class that is
            not there or an action that is none, says two things of one photo, names no photo of
            the data set at all, or leaves a class without photos.
    """
    file = Path(file)
    rows = _rows(file, dataset.class_names)
    photos = _Photos(dataset, file)
    found = [photos.of(row) for row in rows]
    missing = [row for row, places in zip(rows, found, strict=True) if not places]
    if rows and len(missing) == len(rows):
        raise DatasetError(
            f"Not one of the {len(rows)} photos that {file.name} corrects is in the data set, such "
            f"as {rows[0].path}. Expected paths that are absolute, or relative to the data set's "
            "folder or to the table's. Write them so, or give the data set they belong to. "
            f"Received: dataset={dataset.source!r}"
        )
    if missing:
        progress.warn(
            f"Corrections of photos that are not in the data set, or whose bytes have changed "
            f"({len(missing)} of {len(rows)} in {file.name}): "
            f"{short_list(row.path for row in missing)}"
        )
    decided = _decided(file, rows, found, list(dataset.examples["path"]))
    examples = dataset.examples
    labels, given = list(examples["label"]), [None] * len(examples)
    for place, row in decided.items():
        given[place] = labels[place]
        labels[place] = row.label if row.label is not None else labels[place]
    removed = [place for place, row in decided.items() if row.action == "remove"]
    mended = examples.assign(
        label=pd.Series(labels, index=examples.index, dtype=object),
        given_label=pd.Series(given, index=examples.index, dtype=object),
    )
    changed = sum(labels[at] != given[at] for at in decided)
    left = mended.drop(index=mended.index[removed])
    _refuse_empty_classes(file, dataset, left)
    gone = table_of(
        {
            "path": examples["path"].iloc[removed],
            "reason": [f"removed by {file.name}"] * len(removed),
        }
    )
    return dataclasses.replace(
        dataset,
        examples=in_order(left, dataset.class_names),
        skipped=pd.concat([dataset.skipped, gone], ignore_index=True),
        corrections={
            "file": os.fspath(file),
            "relabelled": changed,
            "kept": len(decided) - changed - len(removed),
            "removed": len(removed),
            "missing": len(missing),
        },
    )


def _rows(file: Path, class_names: Sequence[str]) -> list[_Row]:
    if not file.is_file():
        raise DatasetError(
            f"There is no table of corrections {str(file)!r}. Expected a CSV or Parquet file with "
            f"the columns {_LAYOUT}. Check its path. Received: corrections={str(file)!r}"
        )
    table = tables.read(file, _COLUMNS, layout=_LAYOUT)
    absent = [name for name in ("path", "label") if name not in table]
    if absent:
        raise DatasetError(
            f"The corrections {file.name} have no column {' and no column '.join(map(repr, absent))}"
            f". Expected the columns {_LAYOUT}, separated by commas and named in the first line. "
            f"Rename its columns. Received: columns={list(table.columns)}"
        )
    values = {
        name: [tables.text_of(value) for value in table[name]] if name in table else None
        for name in _COLUMNS
    }
    nothing: list[str | None] = [None] * len(table)
    columns = [values[name] or nothing for name in _COLUMNS]
    rows = [
        _Row(
            number,
            path or "",
            unicodedata.normalize("NFC", label) if label and _action(action) == "relabel" else None,
            digest.lower() if digest else None,
            _action(action),
        )
        for number, (path, label, digest, action) in enumerate(zip(*columns, strict=True), start=1)
    ]
    _refuse_unusable(file, rows, class_names)
    return rows


def _action(text: str | None) -> str:
    return text.casefold() if text else "relabel"


def _refuse_unusable(file: Path, rows: Sequence[_Row], class_names: Sequence[str]) -> None:
    unknown = natural_sorted({row.action for row in rows} - set(ACTIONS))
    if unknown:
        raise DatasetError(
            f"The corrections {file.name} ask for what tlearn does not know: "
            f"{short_list(map(repr, unknown))}. Expected one of the actions {', '.join(ACTIONS)}, or "
            f"nothing, which is relabel. Rename them. Received: action={unknown[0]!r}"
        )
    for name, lacking in (
        ("path", [row for row in rows if not row.path and not row.digest]),
        ("label", [row for row in rows if row.action == "relabel" and row.label is None]),
    ):
        if lacking:
            raise DatasetError(
                f"The corrections {file.name} have rows without a {name}: "
                f"{short_list(str(row.number) for row in lacking)}, counted from 1 below the names. "
                "Expected a path in every row, and a label in each that relabels. Fill them in or "
                f"remove the rows. Received: rows={len(rows)}"
            )
    new = natural_sorted({row.label for row in rows if row.label is not None} - set(class_names))
    if new:
        raise DatasetError(
            f"The corrections {file.name} name classes that the data set does not have: "
            f"{short_list(map(repr, new))}. Expected one of {short_list(class_names, 20)}. Mend the "
            "spelling; a new class needs photos of its own in the data set. "
            f"Received: label={new[0]!r}"
        )


class _Photos:
    """The photos of a data set by what a row may call them."""

    def __init__(self, dataset: Dataset, file: Path) -> None:
        self._paths = [_key(path) for path in dataset.examples["path"]]
        self._digests = list(dataset.examples["digest"])
        self._by_path = {path: place for place, path in enumerate(self._paths)}
        self._by_digest: dict[str, list[int]] = {}
        for place, digest in enumerate(self._digests):
            self._by_digest.setdefault(digest, []).append(place)
        self._folders = [_root(dataset), os.path.abspath(file.parent)]  # noqa: PTH100

    def of(self, row: _Row) -> list[int]:
        """The places of the photos that a row means: one, or all copies of a moved one."""
        named = [self._by_path[key] for key in self._keys(row.path) if key in self._by_path][:1]
        if row.digest is None:
            return named
        same = self._by_digest.get(row.digest, [])
        if named and named[0] in same:
            return named
        # Of copies under several classes, those whose folder and name are still the row's.
        alike = [_shared_end(self._paths[place], row.path) for place in same]
        return [place for place, count in zip(same, alike, strict=True) if count == max(alike)]

    def _keys(self, path: str) -> Iterable[str]:
        if not path:
            return
        for written in dict.fromkeys((path, path.replace("\\", "/"))):
            for folder in self._folders:
                yield _key(os.path.join(folder, os.path.expanduser(written)))  # noqa: PTH111, PTH118


def _root(dataset: Dataset) -> str:
    """The folder that relative paths begin at."""
    source = os.path.abspath(os.path.expanduser(dataset.source))  # noqa: PTH100, PTH111
    if Path(source).is_dir():
        return source
    if tables.is_table(Path(source)):
        return os.path.dirname(source)  # noqa: PTH120
    return os.path.commonpath(list(dataset.examples["path"]))  # unpacked, or from TFDS


def _key(path: str) -> str:
    return unicodedata.normalize("NFC", os.path.abspath(path))  # noqa: PTH100


def _shared_end(one: str, other: str) -> int:
    """How many parts two paths have in common, counted from the end."""
    pairs = zip(reversed(PurePath(one).parts), reversed(PurePath(other).parts), strict=False)
    count = 0
    for mine, theirs in pairs:
        if mine != theirs:
            break
        count += 1
    return count


def _decided(
    file: Path, rows: Sequence[_Row], found: Sequence[Sequence[int]], paths: Sequence[str]
) -> dict[int, _Row]:
    """The row that counts for each photo that has one."""
    said: dict[int, list[_Row]] = {}
    for row, places in zip(rows, found, strict=True):
        for place in places:
            said.setdefault(place, []).append(row)
    at_odds = {
        place: of_it
        for place, of_it in said.items()
        if len(Counter((row.action, row.label) for row in of_it)) > 1
    }
    if at_odds:
        place, of_it = next(iter(at_odds.items()))
        words = (f"{row.action} {row.label or ''}".strip() for row in of_it)
        raise DatasetError(
            f"The corrections {file.name} say two things about {len(at_odds)} of the photos: "
            f"{paths[place]} has {' and '.join(map(repr, dict.fromkeys(words)))}. Expected one row for "
            f"each photo. Keep the row that is right. Received: path={of_it[0].path!r}"
        )
    return {place: of_it[0] for place, of_it in said.items()}


def _refuse_empty_classes(file: Path, dataset: Dataset, left: pd.DataFrame) -> None:
    without = [name for name in dataset.class_names if name not in set(left["label"])]
    if without:
        raise DatasetError(
            f"The corrections {file.name} leave no photo in {short_list(map(repr, without))}. "
            "Expected at least one photo in every class. Take the class out of the data set itself, "
            f"or correct fewer photos. Received: dataset={dataset.source!r}"
        )
