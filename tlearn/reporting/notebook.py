"""A report inside a notebook: the figures and the classes, with no style that reaches beyond it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlearn import pages
from tlearn.reporting import sentences
from tlearn.reporting.page import classes

if TYPE_CHECKING:
    from tlearn.reporting import Report

__all__ = ["html"]

MOST_CLASSES = 30  # of more, those with the lowest F1
MOST_PAIRS = 5


def html(report: Report) -> str:
    """Write the report as a piece of a page.

    Args:
        report: The report.

    Returns:
        One `<div>`: no script, no style sheet, colours of the notebook around it.
    """
    rows = classes.rows(report)
    shown = rows
    if len(rows) > MOST_CLASSES:
        known = [row for row in rows if row["f1_value"]]
        shown = sorted(known, key=lambda row: float(row["f1_value"]))[:MOST_CLASSES]
    return pages.fragment(
        __package__ + ".page",
        "notebook.html",
        name=report.run.name,
        headline=sentences.headline(report),
        figures=classes.headline(report),
        gain=sentences.gain(report),
        remarks=[*sentences.leaks(report), *sentences.caveats(report)],
        classes=shown,
        total=len(rows),
        split=report.split,
        pairs=report.confused_pairs.head(MOST_PAIRS).to_dict("records"),
    )
