"""The part of a report on what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tlearn.reporting.wording import shown

if TYPE_CHECKING:
    from tlearn.reporting import Report

__all__ = ["next_steps"]


def next_steps(report: Report) -> list[RenderableType]:
    """The advice as a numbered list.

    Args:
        report: The report.

    Returns:
        No part where the numbers give no reason for any.
    """
    if not report.advice:
        return []
    lines = Table.grid(padding=(0, 1))
    lines.add_column(justify="right", no_wrap=True)
    lines.add_column(overflow="fold")
    for number, one in enumerate(report.advice, 1):
        lines.add_row(f"{number}.", Text(shown(one.sentence)))
    return [Group(Text("What to do next", style="bold"), lines)]
