"""The table of what a classifier says of files: its columns, and its way to disk. No TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tlearn.errors import DecodeError, TlearnError
from tlearn.files import atomic, tables
from tlearn.progress import Progress

__all__ = ["UNSURE", "answers_table", "check_output", "tell_errors", "write"]

UNSURE = "unsure"
_NAMED = 5


def answers_table(
    files: Sequence[str | Path | None],
    probabilities: npt.NDArray,
    class_names: Sequence[str],
    errors: Sequence[str | None],
    top: int,
    *,
    threshold: float | None = None,
    distances: npt.NDArray | None = None,
) -> pd.DataFrame:
    """Make the table that `predict` and `classify` give.

    Args:
        files: The path or URL of each row; `None` for a photo that has none.
        probabilities: `(files, classes)`; a row with an error may hold anything.
        class_names: In the order of `probabilities`.
        errors: Per file `None`, or why it could not be read.
        top: How many classes to name, at most as many as there are.
        threshold: Below which probability an answer is unsure, 0..1; `None` where nothing is said
            of that.
        distances: How far each file is from the training photos, `(files,)`, above 1 where it is
            unlike them, NaN where that is not known; needed with a threshold.

    Returns:
        Columns `path`, `label`, `probability`, `label_2`, `probability_2`..., `error`. Names and
        errors are of dtype `object` whatever the version of pandas, so that `None` stays `None`;
        probabilities are float32, as the model gave them. With a threshold also `answer` behind
        `path`, which is `label` or `"unsure"`, and before `error` `unsure` and `unlike`, of dtype
        `boolean`, and `distance`, float32. What is said of a file with an error is missing.
    """
    top = min(top, len(class_names))
    names = np.array(class_names, dtype=object)
    nothing = np.array(None, dtype=object)
    failed = np.array([error is not None for error in errors], dtype=bool)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    columns: dict[str, Any] = {
        "path": _texts(None if file is None else str(file) for file in files)
    }
    for place in range(top):
        suffix = "" if place == 0 else f"_{place + 1}"
        best = order[:, place]
        probability = np.take_along_axis(probabilities, best[:, np.newaxis], axis=1)[:, 0]
        columns[f"label{suffix}"] = _texts(np.where(failed, nothing, names[best]))
        columns[f"probability{suffix}"] = np.where(failed, np.float32(np.nan), probability)
    if threshold is not None and distances is not None:
        unsure = columns["probability"] < np.float32(threshold)
        answers = np.where(unsure, np.array(UNSURE, dtype=object), columns["label"])
        columns = {"path": columns.pop("path"), "answer": _texts(answers), **columns}
        columns["unsure"] = pd.arrays.BooleanArray(unsure, failed.copy())
        columns["unlike"] = pd.arrays.BooleanArray(distances > 1, failed.copy())
        columns["distance"] = np.where(failed, np.float32(np.nan), distances.astype(np.float32))
    columns["error"] = _texts(errors)
    return pd.DataFrame(columns)


def tell_errors(table: pd.DataFrame, progress: Progress) -> None:
    """Warn of the files that could not be read, if there are any.

    Args:
        table: What `answers_table` gave.
        progress: Who is warned.

    Raises:
        DecodeError: Not one of the files could be read.
    """
    failed = table[table["error"].notna()]
    if failed.empty:
        return
    named = "".join(
        f"\n  {path}: {error}"
        for path, error in failed[["path", "error"]].head(_NAMED).itertuples(index=False)
    )
    more = f"\n  and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    if len(failed) == len(table):
        raise DecodeError(
            f"Not one of {len(table)} files could be read. Expected photos: JPEG, PNG, GIF, WebP, "
            f"BMP, TIFF, or HEIC with the extra 'heic'. Received:{named}{more}"
        )
    progress.warn(
        f"{len(failed)} of {len(table)} files could not be read; the column 'error' says why:"
        f"{named}{more}"
    )


def check_output(path: str | Path) -> None:
    """Refuse a file name that `write` would refuse, before the work rather than after it.

    Args:
        path: Where a table is to be written.

    Raises:
        TlearnError: Its suffix is not `.csv`, `.json` or `.parquet`.
    """
    if Path(path).suffix.lower() not in _FORMATS:
        raise TlearnError(
            "A table cannot be written to a file of this name. Expected the suffix "
            f"{', '.join(_FORMATS)}. Received: path={str(path)!r}"
        )


def write(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table of predictions as CSV, JSON (a list of rows) or Parquet, by the suffix.

    The file is the old one or the whole new one, never a part.

    Args:
        table: What `predict` gave.
        path: A file whose name ends in `.csv`, `.json` or `.parquet`.

    Raises:
        TlearnError: It ends in something else.
        RunError: It cannot be written there.
    """
    check_output(path)
    path = Path(path)
    with atomic.replacing(path) as file:
        _FORMATS[path.suffix.lower()](table, file)


def _write_csv(table: pd.DataFrame, file: Path) -> None:
    file.write_text(tables.to_csv(table), encoding="utf-8", newline="\n")


def _write_json(table: pd.DataFrame, file: Path) -> None:
    file.write_text(tables.to_json(table), encoding="utf-8", newline="\n")


def _write_parquet(table: pd.DataFrame, file: Path) -> None:
    tables.readable(table).to_parquet(file, index=False)


_FORMATS = {".csv": _write_csv, ".json": _write_json, ".parquet": _write_parquet}


def _texts(values: Any) -> pd.Series:
    return pd.Series(list(values), dtype=object)
