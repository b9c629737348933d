"""A report as CSV, JSON, Markdown, Parquet or plain text: to a stream, a file or a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pandas as pd

from tlearn.errors import RunError
from tlearn.files import documents
from tlearn.files.documents import FORMS
from tlearn.files.tables import flat, printable, to_csv, to_json, to_markdown
from tlearn.reporting.text import rendered

if TYPE_CHECKING:
    from tlearn.reporting import Report

__all__ = ["FORMS", "TABLES", "write"]

TABLES = (
    "summary",
    "per_class",
    "confusion",
    "confused_pairs",
    "stages",
    "history",
    "skipped",
    "predictions",
    "suspects",
    "outliers",
    "leaks",
    "learning_curve",
)
_BY_PHOTO = (
    "predictions",
    "suspects",
    "outliers",
    "leaks",
    "learning_curve",
)  # long, and not in what holds several tables


def write(
    report: Report, form: str, output: str | Path | TextIO | None, *, table: str | None
) -> Path | None:
    """Write a report; see `Report.write`."""
    document = documents.Document(
        kind="report",
        tables=TABLES,
        there=partial(_there, report),
        default="per_class",
        frame=partial(_table, report),
        text=partial(_document, report),
    )
    return documents.write(document, form, output, table=table)


def _document(report: Report, form: str, table: str | None) -> str:
    if form == "csv":
        return to_csv(_table(report, table or "per_class"))
    if form == "text" and table is None:
        return rendered(report)
    names = [table] if table else [name for name in TABLES if name not in _BY_PHOTO]
    if form == "json":
        about = {"run": report.run.info, "path": report.run.path, "split": report.split}
        advice = {} if table else {"advice": [vars(one) for one in report.advice]}
        return to_json(about | {name: _records(report, name) for name in names} | advice)
    if form == "text":
        return to_markdown(_table(report, names[0])) + "\n"
    parts = [f"# {printable(report.run.name)}", _about(report)]
    for name in names:
        title = name.replace("_", " ").capitalize()
        parts += [f"## {title}", to_markdown(_table(report, name))]
    if table is None and report.advice:
        steps = [f"{number}. {_line(one.sentence)}" for number, one in enumerate(report.advice, 1)]
        parts += ["## What to do next", "\n".join(steps)]
    return "\n\n".join(parts) + "\n"


def _about(report: Report) -> str:
    data = report.run.info["dataset"]
    return (
        f"{report.run.info['backbone']}, trained on {data.get('name')} "
        f"({data.get('photos')} photos, {data.get('classes')} classes), measured on its "
        f"{report.split} split. Ranges are 95 % intervals."
    )


def _table(report: Report, name: str) -> pd.DataFrame:
    if name in _BY_PHOTO:
        found: pd.DataFrame | None = getattr(report.run, name)
        if found is None:
            raise RunError(
                f"The run {report.run.name} has no table {name}: its labels were not checked, since "
                "no features were kept, or it was made by an older version. Train again. "
                f"Received: table={name!r}"
            )
        return found
    table: pd.DataFrame = getattr(report, name)
    return flat(table) if name == "confusion" else table


def _there(report: Report) -> list[str]:
    absent = [name for name in _BY_PHOTO if getattr(report.run, name) is None]
    return [name for name in TABLES if name not in absent]


def _line(text: str) -> str:
    return " ".join(printable(text).replace("<", "&lt;").splitlines())


def _records(report: Report, name: str) -> object:
    if name == "confusion":
        counts = report.confusion
        return {"classes": list(counts.columns), "counts": counts.to_numpy()}
    return _table(report, name)
