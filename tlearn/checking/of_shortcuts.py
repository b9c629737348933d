"""Findings about what tells the class without being it."""

from __future__ import annotations

import pandas as pd

from tlearn.checking.finding import Finding

__all__ = ["find"]

# So many photos of the class are shown.
_SHOWN = 12


def find(photos: pd.DataFrame, shortcuts: pd.DataFrame) -> list[Finding]:
    """A finding for each shortcut, with photos of the class.

    Args:
        photos: Columns `path` and `label`.
        shortcuts: What `shortcuts.find` gives.

    Returns:
        `shortcut` for what comes from a camera or a program, `possible-shortcut` for what may be
        content.
    """
    found = []
    for row in shortcuts.to_dict("records"):
        of_class = photos["path"][photos["label"] == row["class"]]
        found.append(
            Finding(
                "shortcut" if row["of_the_file"] else "possible-shortcut",
                tuple((path,) for path in of_class.iloc[:_SHOWN]),
                f"{row['property']} tells {row['class']}: it finds {100 * row['found']:.0f} % of it, "
                f"and takes {100 * row['mistaken']:.0f} % of the others for it ({row['typical']})",
                count=len(of_class),
            )
        )
    return found
