"""The ways people write train, validation and test."""

from __future__ import annotations

import re

__all__ = ["SPELLINGS", "split_of"]

SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "validate"),
    "test": ("test", "testing"),
}

_SPLITS = {spelling: split for split, spellings in SPELLINGS.items() for spelling in spellings}
_ENDING = re.compile(r"[ _.-]*(?:data|dataset|set|split|images|photos|dir)$")


def split_of(name: str) -> str | None:
    """Say which split a name stands for.

    Args:
        name: Such as `"train"`, `"Val"`, `"TEST_DATA"` or `"training-images"`.

    Returns:
        `"train"`, `"validation"` or `"test"`; `None` when it stands for none of them.
    """
    name = name.strip().casefold()
    return _SPLITS.get(name) or _SPLITS.get(_ENDING.sub("", name))
