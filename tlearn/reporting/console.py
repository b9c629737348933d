"""How reports look on a console: tables without a frame, text without colour."""

from __future__ import annotations

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

__all__ = ["new_table", "plain_text"]


def new_table() -> Table:
    """A table whose heading is set apart by a line, and nothing else."""
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)


def plain_text(layout: RenderableType, *, width: int) -> str:
    """What a console would show, without colour.

    Args:
        layout: What is shown.
        width: Columns of the console.

    Returns:
        The text, no line of which ends with spaces.
    """
    console = Console(width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(layout)
    return "\n".join(line.rstrip() for line in capture.get().split("\n"))
