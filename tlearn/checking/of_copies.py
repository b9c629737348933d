"""Findings about photos that are the same, or nearly: copies, conflicts, leaks, bursts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pandas as pd

from tlearn.checking.finding import Finding
from tlearn.datasets.bundles import joined
from tlearn.datasets.dataset import short_list

__all__ = ["find"]

_Groups = list[tuple[str, ...]]


def find(examples: pd.DataFrame, ties: pd.DataFrame, leaks: pd.DataFrame) -> list[Finding]:
    """Find copies, and what is wrong with where they stand.

    Args:
        examples: A row for each photo that can be read; columns `path`, `label`, `digest`.
        ties: Which photos belong together, as `inspection.Belonging.ties` has them.
        leaks: Which photos are known from another split, as `inspection.leaks` has them. A pair
            that leaks is not told of again as a copy.

    Returns:
        The findings, without those that there are none of.
    """
    path = examples["path"].to_numpy()
    label = dict(zip(examples["path"], examples["label"], strict=True))
    leaking = {frozenset(pair) for pair in zip(leaks["path"], leaks["known_as"], strict=True)}
    conflicts, copies = [], []
    for _, paths in examples.groupby("digest", sort=False)["path"]:
        group = tuple(paths)
        if len(group) < 2:
            continue
        if len({label[one] for one in group}) > 1:
            conflicts.append(group)
        elif frozenset(group) not in leaking:
            copies.append(group)
    near_conflicts: _Groups = []
    near: list[tuple[str, str]] = []
    bursts: list[tuple[str, str]] = []
    for first, second, kind in zip(ties["first"], ties["second"], ties["kind"], strict=True):
        pair = (str(path[first]), str(path[second]))
        if kind == "exact" or frozenset(pair) in leaking:
            continue
        if kind == "burst":
            bursts.append(pair)
        elif label[pair[0]] != label[pair[1]]:
            near_conflicts.append(pair)
        else:
            near.append(pair)
    known = leaks.to_dict("records")
    found = [
        Finding("label-conflict", tuple(conflicts), _which(conflicts, label)),
        Finding(
            "leak",
            tuple((row["known_as"], row["path"]) for row in known),
            _how_many(leaks),
            notes=tuple(
                f"{row['kind']}, in {row['known_from']} and {row['split']}" for row in known
            ),
        ),
        Finding("near-label-conflict", tuple(near_conflicts), _which(near_conflicts, label)),
        Finding("exact-duplicates", tuple(copies), _together(copies)),
        Finding("near-duplicates", (series := tuple(_chains(near))), _together(series)),
        Finding("burst", (series := tuple(_chains(bursts))), _together(series)),
    ]
    return [one for one in found if one.groups]


def _which(groups: Sequence[Sequence[str]], label: dict[str, str]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for group in groups:
        counts[" and ".join(sorted({label[path] for path in group}))] += 1
    often = sorted(counts.items(), key=lambda item: -item[1])
    return short_list((f"{names} ({count})" for names, count in often), 3)


def _how_many(leaks: pd.DataFrame) -> str:
    counts = leaks.groupby(["split", "known_from"], sort=False).size()
    return ", ".join(
        f"{count:,} photos of {split} are known from {source}"
        for (split, source), count in counts.items()
    )


def _together(groups: Sequence[Sequence[str]]) -> str:
    photos, largest = sum(map(len, groups)), max(map(len, groups), default=0)
    return f"{photos:,} photos, at most {largest} together"


def _chains(pairs: Sequence[tuple[str, str]]) -> _Groups:
    """Chains of pairs as groups, each in the order in which its photos were met."""
    groups: dict[str, list[str]] = defaultdict(list)
    for path, standing in joined(pairs).items():
        groups[standing].append(path)
    return [tuple(group) for group in groups.values()]
