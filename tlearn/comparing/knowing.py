"""Which of the compared photos a run may know from its training: a leak between runs.

Each run keeps its own training and test photos apart. That does not keep the training photos of one
run out of the test photos of another: with another seed, other near-duplicates tied together, or
splits made by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from tlearn.runs import Run

__all__ = ["notes"]

_SEEN = ("train", "validation")


def notes(
    runs: Sequence[Run],
    names: Sequence[str],
    tables: Sequence[pd.DataFrame],
    photos: pd.DataFrame,
    *,
    by_path: bool,
) -> list[str]:
    """Say which photos were left out as one run has trained on them, and which remain that it may know.

    Args:
        runs: The runs.
        names: What to call them.
        tables: The photos that each is measured on: `digest`, `split`.
        photos: Those that all are measured on: `digest`.
        by_path: Whether `digest` holds paths.

    Returns:
        A sentence for each run that it is true of.
    """
    column = "path" if by_path else "digest"
    seen = [_seen(run, table, column) for run, table in zip(runs, tables, strict=True)]
    told = []
    for place, name in enumerate(names):
        for owner, table in enumerate(tables):
            if owner != place and (count := int(table["digest"].isin(seen[place]).sum())):
                told.append(
                    f"{count:,} photos that {names[owner]} was tested on had a part in the training "
                    f"of {name}, and were left out: do not set {name}'s own figures beside those "
                    f"of {names[owner]}."
                )
    like = _likes(runs, column)
    known = [
        frozenset(key for key in photos["digest"] if like.get(key, {key}) & of_run)
        for of_run in seen
    ]
    for place, name in enumerate(names):
        others = [other for at, other in enumerate(known) if at != place]
        only = known[place] - frozenset.intersection(*others)
        if only:
            told.append(
                f"{len(only):,} of the compared photos show the same as photos that {name} was "
                "trained on, and not all others were: it may know them, which favours it."
            )
    return told


def _seen(run: Run, measured: pd.DataFrame, column: str) -> frozenset[str]:
    """Keys of the photos that trained or steered a run, less those it is measured on itself."""
    splits = run.splits
    wanted = splits["split"].isin(_SEEN) & (splits["split"] != measured["split"].iloc[0])
    return frozenset(splits.loc[wanted, column])


def _likes(runs: Sequence[Run], column: str) -> dict[str, set[str]]:
    """For each photo those that show the same, as far as any of the runs knows."""
    found: dict[str, set[str]] = {}
    for run in runs:
        if "bundle" not in run.splits:
            continue
        bundles = run.splits["bundle"]
        tied = run.splits[bundles.duplicated(keep=False) & (bundles != "")]
        for _, keys in tied.groupby("bundle")[column]:
            for key in keys:
                found.setdefault(key, set()).update(keys)
    return found
