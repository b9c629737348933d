"""Which photos belong together, so that no split may part them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tlearn.datasets import Dataset
from tlearn.datasets.bundles import joined
from tlearn.inspection import similar
from tlearn.inspection.bursts import bursts
from tlearn.inspection.looking import Looks, look
from tlearn.progress import SILENT, Progress

__all__ = ["Belonging", "belonging", "in_words", "leaks"]

# Where so large a part of all photos hangs together, likeness does not tell copies: all are scans of one
# form, say.
_LARGE_SHARE = 0.2
_LARGE = 20


@dataclass(frozen=True)
class Belonging:
    """Which photos of a data set belong together.

    Args:
        dataset: The data set; its examples have the column `bundle`: the SHA-256 of the photo that
            stands for all that belong together with this one, its own where it is alone.
        looks: What its photos are like.
        ties: One row per pair: `first` and `second`, row numbers of the examples; `kind`:
            `"exact"`, `"near"`, `"mirrored"` or `"burst"`; `similarity`, 0.9 to 1, of a burst NaN.
    """

    dataset: Dataset
    looks: Looks
    ties: pd.DataFrame


def belonging(data: Dataset, *, progress: Progress = SILENT) -> Belonging:
    """Find the photos that belong together: copies, near-duplicates, bursts.

    The photo that stands for a bundle decides its place in a split. It is the one that was first
    seen on this machine; of several, the one that was taken first, has most pixels, most bytes, the
    smallest digest. So a photo that is added moves no old one, unless it ties it to other old ones. Where
    the cache folder was emptied, all count as seen at once, and a larger or earlier new
    photo may stand for an old one.

    Args:
        data: The photos.
        progress: Who watches. Warned where so many are alike that likeness means nothing.

    Returns:
        The data set with bundles, and what they were made of.
    """
    looks = look(data.examples, progress=progress)
    ties = pd.concat([similar.pairs(looks, progress=progress), bursts(looks)], ignore_index=True)
    of_row = _components(len(looks.table), ties)
    largest = int(np.bincount(of_row).max(initial=0))
    if largest > max(_LARGE, _LARGE_SHARE * len(of_row)):
        progress.warn(
            f"{largest:,} of {len(of_row):,} photos hang together by their likeness, so that it does "
            "not tell copies here: only files with the same bytes are kept on one side of the split"
        )
        ties = ties[ties["kind"] == "exact"].reset_index(drop=True)
        of_row = _components(len(looks.table), ties)
    leader = _leaders(looks.table, of_row)
    digests = looks.table["digest"].to_numpy()
    examples = data.examples.assign(bundle=pd.Series(digests[leader], dtype=object))
    return Belonging(dataclasses.replace(data, examples=examples), looks, ties)


def leaks(examples: pd.DataFrame, ties: pd.DataFrame) -> pd.DataFrame:
    """Photos whose like stands in another split, from which a model knows them.

    Args:
        examples: The photos of `Belonging.dataset`, every one with a split.
        ties: `Belonging.ties`.

    Returns:
        One row per validation or test photo that has its like in a split before its own, of
        train, validation and test. Columns: `path`, `split`, `label`; `known_as`, `known_from`,
        `known_label`: path, split and label of its like; `kind`, `similarity`.
    """
    place = {"train": 0, "validation": 1, "test": 2}
    order = examples["split"].map(place).to_numpy(float)
    rows = []
    for tie in ties.to_dict("records"):
        pair = sorted((tie["first"], tie["second"]), key=lambda row: order[row])
        if order[pair[0]] < order[pair[1]]:
            rows.append((pair[1], pair[0], tie["kind"], tie["similarity"]))
    direct = {row for row, *_ in rows}
    for _, together in examples.groupby("bundle", sort=False):
        for row in together.index:
            earlier = together.index[order[together.index] < order[row]]
            if len(earlier) and row not in direct:
                rows.append((row, int(earlier[0]), "through others", np.nan))
    columns = ["row", "like", "kind", "similarity"]
    table = pd.DataFrame(rows, columns=columns).sort_values(
        ["row", "similarity"], ascending=[True, False], kind="stable"
    )
    table = table.drop_duplicates("row")
    own, like = examples.loc[table["row"]], examples.loc[table["like"]]
    return pd.DataFrame(
        {
            **{name: own[name].to_numpy() for name in ("path", "split", "label")},
            "known_as": like["path"].to_numpy(),
            "known_from": like["split"].to_numpy(),
            "known_label": like["label"].to_numpy(),
            "kind": table["kind"].to_numpy(),
            "similarity": table["similarity"].to_numpy(float),
        }
    )


def _components(count: int, ties: pd.DataFrame) -> np.ndarray:
    """For each photo the row that stands for all that hang together with it, `(photos,)`."""
    alone = zip(range(count), range(count), strict=True)
    pairs = zip(ties["first"].tolist(), ties["second"].tolist(), strict=True)
    standing = joined([*alone, *pairs])
    return np.array([standing[row] for row in range(count)], np.int64)


def _leaders(table: pd.DataFrame, of_row: np.ndarray) -> np.ndarray:
    """For each photo the row of the one that stands for it."""
    ranked = pd.DataFrame(
        {
            "component": of_row,
            "first_seen": table["first_seen"],
            "taken": table["taken"],
            "pixels": -(table["width"] * table["height"]).fillna(0).astype("int64"),
            "bytes": -table["bytes"].fillna(0).astype("int64"),
            "digest": table["digest"],
        }
    )
    ranked = ranked.sort_values(list(ranked.columns[1:]), kind="stable")
    first = ranked.drop_duplicates("component").reset_index().set_index("component")["index"]
    return first.loc[of_row].to_numpy()


def in_words(table: pd.DataFrame) -> Iterator[str]:
    """What is said of leaks between given splits.

    Args:
        table: As `leaks` gives it.

    Yields:
        A sentence for each split that has some.
    """
    for split, some in table.groupby("split", sort=False):
        photos = "1 photo" if len(some) == 1 else f"{len(some):,} photos"
        first = some.iloc[0]
        yield (
            f"{photos} of the given {split} split can be known from another split, which makes "
            f"scores look better than they are. The first: {first['path']} = {first['known_as']}"
        )
