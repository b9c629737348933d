"""The gallery as a page: which photos are shown of each finding, and what is said of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tlearn import pages
from tlearn.checking.finding import Finding, in_order, name_of
from tlearn.checking.kinds import KINDS, SEVERITIES
from tlearn.pages.thumbnails import SIDE, data_uri

__all__ = ["MOST_PHOTOS", "MOST_SUSPECTS", "html"]

# Of one finding; the page says how many more there are. A photo takes about 8 KB.
MOST_PHOTOS = 60
MOST_SUSPECTS = 300


def html(
    name: str,
    found: Sequence[Finding],
    *,
    root: str,
    photos: Mapping[str, Mapping[str, Any]],
    suspects: pd.DataFrame,
    class_names: Sequence[str],
) -> str:
    """Write the gallery.

    Args:
        name: The data set's name.
        found: The findings.
        root: The folder that paths are shown relative to.
        photos: By its path, what is known of a photo: `label`, `split`, `width`, `height`.
        suspects: The suspect labels, as `labelling.judging.Suspects.table` has them, which a
            person is to accept or reject.
        class_names: All classes.

    Returns:
        A whole HTML document. At most `MOST_PHOTOS` photos of a finding are shown, and
        `MOST_SUSPECTS` suspect labels.
    """
    view = _View(root, photos)
    severities = [KINDS[one.kind].severity for one in found]
    counted = ", ".join(
        f"{count} {severity}{'s' if count != 1 else ''}"
        for severity in SEVERITIES
        if (count := severities.count(severity))
    )
    told = f"{len(photos):,} photos in {len(class_names):,} classes."
    return pages.rendered(
        __package__,
        "gallery.html",
        styles=["page.css"],
        scripts=["page.js"],
        name=name,
        identity=_identity(found, suspects),
        counted=f"{told} {counted or 'Nothing was found'}.",
        sections=[view.section(one, suspects) for one in in_order(found)],
        class_names=class_names,
        side=SIDE,
    )


class _View:
    """What every figure needs to know."""

    def __init__(self, root: str, photos: Mapping[str, Mapping[str, Any]]) -> None:
        self.root = root
        self.photos = photos
        self.small: dict[str, str | None] = {}

    def section(self, one: Finding, suspects: pd.DataFrame) -> dict[str, Any]:
        kind = KINDS[one.kind]
        if one.kind == "suspect-label" and len(suspects):
            # A suspect label is decided on, and so stands in a form of its own.
            rows = suspects.head(MOST_SUSPECTS).to_dict("records")
            left = len(suspects) - len(rows)
            return {
                "kind": kind,
                "name": one.kind,
                "total": one.total,
                "about": f"{len(suspects):,} of them, the surest first",
                "suspects": [self.suspect(row) for row in rows],
                "more": f"And {left:,} more, in suspects.csv." if left else "",
            }
        shown, left = _fitting(one.groups)
        return {
            "kind": kind,
            "name": one.kind,
            "total": one.total,
            "about": one.about,
            "suspects": [],
            "groups": [
                {
                    "note": one.notes[place] if one.notes else "",
                    "photos": [self.photo(path) for path in group],
                }
                for place, group in enumerate(shown)
            ],
            "more": f"And {left:,} more photos." if left else "",
        }

    def suspect(self, row: Mapping[Any, Any]) -> dict[str, Any]:
        same = row["same_as"]
        return {
            **row,
            "photo": self.photo(row["path"]),
            "same_as": name_of(same, self.root) if same else "",
        }

    def photo(self, path: str) -> dict[str, Any]:
        if path not in self.small:
            self.small[path] = data_uri(path)
        known = self.photos.get(path, {})
        facts = [known.get("label"), known.get("split")]
        if known.get("width") and known.get("height"):
            facts.append(f"{int(known['width'])} x {int(known['height'])}")
        return {
            "name": name_of(path, self.root),
            "link": Path(path).absolute().as_uri(),
            "uri": self.small[path],
            "told": ", ".join(fact for fact in facts if isinstance(fact, str) and fact),
        }


def _identity(found: Sequence[Finding], suspects: pd.DataFrame) -> str:
    """Tells the page of one check from that of another, to whom no choice of it belongs."""
    told = repr([(one.kind, one.groups, one.about) for one in found]) + repr(
        suspects.to_dict("records")
    )
    return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _fitting(groups: Iterable[Sequence[str]]) -> tuple[list[Sequence[str]], int]:
    """The groups that are shown, none beyond `MOST_PHOTOS`, and how many photos are not."""
    shown: list[Sequence[str]] = []
    room, left = MOST_PHOTOS, 0
    for group in groups:
        part = group[:room]
        left += len(group) - len(part)
        room -= len(part)
        if part:
            shown.append(part)
    return shown, left
