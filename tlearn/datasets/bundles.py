"""Photos that must stay on one side of every split, each bundle with its place on a line.

Two photos are tied when their files hold the same bytes, when they show the same, or when they are of
one group; so are photos that are tied through others. No TensorFlow here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

__all__ = ["Bundle", "bundles", "joined", "of_examples"]

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class Bundle:
    """Photos that are tied together.

    Args:
        rows: Their row numbers, in order.
        place: From 0 to below 1, evenly spread over bundles, from the seed and the content only.
    """

    rows: tuple[int, ...]
    place: float


def of_examples(
    examples: pd.DataFrame, rows: Sequence[int] | None = None, *, seed: int
) -> list[Bundle]:
    """Tie the photos of a data set into bundles.

    Args:
        examples: Columns `digest`, `group` and, where it is known which photos show the same,
            `bundle`, as `tlearn.inspection.belonging` gives it.
        rows: The row numbers that take part, all by default; all others are passed over.
        seed: Another seed gives other places.

    Returns:
        As `bundles`.
    """
    groups = [None if pd.isna(group) else str(group) for group in examples["group"]]
    digests = list(examples["bundle" if "bundle" in examples else "digest"])
    return bundles(digests, groups, range(len(digests)) if rows is None else rows, seed=seed)


def bundles(
    digests: Sequence[str], groups: Sequence[str | None], rows: Sequence[int], *, seed: int
) -> list[Bundle]:
    """Tie photos into bundles.

    A bundle's place comes from its digest or, where it has groups, from these alone: a copy of a
    photo, or one more photo of a group, changes no place.

    Args:
        digests: What each photo's bytes hash to, or those of the photo that stands for it.
        groups: Each photo's group, or `None`.
        rows: The row numbers that take part; all others are passed over.
        seed: Another seed gives other places.

    Returns:
        The bundles, in the order of their first rows. Every one of `rows` is in exactly one.

    Example:

    ```python
    bundles(["a", "b", "a"], [None, None, None], [0, 1, 2], seed=0)  # rows (0, 2) and (1,)
    ```
    """
    ties = []
    for row in rows:
        digest, group = ("digest", digests[row]), groups[row]
        ties.append((digest, digest if group is None else ("group", group)))
    standing = joined(ties)
    members: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        members.setdefault(standing["digest", digests[row]], []).append(row)
    return [
        Bundle(tuple(together), _place(seed, together, digests, groups))
        for together in members.values()
    ]


def joined(ties: Iterable[tuple[_Key, _Key]]) -> dict[_Key, _Key]:
    """Join pairs into sets of all that hang together.

    Args:
        ties: The pairs. A key that is tied to itself stands alone, unless others tie it.

    Returns:
        For each key, in the order in which they were met, the key that stands for its set: the same one
        for all of a set.
    """
    parent: dict[_Key, _Key] = {}

    def root(key: _Key) -> _Key:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for one, other in ties:
        first = root(one)
        parent[root(other)] = first
    return {key: root(key) for key in list(parent)}


def _place(
    seed: int, rows: list[int], digests: Sequence[str], groups: Sequence[str | None]
) -> float:
    names = {f"group:{groups[row]}" for row in rows if groups[row] is not None}
    # Without a group, only copies of one file are tied, which share their digest. Of several
    # groups the smallest hash counts, so that of two bundles that become one, one stays put.
    names = names or {f"digest:{digests[rows[0]]}"}
    return min(_hash(f"{seed}:{name}") for name in names)


def _hash(text: str) -> float:
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()
    # 53 bits are what a float holds exactly.
    return (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)
