"""Folders of photos: one sub-folder per class, or the same inside train/, validation/ and test/."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tlearn.datasets.dataset import Listing, short_list, table_of
from tlearn.datasets.loose import is_photo
from tlearn.datasets.split_names import split_of
from tlearn.errors import DatasetError
from tlearn.files.names import is_hidden, natural_sorted

__all__ = ["ARRANGEMENT", "listing"]

ARRANGEMENT = (
    "Expected one sub-folder per class, named after it, with its photos inside: "
    "my_photos/cat/1.jpg, my_photos/dog/2.jpg; or the same inside train/, validation/ and test/"
)

_LOOP = "it is a link back to a folder that it stands in or that has been read already"


@dataclass
class _Found:
    """What has been seen so far."""

    rows: list[tuple[str, str, str | None]] = field(default_factory=list)  # path, label, split
    class_names: set[str] = field(default_factory=set)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def listing(folder: Path) -> Listing:
    """List the photos of a folder by class, and by split where it is split.

    ```
    my_photos/              my_photos/
    ├── cat/                ├── train/            also train_data/, training/
    │   ├── 1.jpg           │   ├── cat/
    │   └── indoors/2.jpg   │   └── dog/
    └── dog/                ├── validation/       also val/, valid/, validation_data/
        └── 3.png           └── test/             also test_data/
    ```

    Hidden folders and files are passed over. Links are followed; one that leads back to a folder
    it stands in is skipped.

    Args:
        folder: The folder.

    Returns:
        The photos, or what may be photos: every visible file inside a class folder.

    Raises:
        DatasetError: When the folder is arranged in neither way, or in a way that has two
            meanings.

    Example:

    ```python
    listing(Path("my_photos")).class_names  # ("cat", "dog")
    ```
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - links stay as the user named them
    found = _Found()
    splits = _split_folders(folder)
    if splits:
        for split, inside in splits.items():
            _add_classes(inside, split, found, roots=(folder, inside))
        _skip_others(folder, set(splits.values()), found)
    else:
        _add_classes(folder, None, found, roots=(folder,))
    examples = table_of(
        {
            "path": (path for path, _, _ in found.rows),
            "label": (label for _, label, _ in found.rows),
            "split": (split for _, _, split in found.rows),
            "group": (None for _ in found.rows),
        }
    )
    class_names = tuple(natural_sorted(found.class_names))
    advice = _advice(folder, class_names, found)
    return Listing(folder.name or "photos", examples, class_names, found.skipped, advice)


def _split_folders(folder: Path) -> dict[str, Path]:
    """The split folders by split; empty when the folder has class folders instead."""
    folders = _folders(folder)
    named: dict[str, Path] = {}
    for path in folders:
        split = split_of(path.name)
        # A class may be called "train", among buses and ships; then it holds photos itself.
        if split is None or not _folders(path):
            continue
        if split in named:
            raise DatasetError(
                f"{named[split].name!r} and {path.name!r} both name the {split} split. Expected "
                "one folder for each split. Put their photos together in one of them. "
                f"Received: folder={str(folder)!r}"
            )
        named[split] = path
    seen = {_identity(folder)}
    others = [path for path in folders if split_of(path.name) is None and _holds_files(path, seen)]
    if "train" in named and (len(named) > 1 or not others):
        return {split: named[split] for split in ("train", "validation", "test") if split in named}
    if "train" in named:
        raise DatasetError(
            f"{named['train'].name!r} holds class folders, as the train split does, but stands "
            f"beside {short_list(repr(path.name) for path in others)}, as one class among others "
            "does. Expected either only split folders or only class folders. Move away what does "
            f"not belong, or rename the class. Received: folder={str(folder)!r}"
        )
    if named and not others:
        raise DatasetError(
            f"There is {_and(path.name + '/' for path in named.values())} but no train/ beside it. "
            "Expected the photos to train on in a folder named train. Add it, or give a folder "
            f"that has the class folders directly inside. Received: folder={str(folder)!r}"
        )
    if folders and not others and any(split_of(path.name) == "train" for path in folders):
        raise DatasetError(
            f"{_and(path.name + '/' for path in folders)} hold no class folders. {ARRANGEMENT}. "
            "Put the photos of each class into a folder of its own, or give a CSV table with the "
            f"columns path,label,split. Received: folder={str(folder)!r}"
        )
    return {}


def _add_classes(
    inside: Path, split: str | None, found: _Found, *, roots: tuple[Path, ...]
) -> None:
    for path in _entries(inside):
        if not path.is_dir():
            if is_photo(path):
                found.skipped.append((str(path), "it stands beside the class folders, in no class"))
            continue
        seen = {_identity(root) for root in roots}
        if _identity(path) in seen:
            found.skipped.append((str(path), _LOOP))
            continue
        # A Mac writes accents in two characters, other systems in one; it is one class.
        label = unicodedata.normalize("NFC", path.name)
        found.class_names.add(label)
        for file in _walk(path, seen, found):
            found.rows.append((str(file), label, split))


def _walk(folder: Path, seen: set[tuple[int, int]], found: _Found) -> Iterator[Path]:
    """Every visible file below a folder, each real folder once."""
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        identity = _identity(current)
        if identity in seen:
            found.skipped.append((str(current), _LOOP))
            continue
        seen.add(identity)
        for path in _entries(current, found):
            if path.is_dir():
                waiting.append(path)
            else:
                yield path


def _skip_others(folder: Path, splits: set[Path], found: _Found) -> None:
    seen = {_identity(path) for path in (folder, *splits)}
    for path in _entries(folder):
        if path in splits:
            continue
        reason = "it stands beside the split folders, in no split"
        if split_of(path.name) and path.is_dir():
            reason = f"{path.name}/ has no class folders, so that nothing says what it shows"
        files = _walk(path, seen, found) if path.is_dir() else iter([path])
        found.skipped += [(str(file), reason) for file in files if is_photo(file)]


def _entries(folder: Path, found: _Found | None = None) -> list[Path]:
    try:
        names = [name for name in os.listdir(folder) if not is_hidden(name)]  # noqa: PTH208
    except OSError as error:
        if found is None:
            raise DatasetError(
                f"The folder cannot be read: {error.strerror}. Expected one that you may read. "
                f"Give yourself permission to it. Received: folder={str(folder)!r}"
            ) from error
        found.skipped.append((str(folder), f"the folder cannot be read ({error.strerror})"))
        return []
    return [folder / name for name in natural_sorted(names)]


def _folders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder, _Found()) if path.is_dir()]


def _holds_files(folder: Path, seen: set[tuple[int, int]]) -> bool:
    return next(_walk(folder, set(seen), _Found()), None) is not None


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _advice(folder: Path, class_names: tuple[str, ...], found: _Found) -> str:
    if not class_names and any(Path(path).parent == folder for path, _ in found.skipped):
        return (
            "The photos lie in the folder itself, so that nothing says which class they are. "
            f"{ARRANGEMENT}."
        )
    if len(class_names) == 1 and len(inner := _folders(folder / class_names[0])) > 1:
        names = short_list(repr(path.name) for path in inner)
        return (
            f"{class_names[0]!r} holds the folders {names}. If those are the classes, give "
            f"{str(folder / class_names[0])!r} instead."
        )
    return f"{ARRANGEMENT}."


def _and(names: Iterator[str]) -> str:
    return " and ".join(names)
