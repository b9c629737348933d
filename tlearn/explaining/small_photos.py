"""Small pictures of the photos that matter to a report, within a budget of bytes."""

from __future__ import annotations

import pandas as pd

from tlearn import processors
from tlearn.pages.thumbnails import small

__all__ = ["BUDGET", "SIDE", "by_importance", "thumbnails"]

SIDE = 112
BUDGET = 2_300_000  # bytes; about 1,000 photos
_RIGHT = 4  # photos of each class that were right


def thumbnails(predictions: pd.DataFrame, *, budget: int = BUDGET) -> pd.DataFrame:
    """Make them.

    Args:
        predictions: The photos that are reported: columns `path`, `label`, `predicted`, `correct`,
            `probability`.
        budget: The most bytes of all pictures together.

    Returns:
        Columns `path` and `jpeg` (at most `SIDE` pixels a side, upright), the most important
        first; see `by_importance`. Photos that cannot be read now are not among them.
    """
    rows: list[tuple[str, bytes]] = []
    paths = list(by_importance(predictions)["path"])
    for group in processors.in_threads(lambda path: (path, small(path, SIDE)), paths):
        for path, picture in group:
            if picture is None:
                continue
            budget -= len(picture)
            if budget < 0:
                return _table(rows)
            rows.append((path, picture))
    return _table(rows)


def by_importance(predictions: pd.DataFrame) -> pd.DataFrame:
    """The photos of which pictures are kept, the most important first.

    Args:
        predictions: As for `thumbnails`.

    Returns:
        All mistakes and four right ones of each class. In turns: the surest mistake of each cell
        of the confusion matrix and the surest right photo of each class, the most frequent kinds
        first, then the second of each, and so on; so that a budget leaves out the tenth of a kind before the first of another.
    """
    ordered = predictions.sort_values("probability", ascending=False, kind="stable")
    kinds = ordered.groupby(["label", "predicted"], sort=False)["path"]
    turn = kinds.cumcount()
    order = ordered.assign(turn=turn, rare=-kinds.transform("size"))
    wanted = order[(~order["correct"].astype(bool)) | (turn < _RIGHT)]
    wanted = wanted.sort_values(["turn", "rare"], kind="stable")
    return predictions.loc[wanted.index].reset_index(drop=True)


def _table(rows: list[tuple[str, bytes]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "path": pd.Series([path for path, _ in rows], dtype=object),
            "jpeg": pd.Series([picture for _, picture in rows], dtype=object),
        }
    )
