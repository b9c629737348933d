"""Findings about labels that look wrong and photos that are like no other."""

from __future__ import annotations

import pandas as pd

from tlearn.checking.finding import Finding
from tlearn.datasets.dataset import short_list

__all__ = ["find"]


def find(suspects: pd.DataFrame, outliers: pd.DataFrame) -> list[Finding]:
    """Put what was judged by features among the findings.

    Args:
        suspects: The rows of `labelling.judging.Suspects.table` that are suspect.
        outliers: `labelling.judging.Suspects.outliers`.

    Returns:
        `suspect-label` and `outlier`, without those that there are none of.
    """
    changes = (
        suspects["given"].astype(str) + " that looks like " + suspects["suggested"].astype(str)
    )
    often = changes.value_counts()
    about = short_list((f"{change} ({count})" for change, count in often.items()), 3)
    notes = tuple(
        f"{given}, perhaps {suggested} ({100 * confidence:.0f} %)"
        for given, suggested, confidence in zip(
            suspects["given"], suspects["suggested"], suspects["confidence"], strict=True
        )
    )
    far = tuple(f"{score:.1f} deviations" for score in outliers["score"])
    found = [
        Finding("suspect-label", tuple((path,) for path in suspects["path"]), about, notes=notes),
        Finding(
            "outlier",
            tuple((path,) for path in outliers["path"]),
            "far from all others in what the backbone sees",
            notes=far,
        ),
    ]
    return [one for one in found if one.groups]
