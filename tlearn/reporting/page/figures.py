"""The plots of the page, each with a text for those who cannot see it and a table of its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from tlearn.evaluation.ranked import average_precision
from tlearn.plotting.svg import svg
from tlearn.reporting import sureness
from tlearn.reporting.curves import temperature
from tlearn.reporting.wording import decimal, duration, interval, percent

if TYPE_CHECKING:
    import pandas as pd

    from tlearn.reporting import Report

__all__ = ["ranked", "training", "trust"]

_COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
_MOST_EPOCHS = 200
_SCORES = {
    "ece": ("Expected calibration error", "15 equally wide bins of the answer's probability"),
    "adaptive_ece": ("The same, adaptive", "15 bins of equally many photos"),
    "nll": ("Log loss", "nats per photo"),
    "brier": ("Brier score", "summed over classes, 0 to 2"),
}


def trust(report: Report) -> dict[str, Any]:
    """The reliability diagram and accuracy against coverage, with their tables."""
    table = report.reliability
    names = list(dict.fromkeys(table["probabilities"]))
    told = "How often answers are right, against how sure they are"
    text = "; ".join(
        f"{name}: "
        + ", ".join(
            f"{percent(row['accuracy'])} % right at {percent(row['confidence'])} %"
            for row in table[(table["probabilities"] == name) & (table["photos"] > 0)].to_dict(
                "records"
            )
        )
        for name in names
    )
    covered = _covered(report.coverage)
    coverage_text = "; ".join(
        f"{row['coverage']} % answered, {row['accuracy']} % of those right" for row in covered
    )
    divided = temperature(report)
    about = report.run.info
    found = about.get("calibration") or {}
    return {
        "reliability": Markup(svg(report.plot.reliability(), "reliability", told, text)),
        "coverage": Markup(
            svg(
                report.plot.coverage(),
                "coverage",
                "Accuracy of the surest answers against the share of photos that is answered",
                coverage_text,
            )
        ),
        "temperature": "" if divided is None else f"{divided:.3f}",
        "bins": [
            {
                "range": f"{percent(row['low'])} to {percent(row['high'])}",
                "photos": row["photos"],
                "confidence": percent(row["confidence"]),
                "accuracy": percent(row["accuracy"]),
            }
            for row in table[table["probabilities"] == names[-1]].to_dict("records")
            if row["photos"]
        ],
        "bins_of": names[-1],
        "covered": covered,
        "scores": [
            {
                "name": name,
                "about": about,
                "before": decimal(found["before"][key]),
                "after": decimal(found["after"][key]),
            }
            for key, (name, about) in _SCORES.items()
            if key in (found.get("before") or {}) and key in (found.get("after") or {})
        ],
        "sentences": [
            told for told in (sureness.threshold(about), sureness.scope(about)) if told is not None
        ],
    }


def ranked(report: Report) -> dict[str, Any]:
    """Precision against recall for the classes with the lowest F1."""
    areas = average_precision(report.precision_recall)
    rows = [
        {"name": name, "area": percent(area)}
        for name, area in zip(areas["class"], areas["average_precision"], strict=True)
    ]
    text = "; ".join(f"{row['name']}: average precision {row['area']} %" for row in rows)
    title = "Precision against recall, for the classes with the lowest F1"
    return {
        "plot": Markup(svg(report.plot.precision_recall(), "ranked", title, text)),
        "rows": rows,
        "classes": len(report.per_class),
    }


def training(report: Report) -> dict[str, Any]:
    """The learning curves, the stages, and every epoch."""
    history, stages = report.history, report.stages
    text = "; ".join(
        f"{row['stage']}: {percent(row['validation_accuracy'])} % on validation after "
        f"{row['epochs']} epochs"
        for row in stages.to_dict("records")
    )
    title = "Loss, accuracy and learning rate, epoch by epoch"
    return {
        "plot": Markup(svg(report.plot.learning_curves(), "training", title, text))
        if len(history)
        else "",
        "stages": [
            {
                "stage": row["stage"],
                "epochs": row["epochs"],
                "rate": _rate(row["learning_rate"]),
                "weights": row["trainable_parameters"],
                "accuracy": percent(row["validation_accuracy"]),
                "loss": decimal(row["validation_log_loss"]),
                "time": duration(row["seconds"]),
                "kept": row["kept"],
            }
            for row in stages.to_dict("records")
        ],
        "epochs": [
            {
                "stage": row["stage"],
                "epoch": row["epoch"],
                "loss": decimal(row["loss"]),
                "val_loss": decimal(row["val_log_loss"]),
                "accuracy": percent(row["accuracy"]),
                "val_accuracy": percent(row["val_accuracy"]),
                "rate": _rate(row["learning_rate"]),
            }
            for row in history.head(_MOST_EPOCHS).to_dict("records")
        ],
        "total": len(history),
    }


def _covered(table: pd.DataFrame) -> list[dict[str, str]]:
    """At some shares of photos, or the next share above that a threshold gives."""
    found = []
    for wanted in _COVERAGES:
        reached = table[table["coverage"] >= wanted - 1e-9]
        if len(reached):
            row = reached.iloc[0]
            found.append(
                {
                    "coverage": percent(row["coverage"]),
                    "photos": f"{int(row['photos']):,}",
                    "threshold": percent(row["threshold"]),
                    "accuracy": percent(row["accuracy"]),
                    "interval": interval(row["low"], row["high"]),
                }
            )
    return found


def _rate(value: float) -> str:
    return "-" if value != value else f"{value:.2g}"
