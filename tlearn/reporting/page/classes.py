"""The figures of the head, and a row for each class with its intervals as bars."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tlearn.reporting import sentences
from tlearn.reporting.wording import interval, percent

if TYPE_CHECKING:
    from tlearn.reporting import Report

__all__ = ["hardest", "headline", "rows"]


def headline(report: Report) -> list[dict[str, str]]:
    """Accuracy, macro F1 and balanced accuracy, each with its interval in words."""
    photos = int(report.per_class["support"].sum())
    words = {"photos": photos, "split": report.split, "right": photos - sentences.wrong(report)}
    found = []
    for row in report.summary.to_dict("records"):
        name, meaning = sentences.TITLES[row["metric"]]
        found.append(
            {
                "metric": row["metric"],
                "name": name,
                "value": f"{100 * row['value']:.1f}",
                "low": f"{100 * row['low']:.1f}",
                "high": f"{100 * row['high']:.1f}",
                "meaning": meaning.format(**words),
            }
        )
    return found


def hardest(report: Report) -> dict[str, Any] | None:
    """The class that needs help most: the lowest F1 of those with photos; `None` without mistakes."""
    known = report.per_class[report.per_class["support"] > 0]
    if not sentences.wrong(report) or known.empty:
        return None
    worst = known.sort_values("f1", kind="stable").iloc[0].to_dict()
    pairs = report.confused_pairs
    taken = pairs[pairs["true"] == worst["class"]].head(1).to_dict("records")
    given = pairs[pairs["predicted"] == worst["class"]].head(1).to_dict("records")
    return {
        "name": worst["class"],
        "f1": percent(worst["f1"]),
        "recall": percent(worst["recall"]),
        "recall_interval": interval(worst["recall_low"], worst["recall_high"]),
        "precision": percent(worst["precision"]),
        "precision_interval": interval(worst["precision_low"], worst["precision_high"]),
        "photos": int(worst["support"]),
        "taken": taken[0] if taken else None,
        "given": given[0] if given else None,
    }


def rows(report: Report) -> list[dict[str, Any]]:
    """A row for each class in class order."""
    return [
        {
            "name": row["class"],
            "photos": row["support"],
            "precision": _share(row, "precision"),
            "recall": _share(row, "recall"),
            "f1": percent(row["f1"]),
            "f1_value": _number(row["f1"]),
        }
        for row in report.per_class.to_dict("records")
    ]


def _share(row: dict[Any, Any], name: str) -> dict[str, Any]:
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    return {
        "known": not math.isnan(value),
        "value": _number(value),
        "text": percent(value),
        "interval": interval(low, high),
        "at": f"{100 * value:.1f}",
        "low": f"{100 * low:.1f}",
        "width": f"{100 * (high - low):.1f}",
    }


def _number(value: float) -> str:
    """What a column is sorted by; nothing where there is no value."""
    return "" if math.isnan(value) else f"{value:.6g}"
