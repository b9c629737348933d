"""Findings about photos that are the same, or nearly: copies, conflicts, leaks, bursts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import pandas as pd

from tlearn.checking.finding import Finding
from tlearn.datasets.dataset import short_list

__all__ = ["find"]

_Groups = list[tuple[str, ...]]


def find(
    photos: pd.DataFrame, pairs: pd.DataFrame, bursts: Sequence[Sequence[str]]
) -> list[Finding]:
    """Find copies, and what is wrong with where they stand.

    A photo that is the same byte for byte is told of once, as the worst that it is: a conflict, a
    leak, a copy; so is a pair that is nearly the same.

    Args:
        photos: A row for each photo that could be read; columns `path`, `label`, `split` (`None`
            where none is given), `digest`.
        pairs: Photos that are nearly the same; columns `first` and `second` (paths), `kind` (what
            was done to one of them, such as `"resized"`).
        bursts: Series of photos taken within seconds, as paths.

    Returns:
        The findings, without those that there are none of.
    """
    label = dict(zip(photos["path"], photos["label"], strict=True))
    split = dict(zip(photos["path"], photos["split"], strict=True))
    conflicts, leaks, copies, near_conflicts, near = [], [], [], [], []
    leak_notes: list[str] = []
    for _, paths in photos.groupby("digest", sort=False)["path"]:
        if len(paths) < 2:
            continue
        group = tuple(paths)
        if len({label[path] for path in group}) > 1:
            conflicts.append(group)
        if _differ(split[path] for path in group):
            leaks.append(group)
            leak_notes.append(_between(group, split, "the same bytes"))
        elif len({label[path] for path in group}) == 1:
            copies.append(group)
    of_digest = dict(zip(photos["path"], photos["digest"], strict=True))
    kinds = pairs["kind"] if "kind" in pairs else [""] * len(pairs)
    for first, second, kind in zip(pairs["first"], pairs["second"], kinds, strict=True):
        if of_digest.get(first) == of_digest.get(second):
            continue
        pair = (first, second)
        if _differ((split[first], split[second])):
            leaks.append(pair)
            leak_notes.append(_between(pair, split, str(kind)))
        if label[first] != label[second]:
            near_conflicts.append(pair)
        elif not _differ((split[first], split[second])):
            near.append(pair)
    series = _joined(near)
    found = [
        Finding("label-conflict", tuple(conflicts), _which(conflicts, label)),
        Finding("leak", tuple(leaks), _how_many(leaks, split), notes=tuple(leak_notes)),
        Finding("near-label-conflict", tuple(near_conflicts), _which(near_conflicts, label)),
        Finding("exact-duplicates", tuple(copies), _surplus(copies)),
        Finding("near-duplicates", tuple(series), _surplus(series)),
        Finding("burst", tuple(map(tuple, bursts)), _surplus(bursts)),
    ]
    return [one for one in found if one.groups]


def _differ(values: Iterable[object]) -> bool:
    """Whether given values, those that are not `None`, are of more than one kind."""
    return len({value for value in values if isinstance(value, str)}) > 1


def _between(group: Sequence[str], split: dict[str, object], kind: str) -> str:
    sides = " and ".join(dict.fromkeys(str(split[path]) for path in group))
    return f"{kind}, in {sides}" if kind else f"in {sides}"


def _which(groups: Sequence[Sequence[str]], label: dict[str, str]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for group in groups:
        counts[" and ".join(sorted({label[path] for path in group}))] += 1
    often = sorted(counts.items(), key=lambda item: -item[1])
    return short_list((f"{names} ({count})" for names, count in often), 3)


def _how_many(groups: Sequence[Sequence[str]], split: dict[str, object]) -> str:
    inside: dict[str, set[str]] = defaultdict(set)
    for group in groups:
        for path in group:
            inside[str(split[path])].add(path)
    order = [name for name in ("test", "validation", "train") if name in inside]
    return " and ".join(f"{len(inside[name]):,} photos of {name}" for name in order)


def _surplus(groups: Sequence[Sequence[str]]) -> str:
    photos = sum(map(len, groups))
    largest = max(map(len, groups), default=0)
    return f"{photos:,} photos, at most {largest} together"


def _joined(pairs: Sequence[tuple[str, str]]) -> _Groups:
    """Chains of pairs as groups, each in the order in which its photos were met."""
    parent: dict[str, str] = {}

    def root(path: str) -> str:
        parent.setdefault(path, path)
        while parent[path] != path:
            parent[path] = parent[parent[path]]
            path = parent[path]
        return path

    for first, second in pairs:
        parent[root(second)] = root(first)
    groups: dict[str, list[str]] = defaultdict(list)
    for path in dict.fromkeys(path for pair in pairs for path in pair):
        groups[root(path)].append(path)
    return [tuple(group) for group in groups.values()]
