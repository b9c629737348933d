"""A confusion matrix for a console."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions
from rich.text import Text

from tlearn.reporting.wording import shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ConfusionMatrix"]

MOST_CLASSES = 20
LEAST_ROOM = 8  # columns for a class name, below which the rows could not be told apart


class ConfusionMatrix:
    """Draws itself where there is room, and says where to get it where there is not.

    Args:
        counts: Index `true`, columns `predicted`, in class order.
    """

    def __init__(self, counts: pd.DataFrame) -> None:
        self.counts = counts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        names = [shown(name) for name in self.counts.columns]
        texts = [[f"{count}" if count else "." for count in row] for row in self.counts.to_numpy()]
        heads = [str(number) for number in range(1, len(names) + 1)]
        widths = [max(map(len, column)) for column in zip(heads, *texts, strict=True)]
        first = len(heads[-1])
        room = options.max_width - first - 1 - sum(width + 1 for width in widths)
        if len(names) > MOST_CLASSES or room < LEAST_ROOM:
            yield Text(f"Confusion: {len(names):,} classes are too wide for here", style="bold")
            yield Text("Get it by: --format csv --table confusion", style="dim")
            return
        room = min(room, max(map(cell_len, names)))
        yield Text("Confusion: a row per true class, a column per predicted class", style="bold")
        yield _line(" " * (first + 1 + room), heads, widths)
        for head, name, row in zip(heads, names, texts, strict=True):
            yield _line(f"{head:>{first}} {_fitted(name, room)}", row, widths)


def _line(start: str, cells: list[str], widths: list[int]) -> Text:
    padded = [f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)]
    return Text(" ".join([start, *padded]), no_wrap=True)


def _fitted(name: str, room: int) -> str:
    if cell_len(name) <= room:
        return set_cell_size(name, room)
    return set_cell_size(name, room - 1).rstrip() + "…" if room > 1 else "…"
