"""A comparison for a console: figures, the test, classes, photos that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from tlearn.reporting import sentences
from tlearn.reporting.console import new_table, plain_text
from tlearn.reporting.wording import percent, shown

if TYPE_CHECKING:
    from tlearn.comparing.comparison import Comparison

__all__ = ["layout", "rendered"]

MOST_CLASSES = 20
MOST_PHOTOS = 5  # of each kind of change

_CHANGES = {"broken": "Right before, wrong now", "fixed": "Wrong before, right now"}


def layout(comparison: Comparison) -> Group:
    """All parts of the comparison, one below the other."""
    lines: list[RenderableType] = []
    for name in comparison.names[1:]:
        for part in _of_run(comparison, name):
            lines += [part, Text()]
    lines += [Text(shown(note)) for note in comparison.notes]
    if len(comparison.names) > 2:
        count = len(comparison.names) - 1
        lines.append(
            Text(
                f"The p of {count} comparisons is corrected by Holm's method, so that all verdicts "
                "together are wrong in at most 5 % of cases; the intervals are not."
            )
        )
    lines.append(
        Text("Ranges are 95 % intervals: paired bootstrap above, Newcombe's for pairs per class.")
    )
    return Group(*lines)


def rendered(comparison: Comparison, *, width: int = 80) -> str:
    """The comparison as plain text, `width` columns wide, without colour."""
    return plain_text(layout(comparison), width=width)


def _of_run(comparison: Comparison, name: str) -> list[RenderableType]:
    figures, classes, changes = (
        table[table["run"] == name]
        for table in (comparison.differences, comparison.per_class, comparison.changes)
    )
    test = comparison.mcnemar[comparison.mcnemar["run"] == name].iloc[0].to_dict()
    return [
        _headline(comparison, name, figures, test),
        _classes(classes),
        *_changes(changes),
    ]


def _headline(
    comparison: Comparison, name: str, figures: pd.DataFrame, test: dict[str, Any]
) -> RenderableType:
    first = comparison.names[0]
    title = f"{shown(name)} against {shown(first)}"
    on = f"On the same {comparison.photos:,} {comparison.split} photos, in % and points"
    table = new_table()
    table.add_column("")
    for heading in ("before", "now", "difference", "95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for row in figures.itertuples():
        table.add_row(
            sentences.TITLES[str(row.metric)][0],
            percent(row.first),
            percent(row.second),
            _points(row.difference),
            f"{_points(row.low)} to {_points(row.high)}",
            str(row.verdict),
        )
    lines: list[RenderableType] = [Text(title, style="bold"), Text(on), table, Text()]
    lines += [Text(sentence) for sentence in _verdict(name, figures, test)]
    return Group(*lines)


def _verdict(name: str, figures: pd.DataFrame, test: dict[str, Any]) -> list[str]:
    accuracy = figures[figures["metric"] == "accuracy"].iloc[0]
    told = (
        f"McNemar's exact test: {_photos(test['fixed'])} right only now, {test['broken']:,} right "
        f"only before, p = {_p(test['p'])}"
    )
    if test["p_holm"] != test["p"]:
        told += f", {_p(test['p_holm'])} corrected"
    ends = f"{_points(accuracy['low'])} to {_points(accuracy['high'])}"
    if not test["fixed"] and not test["broken"]:
        conclusion = "No photo tells the two apart: they are right on the same photos."
    elif accuracy["verdict"] == "within noise":
        conclusion = (
            f"The difference in accuracy is within noise ({ends} points): these photos cannot tell "
            "which is better."
        )
    else:
        conclusion = (
            f"{shown(name)} is {accuracy['verdict']} in accuracy, by "
            f"{100 * abs(accuracy['difference']):.1f} points ({ends}): more than chance does."
        )
    return [f"{told}.", conclusion]


def _classes(classes: pd.DataFrame) -> RenderableType:
    rows = classes
    title = "Classes, recall in % and points"
    if len(rows) > MOST_CLASSES:
        order = rows["recall_difference"].abs().fillna(-1).sort_values(ascending=False)
        rows = rows.loc[order.index[:MOST_CLASSES]]
        title += f": the {len(rows)} of {len(classes):,} that changed most"
    table = new_table()
    table.add_column("Class", overflow="fold")
    for heading in ("Photos", "before", "now", "difference", "95 %", "fixed", "broken"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows.to_dict("records"):
        known = row["photos"] > 0
        table.add_row(
            Text(shown(row["class"])),
            f"{row['photos']:,}",
            percent(row["recall_first"]),
            percent(row["recall_second"]),
            _points(row["recall_difference"]) if known else "-",
            f"{100 * row['recall_low']:+.0f} to {100 * row['recall_high']:+.0f}" if known else "",
            f"{row['fixed']:,}",
            f"{row['broken']:,}",
        )
    apart = classes[(classes["recall_low"] > 0) | (classes["recall_high"] < 0)]
    notes = []
    if len(apart):
        chance = 0.05 * len(classes)
        named = ", ".join(shown(name) for name in apart["class"].head(5))
        more = f" and {len(apart) - 5:,} more" if len(apart) > 5 else ""
        notes.append(
            f"Beyond its interval: {named}{more}. Of {len(classes):,} classes about {chance:.1g} "
            "would be so by chance."
        )
    else:
        notes.append("No class changed by more than its interval.")
    return Group(Text(title, style="bold"), table, *(Text(note) for note in notes))


def _changes(changes: pd.DataFrame) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for change, title in _CHANGES.items():
        rows = changes[changes["change"] == change]
        if rows.empty:
            continue
        more = f" ({MOST_PHOTOS} of {len(rows):,})" if len(rows) > MOST_PHOTOS else ""
        table = new_table()
        for heading in ("Photo", "is", "was taken for", "now for"):
            table.add_column(heading, overflow="fold")
        for row in rows.head(MOST_PHOTOS).to_dict("records"):
            table.add_row(*(Text(shown(row[key])) for key in ("path", "label", "first", "second")))
        parts.append(Group(Text(f"{title}{more}", style="bold"), table))
    if parts:
        parts.append(Text("All of them: --format csv --table changes", style="dim"))
    return parts


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1g}"


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count:,} photos"
