"""Which files and folders are the system's own and never the user's."""

from __future__ import annotations

__all__ = ["NAMES", "is_hidden"]

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


def is_hidden(name: str) -> bool:
    """Say whether a name is one that people do not see, such as `.ipynb_checkpoints`.

    Args:
        name: A file's or folder's name, without its parents.

    Returns:
        True for names that begin with a dot and for those that operating systems leave behind.
    """
    return name.startswith(".") or name.casefold() in NAMES
