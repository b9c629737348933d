"""Where runs differ: class by class, and photo by photo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlearn.comparing.matching import Matched
from tlearn.comparing.paired import newcombe
from tlearn.evaluation.cells import ratio

__all__ = ["per_class"]

Array = NDArray[Any]


def per_class(
    matched: Matched, names: Sequence[str], true: Array, answers: Sequence[Array]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What changed in each class, and which photos.

    Args:
        matched: The photos.
        names: Of the runs.
        true: Class numbers of the photos in `matched.all_names`.
        answers: Likewise what each run answers.

    Returns:
        First a row per run but the first, and per class: `run`, `against`, `class`, `photos`,
        `recall_first`, `recall_second`, `recall_difference` with its 95 % interval
        `recall_low`, `recall_high` (Newcombe's for pairs), `fixed`, `broken` (photos of the class),
        `precision_first`, `precision_second`, `f1_first`, `f1_second`, `f1_difference`.

        Then a row per photo that two runs answer differently: `run`, `against`, `change` (`broken`,
        `fixed`, or `otherwise wrong`), `path` and `digest` as in the first run, `label`, `first`,
        `first_probability`, `second`, `second_probability`; what was broken first, and of these what
        the second run is surest of.
    """
    classes, changes = [], []
    for place in range(1, len(answers)):
        about = {"run": names[place], "against": names[0]}
        classes.append(_classes(matched, true, answers[0], answers[place]).assign(**about))
        changes.append(_changes(matched.photos, true, answers[0], answers[place], place, about))
    found = pd.concat(classes, ignore_index=True)
    front = ["run", "against"]
    found = found[[*front, *(name for name in found if name not in front)]]
    return found, pd.concat(changes, ignore_index=True)


def _classes(matched: Matched, true: Array, first: Array, second: Array) -> pd.DataFrame:
    size = len(matched.all_names)
    places = [matched.all_names.index(name) for name in matched.class_names]
    right, also = first == true, second == true

    def count(of: Array, where: Array | None = None) -> Array:
        return np.bincount(of if where is None else of[where], minlength=size)[places]

    photos, fixed, broken = count(true), count(true, ~right & also), count(true, right & ~also)
    both = count(true, right & also)
    low, high = newcombe(both, broken, fixed, photos - both - broken - fixed)
    given = count(first), count(second)
    hits = both + broken, both + fixed
    columns: dict[str, Any] = {"class": matched.class_names, "photos": photos}
    for name, one in zip(("first", "second"), hits, strict=True):
        columns[f"recall_{name}"] = ratio(one, photos)
    columns |= {
        "recall_difference": ratio(hits[1], photos) - ratio(hits[0], photos),
        "recall_low": low,
        "recall_high": high,
        "fixed": fixed,
        "broken": broken,
    }
    for name, one, answered in zip(("first", "second"), hits, given, strict=True):
        columns[f"precision_{name}"] = ratio(one, answered)
        columns[f"f1_{name}"] = ratio(2 * one, photos + answered)
    columns["f1_difference"] = columns["f1_second"] - columns["f1_first"]
    return pd.DataFrame(columns)


def _changes(
    photos: pd.DataFrame,
    true: Array,
    first: Array,
    second: Array,
    place: int,
    about: dict[str, str],
) -> pd.DataFrame:
    change = np.select(
        [(first == true) & (second != true), (first != true) & (second == true)],
        ["broken", "fixed"],
        "otherwise wrong",
    )
    table = pd.DataFrame(
        {
            **{name: [value] * len(photos) for name, value in about.items()},
            "change": change,
            "path": photos["path"],
            "digest": photos["digest"],
            "label": photos["label"],
            "first": photos["predicted_0"],
            "first_probability": photos["probability_0"],
            "second": photos[f"predicted_{place}"],
            "second_probability": photos[f"probability_{place}"],
        }
    )
    table = table[first != second]
    order = table["change"].map({"broken": 0, "fixed": 1, "otherwise wrong": 2})
    table = table.assign(order=order).sort_values(
        ["order", "second_probability"], ascending=[True, False], kind="stable"
    )
    return table.drop(columns="order")
