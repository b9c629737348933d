"""The tables of a report that need each photo's probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tlearn import calibration
from tlearn.evaluation.ranked import precision_recall as ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlearn.reporting import Report

__all__ = [
    "CALIBRATED",
    "TRAINED",
    "coverage",
    "mistakes",
    "precision_recall",
    "predictions",
    "reliability",
    "temperature",
]

TRAINED = "as trained"
CALIBRATED = "calibrated"
_ABOUT = ["path", "split", "label", "predicted", "correct", "probability"]


def predictions(report: Report) -> pd.DataFrame:
    """The photos of the split that is measured, without the probabilities of all classes."""
    found = report.run.read_predictions(_ABOUT)
    return found[found["split"] == report.split].reset_index(drop=True)


def temperature(report: Report) -> float | None:
    """By what the logits were divided; `None` in a run that was not calibrated."""
    found = (report.run.info.get("calibration") or {}).get("temperature")
    return float(found) if isinstance(found, (int, float)) else None


def reliability(report: Report) -> pd.DataFrame:
    """The bins of `calibration.reliability`, with the column `probabilities` in front.

    It says `"calibrated"` or `"as trained"`, which is all there is where nothing was calibrated.
    """
    rows = report.predictions
    divided = temperature(report)
    given = {CALIBRATED if divided else TRAINED: rows["probability"].to_numpy(dtype="float64")}
    if divided:
        before = calibration.uncalibrated(_probabilities(report, report.run.class_names), divided)
        given = {TRAINED: before.max(axis=1), **given}
    parts = []
    for name, confidence in given.items():
        table = calibration.reliability(rows["correct"].to_numpy(), confidence)
        table.insert(0, "probabilities", name)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def coverage(report: Report) -> pd.DataFrame:
    """What `calibration.coverage` says of the measured photos."""
    rows = report.predictions
    return calibration.coverage(rows["correct"].to_numpy(), rows["probability"].to_numpy())


def precision_recall(report: Report, most: int) -> pd.DataFrame:
    """The precision-recall curves of the classes with the lowest F1.

    Args:
        report: The report.
        most: How many classes.

    Returns:
        As `evaluation.ranked.precision_recall`; the class with the lowest F1 first.
    """
    known = report.per_class[report.per_class["support"] > 0]
    names = list(known.sort_values("f1", kind="stable")["class"].head(most))
    return ranked(report.predictions["label"], _probabilities(report, names), names)


def mistakes(report: Report) -> pd.DataFrame:
    """The photos that were taken for another class, the surest first.

    Returns:
        Columns `path`, `label`, `predicted`, `probability` (of the predicted class).
    """
    rows = report.predictions
    wrong = rows.loc[~rows["correct"].astype(bool), ["path", "label", "predicted", "probability"]]
    return wrong.sort_values("probability", ascending=False, kind="stable", ignore_index=True)


def _probabilities(report: Report, names: list[str] | tuple[str, ...]) -> NDArray[np.float32]:
    columns = [f"p[{name}]" for name in names]
    found = report.run.read_predictions(["split", *columns])
    return found.loc[found["split"] == report.split, columns].to_numpy(dtype=np.float32)
