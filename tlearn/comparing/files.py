"""A comparison as CSV, JSON, Markdown, Parquet or plain text."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pandas as pd

from tlearn.comparing.text import rendered
from tlearn.files import documents
from tlearn.files.tables import printable, to_csv, to_json, to_markdown

if TYPE_CHECKING:
    from tlearn.comparing.comparison import Comparison

__all__ = ["TABLES", "write"]

TABLES = ("differences", "mcnemar", "per_class", "changes")


def write(
    comparison: Comparison, form: str, output: str | Path | TextIO | None, *, table: str | None
) -> Path | None:
    """Write a comparison; see `Comparison.write`."""
    document = documents.Document(
        kind="comparison",
        tables=TABLES,
        there=lambda: TABLES,
        default="differences",
        frame=partial(_table, comparison),
        text=partial(_document, comparison),
    )
    return documents.write(document, form, output, table=table)


def _table(comparison: Comparison, name: str) -> pd.DataFrame:
    found: pd.DataFrame = getattr(comparison, name)
    return found


def _document(comparison: Comparison, form: str, table: str | None) -> str:
    if form == "csv":
        return to_csv(_table(comparison, table or "differences"))
    if form == "text":
        if table is None:
            return rendered(comparison)
        return to_markdown(_table(comparison, table)) + "\n"
    names = [table] if table else list(TABLES)
    if form == "json":
        about = {
            "runs": comparison.names,
            "split": comparison.split,
            "photos": comparison.photos,
            "notes": comparison.notes,
        }
        return to_json(about | {name: _table(comparison, name) for name in names})
    first, *others = comparison.names
    parts = [
        f"# {printable(', '.join(others))} against {printable(first)}",
        f"Measured on the same {comparison.photos} {comparison.split} photos. Ranges are 95 % "
        "intervals: paired bootstrap, for recall Newcombe's for pairs.",
        *map(printable, comparison.notes),
    ]
    for name in names:
        title = "McNemar" if name == "mcnemar" else name.replace("_", " ").capitalize()
        parts += [f"## {title}", to_markdown(_table(comparison, name))]
    return "\n\n".join(parts) + "\n"
