"""The files that a person means by paths, folders and globs."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from tlearn.errors import DatasetError
from tlearn.files.names import is_hidden, natural_key

__all__ = ["find"]


def find(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """List the files to be looked at, each once.

    A file stands for itself, whether it exists or not: what cannot be read is told where it is
    read. A folder stands for every file below it, a glob for what it matches. Hidden files and
    folders are left out, unless they are named themselves. Names are in natural order (`2.jpg`
    before `10.jpg`) within each folder or glob; the given order stands otherwise.

    ```
    photos/            find("photos") gives
    ├── 2.jpg          photos/2.jpg
    ├── 10.jpg         photos/10.jpg
    ├── .DS_Store      (hidden)
    └── more/
        └── a.png      photos/more/a.png
    ```

    Args:
        paths: Files, folders and globs, mixed; `**` in a glob stands for any number of folders,
            `~` for the home folder. A path that exists is never taken for a glob.

    Returns:
        The files, written as they were reached from `paths`.

    Raises:
        DatasetError: Nothing was given, a glob matches nothing, or there is no file at all.

    Example:

    ```python
    find(["photo.jpg", "more_photos/", "holidays/**/*.jpg"])
    ```
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    found = [file for path in given for file in _files(path)]
    if not found:
        raise DatasetError(
            "There is no file to look at. Expected a photo, a folder with photos in it, or a "
            f"glob such as 'photos/**/*.jpg'. Received: paths={[str(path) for path in given]}"
        )
    return list(dict.fromkeys(found))


def _natural(path: Path) -> list[tuple[object, ...]]:
    """A key that sorts a folder's files as people do."""
    return [natural_key(name) for name in path.parts]


def _files(given: str | Path) -> list[Path]:
    path = Path(given).expanduser()
    if path.is_dir():
        return _below(path)
    if os.path.lexists(path) or not glob.has_magic(str(path)):
        return [path]
    # Path.glob knows no absolute patterns and takes in hidden files.
    matches = [Path(match) for match in glob.iglob(str(path), recursive=True)]  # noqa: PTH207
    if not matches:
        raise DatasetError(
            "The glob matches nothing. Expected at least one file; check its folder and spelling, "
            f"and that suffixes have the right case. Received: paths={str(given)!r}"
        )
    return sorted(
        (file for match in matches for file in (_below(match) if match.is_dir() else [match])),
        key=_natural,
    )


def _below(folder: Path) -> list[Path]:
    files: list[Path] = []
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        # A link may lead back to a folder above.
        real = os.path.realpath(parent)
        folders[:] = [] if real in seen else [name for name in folders if not is_hidden(name)]
        if real not in seen:
            files.extend(Path(parent, name) for name in names if not is_hidden(name))
        seen.add(real)
    return sorted(files, key=_natural)
