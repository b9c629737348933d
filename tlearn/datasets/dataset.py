"""The value that every source of photos becomes. No TensorFlow here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from tlearn.files.names import natural_sorted

__all__ = ["Dataset", "Listing", "SPLITS", "in_order", "short_list", "table_of", "two_faced"]

SPLITS = ("train", "validation", "test")
LEAK_COLUMNS = (
    "path",
    "split",
    "label",
    "known_as",
    "known_from",
    "known_label",
    "kind",
    "similarity",
)


@dataclass(frozen=True)
class Dataset:
    """Photos that can be read, and the classes they stand for.

    Args:
        name: A short name, for run folders: `"clothing"`, `"tf_flowers"`.
        source: What the user gave.
        examples: One row per readable photo, natural-sorted by label, then path. Columns:
            `path` (str, absolute), `label` (str), `split` (`"train"`, `"validation"`, `"test"`
            or `None` while undecided), `group` (str or `None`), `digest` (SHA-256 of the file's
            bytes, in hex), `decoder` (`"graph"` or `"pillow"`). Where photos were compared, also
            `bundle`, see `tlearn.inspection.belonging`. Where a table of corrections was
            applied, also `given_label` (str or `None`), see `corrections.corrected`.
        class_names: All classes, natural-sorted; a class's index is its place here.
        skipped: One row per file that was left out. Columns: `path`, `reason`.
        corrections: What a table of corrections did, see `corrections.corrected`; empty without one.
        leaks: Photos that can be known from another split, see `tlearn.inspection.leaks`; empty where
            nobody has looked.
    """

    name: str
    source: str
    examples: pd.DataFrame
    class_names: tuple[str, ...]
    skipped: pd.DataFrame
    corrections: Mapping[str, Any] = field(default_factory=dict)
    leaks: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(LEAK_COLUMNS)))

    def count(self, split: str) -> int:
        """How many photos a split has.

        Args:
            split: One of `SPLITS`.
        """
        return int((self.examples["split"] == split).sum())


@dataclass(frozen=True)
class Listing:
    """What a source says it holds, before any photo has been looked at.

    Args:
        name: A short name for the data set.
        examples: Columns `path`, `label`, `split`, `group`, as in `Dataset`.
        class_names: Every class the source names, also one that holds nothing.
        skipped: Files that are left out already, as `(path, reason)`.
        advice: How to mend the source should it turn out to be no data set; may be empty.
    """

    name: str
    examples: pd.DataFrame
    class_names: tuple[str, ...]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    advice: str = ""


def two_faced(examples: pd.DataFrame) -> pd.DataFrame:
    """Photos that stand, byte for byte the same, under more than one class.

    Args:
        examples: Columns `digest`, `label`.

    Returns:
        Their rows.
    """
    labels = examples.groupby("digest", sort=False)["label"].nunique()
    return examples[examples["digest"].isin(labels.index[labels > 1])]


def table_of(columns: dict[str, Iterable[object]]) -> pd.DataFrame:
    """A table of Python objects, in which `None` stays `None` under every version of pandas.

    Args:
        columns: The values of each column, by its name.

    Returns:
        The table, every column of dtype `object`.
    """
    return pd.DataFrame(
        {name: pd.Series(list(values), dtype=object) for name, values in columns.items()}
    )


def in_order(examples: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Photos in the order that a `Dataset` has them in.

    Args:
        examples: Columns `path` and `label`, among others.
        class_names: All classes, in their order.

    Returns:
        The table, natural-sorted by label, then path, with its rows numbered anew.
    """
    by_class = {name: place for place, name in enumerate(class_names)}
    by_path = {path: place for place, path in enumerate(natural_sorted(set(examples["path"])))}
    places = pd.DataFrame(
        {
            "label": [by_class[label] for label in examples["label"]],
            "path": [by_path[path] for path in examples["path"]],
        },
        index=examples.index,
    )
    order = places.sort_values(["label", "path"], kind="stable").index
    return examples.loc[order].reset_index(drop=True)


def short_list(names: Iterable[str], most: int = 5) -> str:
    """The first few names for a message, and how many more there are.

    Args:
        names: The names.
        most: How many are written out.

    Returns:
        Such as `"a, b, c and 7 more"`.
    """
    names = list(names)
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
