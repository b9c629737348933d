"""Which photos the page shows, each held once: pairs, sure mistakes, and those of the matrix's cells."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pandas as pd

from tlearn.pages.thumbnails import uri
from tlearn.reporting.page.doubts import name_of
from tlearn.reporting.wording import percent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tlearn.reporting import Report

__all__ = ["MOST_BYTES", "MOST_MISTAKES", "MOST_OF_A_CELL", "MOST_PAIRS", "Photos"]

MOST_BYTES = 2_300_000  # of JPEG; written as text they are a third more
MOST_PAIRS = 6
MOST_MISTAKES = 24
MOST_OF_A_CELL = 60
_OF_A_PAIR = 4
_LISTED = 12  # names for a cell of whose photos no picture was kept


class Photos:
    """The photos of a report for its page.

    Args:
        report: The report.

    Attributes:
        told: How many photos are shown of how many, in a sentence.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._rows = report.predictions
        self._place = {path: place for place, path in enumerate(self._rows["path"])}
        self._small = self._kept()
        self._shown: set[int] = set()
        self.told = self._telling()

    def pairs(self) -> list[dict[str, Any]]:
        """The kinds of mistake, the most frequent first, with photos of both classes side by side."""
        rows = self._rows
        right = rows[rows["correct"].astype(bool)]
        found = []
        for pair in self._report.confused_pairs.head(MOST_PAIRS).to_dict("records"):
            wrong = rows[(rows["label"] == pair["true"]) & (rows["predicted"] == pair["predicted"])]
            wrong = wrong.sort_values("probability", ascending=False, kind="stable")
            found.append(
                {
                    "true": pair["true"],
                    "predicted": pair["predicted"],
                    "count": pair["count"],
                    "share": percent(pair["share"]),
                    "wrong": self._pictured(wrong),
                    "like": self._pictured(right[right["label"] == pair["predicted"]]),
                }
            )
        return found

    def mistakes(self) -> dict[str, Any]:
        """The surest mistakes, with what spoke for each of the two classes."""
        overlays = self._report.run.overlays
        by_path = {} if overlays is None else overlays.set_index("path").to_dict("index")
        found = []
        for row in self._report.mistakes.head(MOST_MISTAKES).to_dict("records"):
            over = by_path.get(row["path"])
            place = self._place[row["path"]]
            pictures = (
                []
                if over is None
                else [
                    {"uri": uri(over[column]), "of": what}
                    for column, what in (
                        ("crop", "what the model sees"),
                        ("for_predicted", f"what spoke for {row['predicted']}"),
                        ("for_label", f"what spoke for {row['label']}"),
                    )
                    if over.get(column) is not None
                ]
            )
            small = self._picture(place) if over is None else None
            found.append(
                {
                    "name": name_of(self._report, row["path"]),
                    "label": row["label"],
                    "predicted": row["predicted"],
                    "probability": percent(row["probability"]),
                    "pictures": pictures,
                    "small": small,
                }
            )
        return {
            "rows": found,
            "total": len(self._report.mistakes),
            "overlaid": overlays is not None,
            "none_kept": overlays is not None and overlays.empty,
        }

    def store(self, classes: NDArray[np.int64]) -> dict[str, Any]:
        """The photos of the cells, as what the page's script reads.

        Args:
            classes: The numbers of the classes that the matrix shows.

        Returns:
            `photos`: by number, each with name, classes, probability and the picture, which is
            empty where the page shows it elsewhere; `cells`: from the cell's key to its photos.
        """
        names = pd.Index(self._report.run.class_names, dtype=object)
        rows = self._rows
        true = names.get_indexer(pd.Index(rows["label"].astype(object)))
        predicted = names.get_indexer(pd.Index(rows["predicted"].astype(object)))
        wanted = set(classes.tolist())
        known = pd.DataFrame(
            {
                "true": true,
                "predicted": predicted,
                "small": [place in self._small for place in range(len(rows))],
                "probability": rows["probability"],
            }
        )
        known = known[known["true"].isin(wanted) & known["predicted"].isin(wanted)]
        known = known.sort_values(["small", "probability"], ascending=False, kind="stable")
        photos: dict[int, list[str]] = {}
        cells: dict[str, list[int]] = {}
        for (of, taken), cell in known.groupby(["true", "predicted"], sort=False):
            pictured = cell.index[cell["small"]][:MOST_OF_A_CELL]
            listed = [] if len(pictured) else cell.index[:_LISTED]
            cells[f"{of}-{taken}"] = [int(place) for place in [*pictured, *listed]]
            for place in [*pictured, *listed]:
                photos[int(place)] = self._entry(int(place))
        return {"photos": photos, "cells": cells}

    def _kept(self) -> dict[int, bytes]:
        table = self._report.run.thumbnails
        found: dict[int, bytes] = {}
        room = MOST_BYTES
        for row in [] if table is None else table.itertuples(index=False):
            room -= len(row.jpeg)
            if room < 0:
                break
            if row.path in self._place:
                found[self._place[row.path]] = row.jpeg
        return found

    def _telling(self) -> str:
        total, kept = len(self._rows), len(self._small)
        if self._report.run.thumbnails is None:
            return (
                "No picture is shown: this run folder has no thumbnails.parquet, since it was made by "
                "an older version or the file was removed. Runs that are trained now have it."
            )
        wrong = ~self._rows["correct"].astype(bool)
        with_picture = sum(bool(wrong.iloc[place]) for place in self._small)
        return (
            f"Pictures of {kept:,} of {total:,} {self._report.split} photos are in this page: "
            f"{with_picture:,} of {int(wrong.sum()):,} mistakes, and some that were right."
        )

    def _pictured(self, rows: pd.DataFrame) -> list[dict[str, Any]]:
        places = [int(place) for place in rows.index if int(place) in self._small]
        return [self._picture(place) for place in places[:_OF_A_PAIR]]

    def _picture(self, place: int) -> dict[str, Any]:
        row = self._rows.iloc[place]
        small = self._small.get(place)
        # Shown a second time it takes the picture of the first.
        again = place in self._shown
        if small is not None:
            self._shown.add(place)
        return {
            "place": place,
            "uri": uri(small) if small is not None and not again else "",
            "again": again,
            "name": name_of(self._report, row["path"]),
            "file": PurePath(row["path"]).name,
            "predicted": row["predicted"],
            "probability": percent(row["probability"]),
        }

    def _entry(self, place: int) -> list[str]:
        row = self._rows.iloc[place]
        small = self._small.get(place)
        held = "" if small is None or place in self._shown else uri(small)
        return [name_of(self._report, row["path"]), percent(row["probability"]), held]
