"""The cache folder, and folders that are whole or not there at all.

What can be made again from its source is kept here: unpacked archives and the photos of TFDS data
sets. It is `TLEARN_CACHE` when that is set, else the place the system has for such things
(`~/.cache/tlearn` on Linux, `~/Library/Caches/tlearn` on macOS, `%LOCALAPPDATA%\\tlearn` on
Windows). It may be removed at any time while tlearn does not run.
"""

from __future__ import annotations

import glob
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tlearn.errors import DatasetError
from tlearn.files import atomic

__all__ = ["directory", "filled", "whole_folder"]

# The number of files stands here, so that a folder which a cleaner has thinned out is noticed.
_COUNT = ".tlearn-files"
_DAY = 24 * 3600


def directory() -> Path:
    """Say where the cache folder is. It need not exist yet.

    Returns:
        Its absolute path.
    """
    if chosen := os.environ.get("TLEARN_CACHE"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tlearn"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "tlearn"
    # The XDG specification has relative paths ignored.
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "tlearn"


def filled(folder: Path, fill: Callable[[Path], None]) -> Path:
    """Give a folder that `fill` has filled, now or at an earlier time.

    Two processes may do this at once: both fill a folder of their own, and one of them is kept.
    A folder that has lost files since is filled anew.

    Args:
        folder: Where it is to be; its name must say all that its content depends on.
        fill: Called with an empty folder to write into.

    Returns:
        `folder`.

    Raises:
        DatasetError: When the disk is full or the place cannot be written to.

    Example:

    ```python
    photos = cache.filled(cache.directory() / "archives" / digest, unpack)
    ```
    """
    if _is_whole(folder):
        return folder
    try:
        remedy = "The environment variable TLEARN_CACHE names another cache folder."
        with whole_folder(folder, replaces=_is_damaged, remedy=remedy) as partial:
            fill(partial)
            (partial / _COUNT).write_text(str(_count(partial)), encoding="ascii")
    except DatasetError:
        # Another process may have been faster; its folder is as good as ours.
        if not _is_whole(folder):
            raise
    return folder


@contextmanager
def whole_folder(
    folder: Path,
    *,
    replaces: Callable[[Path], bool] = lambda folder: False,
    remedy: str = "",
) -> Iterator[Path]:
    """Write a folder so that it is there whole or not at all, even after a kill.

    Args:
        folder: The folder to be made. An empty folder may stand there already.
        replaces: Asked at the end, when `folder` holds something, whether that is to go.
        remedy: What else the user can do when the place cannot be written to.

    Returns:
        A context manager that gives a hidden folder beside `folder` to write into. It takes its
        place when the block ends well, and is removed when it does not.

    Raises:
        DatasetError: When the disk is full, the place cannot be written to, or `folder` holds
            something that is to stay.

    Example:

    ```python
    with cache.whole_folder(Path("digits")) as partial:
        (partial / "README.md").write_text("Digits.")
    ```
    """
    partial: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        partial = _hidden_folder(folder)
        yield partial
        atomic.sync_tree(partial)
        _put(partial, folder, replaces)
        atomic.sync(folder.parent)
    except BaseException as error:
        if partial is not None:
            atomic.remove(partial)
        if isinstance(error, OSError):
            clear = str(atomic.in_clear_words(error, folder)).partition(" Received: ")[0]
            more = f" {remedy}" if remedy else ""
            raise DatasetError(f"{clear}{more} Received: folder={str(folder)!r}") from error
        raise


def _put(partial: Path, folder: Path, replaces: Callable[[Path], bool]) -> None:
    if folder.is_dir() and not folder.is_symlink():
        if not any(folder.iterdir()):
            folder.rmdir()
        elif replaces(folder):
            aside = _hidden_folder(folder)
            folder.rename(aside / folder.name)
            atomic.remove(aside)
    # This fails, and loses nothing, when something has been put there in the meantime.
    partial.rename(folder)


def _hidden_folder(folder: Path) -> Path:
    while True:
        path = atomic.hidden_sibling(folder)
        try:
            path.mkdir()
        except FileExistsError:  # another thread took the name
            continue
        return path


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left, once it is too old to be still at work."""
    for leftover in folder.parent.glob(f"{glob.escape(f'.{folder.name}.unfinished-')}*"):
        newest = max(path.lstat().st_mtime for path in (leftover, *leftover.glob("*")))
        if time.time() - newest > _DAY:
            shutil.rmtree(leftover, ignore_errors=True)


def _is_damaged(folder: Path) -> bool:
    return not _is_whole(folder)


def _is_whole(folder: Path) -> bool:
    try:
        return _count(folder) >= int((folder / _COUNT).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False


def _count(folder: Path) -> int:
    return sum(len(names) - (_COUNT in names) for _, _, names in os.walk(folder))
