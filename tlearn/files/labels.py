"""Class names as the lines of `labels.txt`, in a run folder and in a SavedModel alike."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tlearn.files.tables import printable

__all__ = ["labels_from_text", "labels_to_text"]


def labels_to_text(class_names: Sequence[str]) -> str:
    """Class names as the lines of `labels.txt`.

    A name that would not survive as a line (a line break in it, a space at an end, nothing at
    all, a quotation mark in front) is written as a JSON text, in quotation marks. All others are
    written as they are.
    """
    lines = []
    for name in map(printable, class_names):
        simple = name.splitlines() == [name] and name == name.strip() and name[0] != '"'
        lines.append(name if simple else json.dumps(name))
    return "".join(f"{line}\n" for line in lines)


def labels_from_text(text: str) -> tuple[str, ...]:
    """Read what `labels_to_text` wrote."""
    lines = text.removesuffix("\n").split("\n")
    return tuple(json.loads(line) if line.startswith('"') else line for line in lines)
