"""Names of files and folders: which are the system's own, and in which order people expect them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

__all__ = ["NAMES", "is_hidden", "natural_key", "natural_sorted"]

NAMES = {
    "$recycle.bin",
    "@eadir",
    "__macosx",
    "__pycache__",
    "desktop.ini",
    "ehthumbs.db",
    "icon\r",
    "lost+found",
    "system volume information",
    "thumbs.db",
}

_DIGITS = re.compile(r"([0-9]+)")


def is_hidden(name: str) -> bool:
    """Say whether a name is one that people do not see, such as `.ipynb_checkpoints`.

    Args:
        name: A file's or folder's name, without its parents.

    Returns:
        True for names that begin with a dot and for those that operating systems leave behind.
    """
    return name.startswith(".") or name.casefold() in NAMES


def natural_sorted(texts: Iterable[str]) -> list[str]:
    """Sort as people do: `"2"` before `"10"`, `"img9"` before `"img10"`, case second.

    Args:
        texts: What to sort.

    Returns:
        The sorted texts. The order depends on nothing but the texts themselves.

    Example:

    ```python
    natural_sorted(["10", "2", "Dog", "cat"])  # ["2", "10", "cat", "Dog"]
    ```
    """
    return sorted(texts, key=natural_key)


def natural_key(text: str) -> tuple[object, ...]:
    """What `natural_sorted` sorts a text by.

    Args:
        text: A name.

    Returns:
        A key that compares with those of all other texts.
    """
    # Splitting at digits always puts text at even and digits at odd places, so that two keys
    # never compare a text with a number.
    parts = _DIGITS.split(unicodedata.normalize("NFC", text).casefold())
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts)), text
