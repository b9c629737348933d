"""Tables written as CSV, JSON, Markdown, Parquet or text: to a stream, a file or a folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pandas as pd

from tlearn.errors import RunError
from tlearn.files.atomic import filling, replacing
from tlearn.files.tables import readable

__all__ = ["Document", "FORMS", "write"]

FORMS = ("text", "csv", "json", "markdown", "parquet")
_SUFFIX = {"text": ".txt", "csv": ".csv", "json": ".json", "markdown": ".md", "parquet": ".parquet"}
_ONE_TABLE_PER_FILE = ("csv", "parquet")


@dataclass(frozen=True)
class Document:
    """What can be written.

    Args:
        kind: What it is, such as `"report"`: the name of its file in a folder.
        tables: The names of the tables that there can be.
        there: Gives those that there are, for a folder with a file for each.
        default: The table of a CSV or Parquet file, where none is asked for.
        frame: Gives a table by its name.
        text: Gives the document in a form, or one table of it: `text(form, table)`.
    """

    kind: str
    tables: Sequence[str]
    there: Callable[[], Sequence[str]]
    default: str
    frame: Callable[[str], pd.DataFrame]
    text: Callable[[str, str | None], str]


def write(
    document: Document, form: str, output: str | Path | TextIO | None, *, table: str | None
) -> Path | None:
    """Write a document.

    Args:
        document: What to write.
        form: One of `FORMS`.
        output: `None` for the standard output, an open text file, or a path. With `"csv"` and
            `"parquet"` a path that ends so is one file, any other a folder with a file per table.
        table: Only this table.

    Returns:
        The file or folder that was written, or `None`. Files appear whole or not at all.

    Raises:
        RunError: There is no such form or table, or the output cannot be written.
    """
    _check(document.kind, "form", form, FORMS)
    if table is not None:
        _check(document.kind, "table", table, document.tables)
    if output is None or not isinstance(output, (str, Path)):
        if form == "parquet":
            raise RunError(
                "Parquet is no text and cannot be shown on the screen. Give a file or a folder "
                "with --output, or take --format csv. Received: output=None"
            )
        (sys.stdout if output is None else output).write(document.text(form, table))
        return None
    path, suffix = Path(output), _SUFFIX[form]
    if form in _ONE_TABLE_PER_FILE and (path.suffix.lower() != suffix or path.is_dir()):
        with filling(path) as folder:
            for name in [table] if table else document.there():
                _write_file(document, form, name, folder / f"{name}{suffix}")
        return path
    if path.is_dir():
        path = path / f"{table or document.kind}{suffix}"
    with replacing(path) as file:
        _write_file(document, form, table, file)
    return path


def _write_file(document: Document, form: str, table: str | None, file: Path) -> None:
    if form == "parquet":
        frame = document.frame(table or document.default)
        readable(frame).to_parquet(file, index=False)
    else:
        file.write_text(document.text(form, table), encoding="utf-8", newline="\n")


def _check(kind: str, argument: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise RunError(
            f"There is no {kind} {argument} {value!r}; there are {', '.join(allowed)}. "
            f"Received: {argument}={value!r}"
        )
