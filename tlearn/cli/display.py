"""What the verbs put on the screen: consoles, safe text, tables.

Results go to standard output, everything else to standard error, so that
`tlearn report --format csv > report.csv` holds the report and nothing more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ListFormat",
    "cell",
    "lines",
    "one_line",
    "percent",
    "stderr_console",
    "stdout_console",
    "table",
    "write_frame",
]

_PIPED_WIDTH = 120


class ListFormat(str, Enum):
    """How a list is printed."""

    text = "text"
    csv = "csv"
    json = "json"


def _width(is_terminal: bool) -> int | None:
    """A pipe has no width: give it room, so that names are not cut in a file or under grep."""
    return None if is_terminal or os.environ.get("COLUMNS") else _PIPED_WIDTH


def stdout_console() -> Console:
    """The console for results."""
    width = _width(sys.stdout.isatty())
    return Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)


def stderr_console() -> Console:
    """The console for progress, warnings and errors."""
    width = _width(sys.stderr.isatty())
    return Console(file=sys.stderr, width=width, markup=False, highlight=False, emoji=False)


def cell(value: object) -> str:
    """Text that is safe to show: a file's name may hold line breaks, escapes or stray bytes."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def lines(text: str) -> str:
    """A message that is safe to show; its own line breaks, as between named files, stay."""
    return "\n".join(cell(line.rstrip()) for line in text.splitlines() if line.strip())


def one_line(text: str) -> str:
    """A message as one line that is safe to show."""
    return " ".join(line.strip() for line in lines(text).splitlines())


def percent(share: float | None) -> str:
    """A share (0..1) as a percentage with one decimal; a dash where it is not known."""
    if share is None or share != share:
        return "-"
    return f"{100 * share:.1f} %"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: int = 0) -> Table:
    """A table that keeps every letter: long text is folded, never cut.

    Args:
        columns: The headings.
        rows: The cells, one sequence per row; a `Text` keeps its style.
        numbers: How many of the last columns hold numbers, to be set to the right.
    """
    built = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for position, heading in enumerate(columns):
        is_number = position >= len(columns) - numbers
        built.add_column(
            heading,
            justify="right" if is_number else "left",
            overflow="fold",
            no_wrap=is_number,
            # Otherwise a column vanishes where there is little room.
            min_width=len(heading),
        )
    for row in rows:
        built.add_row(*(value if isinstance(value, Text) else Text(cell(value)) for value in row))
    return built


def write_frame(frame: pd.DataFrame, form: ListFormat) -> None:
    """Write a table to standard output as CSV or as JSON, a list of objects."""
    from tlearn.files import tables

    sys.stdout.write(tables.to_json(frame) if form is ListFormat.json else tables.to_csv(frame))
