"""What a shortlist says: a table, the candidates that no other betters, and one to take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tlearn import provenance
from tlearn.files.atomic import filling
from tlearn.files.tables import to_csv
from tlearn.plotting import canvas

__all__ = ["Shortlist"]

_COLUMNS = (
    "backbone",
    "accuracy",
    "low",
    "high",
    "macro_f1",
    "log_loss",
    "photos_per_second",
    "parameters",
    "exported_bytes",
    "fine_tuning_seconds",
    "image_size",
    "pareto",
    "weights",
    "note",
)
_WHOLE = ("parameters", "exported_bytes", "image_size")


@dataclass(frozen=True)
class Shortlist:
    """The answer to "which backbone?".

    Args:
        table: A row for each candidate, the most accurate first, those that could not be had last.
            Columns `backbone`; `accuracy` of the cross-validated heads with its 95 % interval
            `low` to `high`, `macro_f1` (fractions 0..1) and `log_loss`; `photos_per_second` that
            the classifier answers on this machine; `parameters`; `exported_bytes`;
            `fine_tuning_seconds`, an estimate for here; `image_size` in pixels; `pareto`, whether
            no other candidate is both quicker and more accurate; `weights`; `note`, why a candidate
            could not be had.
        recommended: The backbone to take.
        reason: Why, in a sentence.
        photos: How many photos were looked at.
        dataset: The data set's name.
    """

    table: pd.DataFrame
    recommended: str
    reason: str
    photos: int
    dataset: str

    @classmethod
    def of(
        cls,
        rows: Sequence[Mapping[str, Any]],
        right: Mapping[str, np.ndarray],
        *,
        photos: int,
        of: int,
        dataset: str,
    ) -> Shortlist:
        """Judge measured candidates.

        Args:
            rows: What was measured of each; of those that could not be had only a `note`.
            right: For each measured backbone, which photos its heads told right, bool `(photos,)`.
            photos: How many photos were looked at.
            of: How many there are.
            dataset: The data set's name.

        Returns:
            The answer. It recommends the most accurate candidate, or the quickest of those that
            are behind it by no more than one standard error of the paired difference (the rule of
            Breiman et al. 1984, chapter 3.4.3).
        """
        table = pd.DataFrame(rows).reindex(columns=list(_COLUMNS))
        table["pareto"] = _undominated(table)
        table = table.astype(dict.fromkeys(_WHOLE, "Int64"))
        table = table.sort_values("accuracy", ascending=False, na_position="last", kind="stable")
        table = table.reset_index(drop=True)
        measured = table[table["accuracy"].notna()]
        best = measured.iloc[0]
        near = [
            row
            for _, row in measured.iterrows()
            if _is_near(right[best["backbone"]], right[row["backbone"]])
        ]
        chosen = max(near, key=lambda row: row["photos_per_second"])
        seen = f"on {photos:,} of {of:,} photos" if photos < of else f"on {photos:,} photos"
        return cls(
            table, chosen["backbone"], _reason(chosen, best, measured, seen), photos, dataset
        )

    def as_dict(self) -> dict[str, Any]:
        """The answer as plain values: `backbones` (records), `recommended`, `reason`, `photos`."""
        return {
            "recommended": self.recommended,
            "reason": self.reason,
            "photos": self.photos,
            "backbones": self.table,
        }

    def write(self, root: str | Path) -> Path:
        """Write table and plot.

        Args:
            root: The folder that the answer's own folder is put into.

        Returns:
            The folder, `DATASET-shortlist`, with `shortlist.csv` and `shortlist.png`.

        Raises:
            RunError: It cannot be written.
        """
        folder = Path(root) / provenance.run_name(self.dataset, "shortlist")
        with filling(folder) as hidden:
            (hidden / "shortlist.csv").write_text(to_csv(self.table), encoding="utf-8")
            self.plot(hidden / "shortlist.png")
        return folder

    def plot(self, path: str | Path) -> None:
        """Draw accuracy against speed.

        Args:
            path: The file; its suffix says the format, such as `.png` or `.svg`.
        """
        measured = self.table[self.table["accuracy"].notna()]
        drawn, axes = canvas.make(
            "Accuracy of linear heads on frozen features, and speed on this machine",
            "photos answered per second (logarithmic)",
            "cross-validated accuracy, with its 95 % interval",
        )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("{x:g}")
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
        for _, row in measured.iterrows():
            colour = canvas.HIGHLIGHT if row["backbone"] == self.recommended else canvas.PLAIN
            axes.errorbar(
                row["photos_per_second"],
                row["accuracy"],
                yerr=[[row["accuracy"] - row["low"]], [row["high"] - row["accuracy"]]],
                marker="o" if row["pareto"] else "x",
                color=colour,
                capsize=3,
                markersize=7,
            )
            axes.annotate(
                row["backbone"],
                (row["photos_per_second"], row["accuracy"]),
                xytext=(7, 5),
                textcoords="offset points",
                color=colour,
                fontsize=9,
            )
        front = measured[measured["pareto"]].sort_values("photos_per_second")
        axes.plot(front["photos_per_second"], front["accuracy"], color="#999999", linewidth=0.8)
        speeds = measured["photos_per_second"]
        axes.set_xlim(speeds.min() / 1.5, 2.5 * speeds.max())  # room for the names
        axes.margins(y=0.15)
        canvas.save(drawn, Path(path))


def _undominated(table: pd.DataFrame) -> list[bool]:
    """Whether no other candidate is at least as quick and as accurate, and better in one of them."""
    accuracy, speed = table["accuracy"].to_numpy(float), table["photos_per_second"].to_numpy(float)
    return [
        not math.isnan(a)
        and not np.any((accuracy >= a) & (speed >= s) & ((accuracy > a) | (speed > s)))
        for a, s in zip(accuracy, speed, strict=True)
    ]


def _is_near(best: np.ndarray, other: np.ndarray) -> bool:
    """Whether `other` is behind by one standard error at most, over the same photos."""
    difference = best.astype(float) - other.astype(float)
    return bool(difference.mean() <= difference.std() / math.sqrt(len(difference)))


def _reason(chosen: pd.Series, best: pd.Series, measured: pd.DataFrame, seen: str) -> str:
    accuracy = f"{100 * chosen['accuracy']:.1f} %"
    if len(measured) == 1:
        return f"{chosen['backbone']} is the only one that could be had: {accuracy} {seen}."
    if chosen["backbone"] == best["backbone"]:
        other = measured.iloc[1]
        gap = 100 * (best["accuracy"] - other["accuracy"])
        return (
            f"{chosen['backbone']} is the most accurate {seen}: {accuracy}, {gap:.1f} points ahead "
            f"of {other['backbone']}."
        )
    quicker = chosen["photos_per_second"] / best["photos_per_second"]
    return (
        f"{chosen['backbone']} is {quicker:.1f} times as quick as {best['backbone']} and as "
        f"accurate within noise {seen}: {accuracy} after {100 * best['accuracy']:.1f} %."
    )
