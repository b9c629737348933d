"""Files and folders that are whole or not there at all, and disk errors in clear words."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlearn.errors import RunError

__all__ = [
    "filling",
    "hidden_sibling",
    "in_clear_words",
    "is_about",
    "remove",
    "replacing",
    "sync",
    "sync_tree",
]

_FULL = {errno.ENOSPC, errno.EDQUOT}
_REASONS = {
    errno.EROFS: ("the file system is read-only", "Choose a place that can be written to"),
    errno.EACCES: ("you may not write there", "Ask for write permission or choose another place"),
    errno.EPERM: ("you may not write there", "Ask for write permission or choose another place"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "Move it away or choose another"),
    errno.EEXIST: ("a file stands where a folder is needed", "Move it away or choose another"),
    errno.EISDIR: ("a folder stands where a file is needed", "Move it away or choose another"),
    errno.ENAMETOOLONG: ("the name is too long for the file system", "Choose a shorter one"),
}


def hidden_sibling(path: Path) -> Path:
    """A free hidden path beside `path`, `.NAME.unfinished-PID`, for what is still being written.

    It lies in the same folder, because only a rename within one file system is atomic.
    """
    name = f".{path.name}.unfinished-{os.getpid()}"
    # In a container the process number is often the same each time, so that a killed run's
    # folder may bear this very name.
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(free for name in names if not os.path.lexists(free := path.with_name(name)))


def sync(path: Path) -> None:
    """Have the disk hold what was written to a file, or which names a folder lists."""
    if os.name != "posix" and path.is_dir():
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDWR if os.name != "posix" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """`sync` everything inside `folder`, and the folder."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(Path(parent, name))
        sync(Path(parent))


def remove(path: Path) -> bool:
    """Remove a file or a folder with all that is in it; say whether it is gone.

    Never fails: it is called while another error is on its way to the user.
    """
    shutil.rmtree(path, ignore_errors=True)
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return not os.path.lexists(path)
    return True


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file so that `path` is the old one or the whole new one, never a part.

    Args:
        path: The file to be written. Its parent folders are made.

    Returns:
        A context manager that gives the hidden path to write to. It takes the place of `path`
        when the block ends well, and is removed when it does not.

    Raises:
        RunError: When the disk is full or the place cannot be written to.

    Example:

    ```python
    with atomic.replacing("report.json") as file:
        file.write_text(document, encoding="utf-8")
    ```
    """
    path = Path(path)
    hidden = hidden_sibling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield hidden
        sync(hidden)
        hidden.replace(path)
        sync(path.parent)
    except BaseException as error:
        remove(hidden)
        if isinstance(error, OSError) or _is_full(error):
            raise in_clear_words(error, path) from error
        raise


@contextmanager
def filling(folder: str | Path) -> Iterator[Path]:
    """Write several files so that either all of them or none are put into `folder`.

    Args:
        folder: The folder to be made or added to. Files of the same names are replaced, others
            are left alone.

    Returns:
        A context manager that gives the hidden folder to write to.

    Raises:
        RunError: When the disk is full or the place cannot be written to.
    """
    folder = Path(folder)
    hidden = hidden_sibling(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        hidden.mkdir()
        yield hidden
        sync_tree(hidden)
        if not folder.exists():
            hidden.rename(folder)
        else:
            for file in hidden.iterdir():
                file.replace(folder / file.name)
            sync(folder)
        sync(folder.parent)
    except BaseException as error:
        if isinstance(error, OSError) or _is_full(error):
            raise in_clear_words(error, folder) from error
        raise
    finally:
        remove(hidden)


def in_clear_words(error: BaseException, path: Path) -> RunError:
    """Say what kept `path` from being written and what to do about it."""
    if _is_full(error):
        what, remedy = "the disk is full", "Free some space or choose a place on another disk"
    else:
        number = error.errno if isinstance(error, OSError) else None
        unknown = (str(error) or type(error).__name__, "Choose a place that can be written to")
        what, remedy = _REASONS.get(number or 0, unknown)
    return RunError(f"Cannot write {path}: {what}. {remedy}. Received: output={str(path.parent)!r}")


def is_about(error: BaseException, folder: Path) -> bool:
    """Whether `error` says that the disk is full, or that something in `folder` is not writable."""
    if _is_full(error):
        return True
    if not isinstance(error, OSError) or error.errno not in _REASONS:
        return False
    names = [Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if name]
    return any(name.absolute().is_relative_to(folder.absolute()) for name in names)


def _is_full(error: BaseException | None) -> bool:
    while error is not None:
        # TensorFlow and HDF5 have errors of their own that only quote the system's words.
        if getattr(error, "errno", None) in _FULL or os.strerror(errno.ENOSPC) in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
