"""What the accuracy is without photos that a model may know from another split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from tlearn.evaluation.figures import evaluate

__all__ = ["without"]


def without(
    predictions: pd.DataFrame, leaking: Iterable[str], class_names: Sequence[str], *, seed: int = 0
) -> dict[str, Any]:
    """The accuracy on the other photos.

    Args:
        predictions: Columns `path`, `label` and `predicted`, one row per photo of the split that is
            reported.
        leaking: Paths of photos that can be known from another split.
        class_names: All classes, in order.
        seed: For the bootstrap.

    Returns:
        `photos`, how many of the split can be known, and `accuracy`, `low` and `high` of the
        others, fractions 0..1 with the 95 % interval; `None` where no photo is left. Only
        `photos`, 0, where none can be known.
    """
    known = predictions["path"].isin(set(leaking))
    if not known.any():
        return {"photos": 0}
    found: dict[str, Any] = {
        "photos": int(known.sum()),
        "accuracy": None,
        "low": None,
        "high": None,
    }
    if not known.all():
        summary = evaluate(predictions[~known], class_names, seed=seed).summary
        row = summary.set_index("metric").loc["accuracy"]
        found |= {"accuracy": float(row["value"])}
        found |= {"low": float(row["low"]), "high": float(row["high"])}
    return found
