"""The confusion matrix as a table of buttons; of many classes those that are confused most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tlearn.reporting import Report

__all__ = ["ALL_CLASSES", "LEVELS", "MOST_CLASSES", "of", "shown"]

ALL_CLASSES = 100  # up to which all are shown
MOST_CLASSES = 40  # of more, those with the most mistakes
LEVELS = 20  # of colour; a page that may have no style attributes names them by class


def shown(report: Report) -> NDArray[np.int64]:
    """The numbers of the classes that are shown, in class order."""
    counts = report.confusion.to_numpy()
    if len(counts) <= ALL_CLASSES:
        return np.arange(len(counts))
    wrong = counts - np.diag(np.diag(counts))
    mistakes = wrong.sum(axis=0) + wrong.sum(axis=1)
    return np.sort(np.argsort(-mistakes, kind="stable")[:MOST_CLASSES])


def of(report: Report) -> dict[str, Any]:
    """The matrix: a row per true class, a cell per predicted class.

    Of classes that are not shown the last column holds the sum, so that each row is whole.
    """
    counts = report.confusion.to_numpy()
    names = [str(name) for name in report.confusion.columns]
    places = shown(report)
    rest = np.setdiff1d(np.arange(len(counts)), places)
    return {
        "names": [names[place] for place in places],
        "rows": [
            {
                "name": names[true],
                "cells": [
                    _cell(counts, true, predicted, names) if counts[true, predicted] else None
                    for predicted in places
                ],
                "rest": int(counts[true, rest].sum()),
                "photos": int(counts[true].sum()),
            }
            for true in places
        ],
        "classes": len(names),
        "has_rest": bool(len(rest)),
    }


def _cell(counts: NDArray[np.int64], true: int, predicted: int, names: list[str]) -> dict[str, Any]:
    count, photos = int(counts[true, predicted]), int(counts[true].sum())
    share = count / photos
    taken = "known" if true == predicted else f"taken for {names[predicted]}"
    return {
        "key": f"{true}-{predicted}",
        "count": count,
        "share": f"{100 * share:.0f}" if share >= 0.005 else "<1",
        # Mistakes are few: by the root of their share they are seen from the first.
        "level": max(1, round(LEVELS * (share if true == predicted else share**0.5))),
        "right": true == predicted,
        "label": f"{count:,} of {photos:,} photos of {names[true]} {taken}",
    }
