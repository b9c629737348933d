"""One finding, and the table of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tlearn.checking.kinds import KINDS, SEVERITIES
from tlearn.datasets.dataset import table_of

__all__ = ["Finding", "files_of", "in_order", "name_of", "table"]


@dataclass(frozen=True)
class Finding:
    """Something that is worth a look.

    Args:
        kind: An id of `kinds.KINDS`.
        groups: The files, those together that belong together: a photo and its copies, or one
            alone. Empty where a whole class is meant that has none.
        about: What exactly was found, in a sentence without its full stop.
        count: How many there are: of files, of pairs or of classes; by default the groups.
        notes: A word on each group, such as a reason; as many as groups, or none.
    """

    kind: str
    groups: tuple[tuple[str, ...], ...]
    about: str
    count: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.groups) if self.count is None else self.count

    @property
    def files(self) -> list[str]:
        """All files once, in the order of the groups."""
        return list(dict.fromkeys(path for group in self.groups for path in group))


def table(found: Sequence[Finding]) -> pd.DataFrame:
    """Findings as a table, the worst first.

    Args:
        found: The findings; of one severity they keep the order of `KINDS`.

    Returns:
        Columns `finding` and `severity` (str), `count` (int64), `about` (str), `files` (list of
        str) and `advice` (str).
    """
    rows = in_order(found)
    columns: dict[str, Iterable[object]] = {
        "finding": [one.kind for one in rows],
        "severity": [KINDS[one.kind].severity for one in rows],
        "count": [one.total for one in rows],
        "about": [one.about for one in rows],
        "files": [one.files for one in rows],
        "advice": [KINDS[one.kind].advice for one in rows],
    }
    return table_of(columns).astype({"count": "int64"})


def in_order(found: Iterable[Finding]) -> list[Finding]:
    """Findings sorted by severity, then as in `KINDS`."""
    kinds = list(KINDS)
    return sorted(
        found,
        key=lambda one: (SEVERITIES.index(KINDS[one.kind].severity), kinds.index(one.kind)),
    )


def files_of(found: Sequence[Finding]) -> pd.DataFrame:
    """A row for each file of each finding.

    Args:
        found: The findings.

    Returns:
        Columns `finding`, `severity`, `group` (int64: those of one number belong together),
        `path`, `note` (str, may be empty).
    """
    rows = [
        (one.kind, KINDS[one.kind].severity, number, path, one.notes[number] if one.notes else "")
        for one in in_order(found)
        for number, group in enumerate(one.groups)
        for path in group
    ]
    names = ("finding", "severity", "group", "path", "note")
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return table_of(dict(zip(names, columns, strict=True))).astype({"group": "int64"})


def name_of(path: str, root: str) -> str:
    """A file's path as it is shown: relative to `root` where it is below it."""
    try:
        return str(Path(path).relative_to(root))
    except ValueError:
        return path
