"""Photos put into a folder per class by their answers: copied or linked, nothing overwritten.

```
sorted/
├── dress/       photos whose answer is dress
├── hat/
├── unsure/      photos whose answer is unsure
└── unlike/      photos unlike anything in training
```

No TensorFlow.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from tlearn.bulk.class_folders import Names, folder_of
from tlearn.errors import DecodeError, PartsError
from tlearn.files import atomic, locking
from tlearn.prediction import urls
from tlearn.progress import SILENT, Progress

__all__ = ["Sorted", "sort_into"]

_LOCK = ".sorting"
_MOST_BYTES = 2**30
_NAMED = 5
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


@dataclass
class Sorted:
    """What came of sorting.

    Attributes:
        folder: Where the folders are.
        folders: How many photos belong into each folder, by its name, those of earlier calls included.
        before: How many of them were there already.
        unread: How many files could not be read and stayed where they are.
        failed: How many photos could not be copied or linked.
        reasons: The first few of these, and why.
    """

    folder: Path
    folders: Counter[str] = field(default_factory=Counter)
    before: int = 0
    unread: int = 0
    failed: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)


def sort_into(
    answers: pd.DataFrame | Iterable[pd.DataFrame],
    folder: str | Path,
    *,
    link: bool = False,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> Sorted:
    """Copy or link photos into a folder per class.

    The photos stay where they are. A file that is there already is never touched: where another one
    bears a photo's name, the photo gets a name with a mark behind it. Each file is whole or not there,
    so that the same call goes on where it was stopped.

    Args:
        answers: What `tlearn.predict` gave, or tables such as `Parts.tables` gives, one after the
            other.
        folder: Where the folders are made.
        link: Make symbolic links in place of copies.
        dry_run: Count only; nothing is written.
        progress: Who watches.

    Returns:
        How many photos belong into each folder.

    Raises:
        PartsError: Links of photos at a URL are asked for, or the system makes no links.
        RunError: The disk is full or cannot be written to.

    Example:

    ```python
    sort_into(tlearn.predict("photos/"), "sorted/").folders  # Counter({"dress": 12, "unsure": 3})
    ```
    """
    done = Sorted(Path(folder))
    tables = [answers] if isinstance(answers, pd.DataFrame) else answers
    kept = contextlib.nullcontext() if dry_run else _names(done.folder)
    with kept as names, progress.task("Sorting photos") as task:
        for table in tables:
            for place, name in _belonging(table):
                if name is None:
                    done.unread += 1
                elif names is None or _put(place, name, names, done, link=link):
                    done.folders[name] += 1
            task.advance(len(table))
    if done.failed:
        named = "".join(f"\n  {place}: {reason}" for place, reason in done.reasons)
        progress.warn(f"{done.failed:,} photos could not be put into a folder:{named}")
    return done


@contextlib.contextmanager
def _names(folder: Path) -> Iterator[Names]:
    """Names in a folder that no other process sorts into."""
    try:
        with locking.locked(folder / _LOCK):
            # What a killed process had not finished.
            for left in folder.glob("*/.*.unfinished-*"):
                atomic.remove(left)
            with Names.beside(folder / "names") as names:
                yield names
    except locking.InUse as error:
        raise PartsError(
            "Another process is sorting photos into this folder. Expected it to be finished or "
            f"stopped first, or another folder. Received: sort_into={str(folder)!r}"
        ) from error


def _belonging(table: pd.DataFrame) -> Iterable[tuple[str, str | None]]:
    """Each photo and its folder's name, `None` for a file that could not be read."""
    doubts = {
        name: table[name].fillna(False).astype(bool) if name in table else [False] * len(table)
        for name in ("unsure", "unlike")
    }
    rows = zip(table["path"], table["label"], doubts["unsure"], doubts["unlike"], strict=True)
    for place, label, unsure, unlike in rows:
        known = isinstance(label, str)
        yield place, folder_of(label, unsure=unsure, unlike=unlike) if known else None


def _put(place: str, name: str, names: Names, done: Sorted, *, link: bool) -> bool:
    """Put a photo into its folder; say whether it is there now."""
    folder = done.folder / name
    if link and urls.is_url(place):
        raise PartsError(
            "A photo at a URL cannot be linked. Expected copies: leave out --link. "
            f"Received: path={place!r}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for choice in names.choices(name, place):
            target = folder / choice
            if _is_this(target, place, link=link):
                done.before += 1
                return True
            if os.path.lexists(target):
                continue  # someone else's file
            if link:
                target.symlink_to(Path(place).absolute())
            else:
                _copy(place, target)
            return True
    except (DecodeError, OSError) as error:
        if isinstance(error, OSError) and atomic.is_about(error, done.folder):
            raise atomic.in_clear_words(error, folder) from error
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        done.failed += 1
        done.reasons += [(place, reason)] if len(done.reasons) < _NAMED else []
    return False


def _is_this(target: Path, place: str, *, link: bool) -> bool:
    """Whether a photo has been put there by an earlier call."""
    if target.is_symlink():
        return link and str(target.readlink()) == str(Path(place).absolute())
    if link or not target.is_file():
        return False
    if urls.is_url(place):
        return target.read_bytes() == urls.read(place, _MOST_BYTES)
    # The same size and time, or else the same bytes.
    return filecmp.cmp(place, target)


def _copy(place: str, target: Path) -> None:
    hidden = atomic.hidden_sibling(target)
    try:
        if urls.is_url(place):
            hidden.write_bytes(urls.read(place, _MOST_BYTES))
        else:
            shutil.copy2(place, hidden)
        try:
            # Unlike a rename, this fails where a file has come in the meantime.
            target.hardlink_to(hidden)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS or os.path.lexists(target):
                raise
            hidden.rename(target)
    finally:
        atomic.remove(hidden)
