"""Which photos two runs and more can be compared on: those that each of them was tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tlearn.comparing import knowing
from tlearn.errors import RunError
from tlearn.evaluation import measured_split
from tlearn.runs import Run

__all__ = ["Matched", "match"]

_NAMED = 5  # classes that a message lists


@dataclass(frozen=True)
class Matched:
    """The photos that all runs were tested on.

    Args:
        photos: One row per photo: `path` (as in the first run), `digest`, `label`, and for the run
            at place N `predicted_N` and `probability_N`.
        class_names: The classes that all runs know, in the first run's order.
        all_names: Those that any run knows, likewise; what may have been answered.
        split: The split that is measured.
        notes: What a reader must know of the choice, a sentence each.
    """

    photos: pd.DataFrame
    class_names: tuple[str, ...]
    all_names: tuple[str, ...]
    split: str
    notes: tuple[str, ...]


def match(runs: Sequence[Run], names: Sequence[str], *, intersect: bool) -> Matched:
    """Find the photos that all runs were tested on, by the content of their files.

    A folder that has moved has other paths and the same content. Where a run holds no digests, the
    paths decide.

    Args:
        runs: Two runs or more.
        names: What to call them.
        intersect: Go on where the runs were tested on different photos, with those they share.

    Returns:
        What can be compared.

    Raises:
        RunError: The test sets differ and `intersect` is not given, or nothing is left.
    """
    tables = [_measured(run) for run in runs]
    by_path = any((table["digest"] == "").any() for table in tables)
    if by_path:
        tables = [table.assign(digest=table["path"]) for table in tables]
    tables = [_keyed(table) for table in tables]
    trouble = _trouble(runs, names, tables)
    if trouble and not intersect:
        raise RunError(
            f"These runs cannot be compared as they are: {' '.join(trouble)} Figures of different "
            "photos say little of the difference. Train again with the same photos and --seed, or "
            "give --intersect to compare on what they share. "
            f"Received: compare={list(names)}"
        )
    shared = [name for name in runs[0].class_names if all(name in run.class_names for run in runs)]
    everything = dict.fromkeys(name for run in runs for name in run.class_names)
    photos = _joined(tables)
    photos = photos[photos["label"].isin(shared)].reset_index(drop=True)
    if photos.empty:
        raise RunError(
            "No photo is left that all these runs were tested on with the same label, so that there "
            "is nothing to compare. Expected runs on the same data set: train them with the same "
            f"photos and --seed. Received: compare={list(names)}"
        )
    notes = list(trouble)
    if trouble:
        sizes = ", ".join(
            f"{len(table):,} of {name}" for name, table in zip(names, tables, strict=True)
        )
        notes.append(f"{len(photos):,} photos are left that all were tested on, of {sizes}.")
    if by_path:
        notes.append("Photos were matched by their paths, since a run holds no digests.")
    notes += knowing.notes(runs, names, tables, photos, by_path=by_path)
    splits = {table["split"].iloc[0] for table in tables}
    split = splits.pop() if len(splits) == 1 else "measured"
    if split == "validation":
        notes.append(
            "There is no test split: these validation photos chose the weights of each run, so that "
            "no figure here is of photos it had no part in."
        )
    return Matched(photos, tuple(shared), tuple(everything), split, tuple(notes))


def _measured(run: Run) -> pd.DataFrame:
    """The photos that a run is measured on, with their digests; an empty text where unknown."""
    columns = ["path", "split", "label", "predicted", "probability"]
    table = run.read_predictions(columns)
    if table.empty:
        raise run.damaged("it has no predictions")
    table = table[table["split"] == measured_split(table)].reset_index(drop=True)
    digests = dict(zip(run.splits["path"], run.splits["digest"], strict=True))
    return table.assign(digest=[digests.get(path) or "" for path in table["path"]])


def _keyed(table: pd.DataFrame) -> pd.DataFrame:
    """With a `copy` number, that tells apart photos of the same bytes, the first of which has 0."""
    table = table.sort_values(["digest", "label", "path"], kind="stable", ignore_index=True)
    return table.assign(copy=table.groupby("digest", sort=False).cumcount())


def _joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    key = ["digest", "copy", "label"]
    photos = tables[0][["path", *key]]
    for place, table in enumerate(tables):
        answers = table[[*key, "predicted", "probability"]].rename(
            columns={"predicted": f"predicted_{place}", "probability": f"probability_{place}"}
        )
        photos = photos.merge(answers, on=key, how="inner")
    return photos.drop(columns="copy")


def _trouble(
    runs: Sequence[Run], names: Sequence[str], tables: Sequence[pd.DataFrame]
) -> list[str]:
    """What keeps the runs from being compared as they are, a sentence each."""
    found = []
    first, name = tables[0], names[0]
    for run, other, table in zip(runs[1:], names[1:], tables[1:], strict=True):
        splits = first["split"].iloc[0], table["split"].iloc[0]
        if splits[0] != splits[1]:
            found.append(
                f"{name} is measured on its {splits[0]} photos and {other} on its {splits[1]} "
                "photos, of which those for validation chose the weights."
            )
        if set(run.class_names) != set(runs[0].class_names):
            lacks = [one for one in runs[0].class_names if one not in run.class_names]
            more = [one for one in run.class_names if one not in runs[0].class_names]
            told = [f"{other} lacks {_listed(lacks)}"] if lacks else []
            told += [f"{name} lacks {_listed(more)}"] if more else []
            found.append(f"They know different classes: {' and '.join(told)}.")
        both = first.merge(table, on=["digest", "copy"], suffixes=("", "_other"))
        if len(both) < max(len(first), len(table)):
            found.append(
                f"{name} was measured on {len(first):,} photos and {other} on {len(table):,}, of "
                f"which {len(both):,} are the same."
            )
        if moved := int((both["label"] != both["label_other"]).sum()):
            found.append(f"{moved:,} of the same photos have another label in {other}.")
    return found


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more
