"""The part of a report on the photos themselves: suspect labels, and photos of no class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from tlearn.reporting.console import new_table
from tlearn.reporting.wording import percent, shown

if TYPE_CHECKING:
    import pandas as pd

    from tlearn.runs import Run

__all__ = ["doubtful"]

_FIRST = 5


def doubtful(run: Run) -> list[RenderableType]:
    """Name the first few suspect labels and outliers.

    Args:
        run: The run.

    Returns:
        No part where the run has not checked its labels.
    """
    if run.suspects is None:
        return []
    parts: list[RenderableType] = [_suspects(run.suspects[run.suspects["suspect"]], run)]
    if run.outliers is not None and len(run.outliers):
        parts.append(_outliers(run.outliers))
    return parts


def _suspects(suspects: pd.DataFrame, run: Run) -> RenderableType:
    if suspects.empty:
        return Text("No label looks wrong.")
    table = new_table()
    for name in ("Photo", "Split", "Given", "Rather"):
        table.add_column(name, overflow="fold")
    table.add_column("Probability", justify="right")
    for row in suspects.head(_FIRST).to_dict("records"):
        table.add_row(
            Text(shown(row["path"])),
            row["split"],
            Text(shown(row["given"])),
            Text(shown(row["suggested"])),
            percent(row["confidence"]),
        )
    lines: list[RenderableType] = []
    copies = int(suspects["same_as"].notna().sum())
    if copies:
        lines.append(Text(f"Byte for byte the same under two classes: {copies:,} of them."))
    how = "All of them: --format csv --table suspects. Mend them by --corrections FILE."
    title = "1 label looks wrong" if len(suspects) == 1 else f"{len(suspects):,} labels look wrong"
    title += f", of {len(run.suspects):,}" if run.suspects is not None else ""
    return Group(Text(title, style="bold"), table, *lines, Text(how, style="dim"))


def _outliers(outliers: pd.DataFrame) -> RenderableType:
    count = "1 photo is" if len(outliers) == 1 else f"{len(outliers):,} photos are"
    paths = "\n".join(f"  {shown(path)}" for path in outliers["path"].head(_FIRST))
    more = "" if len(outliers) <= _FIRST else "\nAll of them: --format csv --table outliers"
    return Group(Text(f"{count} far from all others", style="bold"), Text(paths + more))
