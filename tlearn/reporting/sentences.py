"""What a report says in whole sentences, the same on every screen and page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tlearn.evaluation.intervals import wilson
from tlearn.reporting.wording import count

if TYPE_CHECKING:
    from tlearn.reporting import Report

__all__ = ["TITLES", "caveats", "gain", "headline", "leaks", "proof", "wrong"]

TITLES = {
    "accuracy": ("Accuracy", "{right:,} of {photos:,} {split} photos right"),
    "balanced_accuracy": ("Balanced accuracy", "mean recall of the classes"),
    "macro_f1": ("Macro F1", "mean F1 of the classes"),
}


def headline(report: Report) -> str:
    """What was trained on what."""
    info = report.run.info
    data = info["dataset"]
    parts = [f"{count(data.get(name))} {name}" for name in ("train", "validation", "test")]
    return (
        f"{info['backbone']} trained on {data.get('name')} by {info['recipe']}: "
        f"{count(data.get('photos'))} photos of {count(data.get('classes'))} classes "
        f"({', '.join(parts)})"
    )


def gain(report: Report) -> str:
    """What the unfreezing gained."""
    head = (report.run.info.get("validation") or {}).get("head")
    final = (report.run.info.get("validation") or {}).get("final")
    if len(report.stages) < 2 or head is None or final is None:
        return "Nothing was unfrozen: the head alone was trained."
    values = f"{100 * head:.1f} % to {100 * final:.1f} %"
    points = 100 * (final - head)
    kept = report.stages.loc[report.stages["kept"], "stage"]
    if list(kept) == [report.stages["stage"].iloc[0]]:
        return "Unfreezing gained nothing on validation: the frozen backbone's weights were kept."
    return f"Unfreezing took validation accuracy from {values} ({points:+.1f} points)."


def leaks(report: Report) -> list[str]:
    """What the accuracy would be without photos that can be known from another split."""
    found = report.run.info.get("leaks") or {}
    if not found.get("photos"):
        return []
    told = f"{count(found['photos'])} {report.split} photos can be known from another split"
    if found.get("accuracy") is None:
        return [f"{told}, which is all of them. Name them: --format csv --table leaks."]
    ends = f"{100 * found['low']:.1f} to {100 * found['high']:.1f}"
    return [
        f"{told}; without them accuracy is {100 * found['accuracy']:.1f} % ({ends}). "
        "Name them: --format csv --table leaks."
    ]


def _astray(row: Mapping[str, Any]) -> str:
    """That a stage went back to its best."""
    rate = row["learning_rate"]
    then = "ended there" if rate is None else f"went on at a rate of {rate:.1e}"
    return (
        f"Stage {row['stage']} went astray by its epoch {row['epoch']} ({row['why']}): it went back to the "
        f"best there was and {then}."
    )


def caveats(report: Report) -> list[str]:
    """What the figures cannot say, and what went wrong on the way to them."""
    told = [_astray(row) for row in report.run.info.get("rollbacks") or ()]
    if report.split != "test":
        told.append(
            "There is no test split. Validation photos chose the weights, so expect somewhat "
            "less on new photos."
        )
    if not wrong(report):
        photos = int(report.per_class["support"].sum())
        low = float(wilson(photos, photos)[0])
        told.append(f"No mistake, but {photos:,} photos cannot prove more than {100 * low:.1f} %.")
    return told


def proof(report: Report) -> list[str]:
    """What the run says of the check of its SavedModel, if it says anything."""
    export = report.run.info.get("export") or {}
    difference, photos = export.get("max_difference"), export.get("photos")
    if difference is None or photos is None:
        return []
    return [
        f"The SavedModel answered all {count(photos)} {report.split} photos as the model did; "
        f"largest difference of a probability {difference:.1g}."
    ]


def wrong(report: Report) -> int:
    """How many photos were taken for another class."""
    return int(report.confused_pairs["count"].sum())
