"""The files that a person means by paths, folders, globs, URLs and lists."""

from __future__ import annotations

import csv
import glob
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tlearn.errors import DatasetError
from tlearn.files.names import is_hidden, natural_key
from tlearn.prediction import urls

__all__ = ["below", "find", "find_places", "in_list", "meant"]

_PATH = "path"


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
    given = _several(paths)
    for one in given:
        if urls.is_url(one):
            raise DatasetError(
                "Photos at a URL are read by `tlearn predict` only. Expected files on this machine: "
                f"copy them. Received: paths={one!r}"
            )
    return [Path(place) for place in find_places(paths)]


def find_places(paths: str | Path | Sequence[str | Path]) -> list[str]:
    """List the files to be looked at, each once, wherever they lie.

    Args:
        paths: As for `find`, and URLs of files, folders and globs (`s3://bucket/photos/`), and lists
            of photos, with an at sign in front: `@photos.txt`.

    Returns:
        Paths and URLs, written as they were reached from `paths`.

    Raises:
        DatasetError: As for `find`; or a URL or a list cannot be read.
    """
    given = _several(paths)
    found: list[str] = []
    for one in given:
        if urls.is_url(one) or _is_list(one):
            found.extend(meant(one))
        else:
            found.extend(sorted(meant(one), key=_natural))
    return list(dict.fromkeys(_some(found, given)))


def meant(given: str | Path, leaving_out: Collection[Path] = ()) -> Iterator[str]:
    """What one of the given paths means, one file after the other and in no order: none is held.

    Args:
        given: A file, a folder, a glob, a URL, or a list of photos as `@photos.txt`.
        leaving_out: Folders that are not looked into, such as the one that answers are written to.

    Returns:
        An iterator of paths and URLs; one may come twice.

    Raises:
        DatasetError: A glob matches nothing, or a URL or a list cannot be read.
    """
    if urls.is_url(given):
        yield from urls.listed(str(given))
        return
    if _is_list(given):
        yield from in_list(str(given)[1:])
        return
    path = Path(given).expanduser()
    skipped = {os.path.realpath(folder) for folder in leaving_out}
    if path.is_dir():
        yield from below(path, skipped)
    elif os.path.lexists(path) or not glob.has_magic(str(path)):
        yield str(path)
    else:
        matched = False
        # Path.glob knows no absolute patterns and takes in hidden files.
        for match in glob.iglob(str(path), recursive=True):  # noqa: PTH207
            matched = True
            if Path(match).is_dir():
                yield from below(Path(match), skipped)
            elif not skipped or not _is_inside(match, skipped):
                yield match
        if not matched:
            raise _matches_nothing(given)


def below(folder: Path, leaving_out: Collection[str] = ()) -> Iterator[str]:
    """Every file below a folder but the hidden ones, in no order.

    Args:
        folder: The folder.
        leaving_out: Folders not to look into, as `os.path.realpath` gives them.

    Returns:
        An iterator of paths that begin with `folder`.

    Raises:
        DatasetError: A folder cannot be looked into.
    """
    seen: set[str] = set()

    def told(error: OSError) -> None:
        raise DatasetError(
            "A folder cannot be looked into, so that its photos would be missed. Expected one that you "
            f"may read: change its permissions, or name the others. Received: paths={error.filename!r} "
            f"({error.strerror})"
        ) from error

    for parent, folders, names in os.walk(folder, followlinks=True, onerror=told):
        # A link may lead back to a folder above.
        real = os.path.realpath(parent)
        again = real in seen or real in leaving_out
        folders[:] = [] if again else [name for name in folders if not is_hidden(name)]
        if not again:
            yield from (os.path.join(parent, name) for name in names if not is_hidden(name))  # noqa: PTH118
        seen.add(real)


def in_list(path: str | Path) -> Iterator[str]:
    """The photos that a file lists, one after the other.

    Args:
        path: A text with a path or URL a line, or a `.csv` or `.parquet` table with the column
            `path`. Relative paths begin where the program runs. Each names one file: folders and globs
            are not looked into.

    Returns:
        An iterator of paths and URLs, in the order of the list.

    Raises:
        DatasetError: There is no such list, it cannot be read, or it has no column `path`.
    """
    path = Path(path).expanduser()
    try:
        yield from _READERS.get(path.suffix.lower(), _lines)(path)
    except (OSError, UnicodeError, csv.Error, pa.ArrowException, StopIteration) as error:
        raise DatasetError(
            "The list of photos cannot be read. Expected a text with a path or URL a line, or a "
            f".csv or .parquet table with the column {_PATH!r}. Received: from_list={str(path)!r} "
            f"({type(error).__name__}: {error})"
        ) from error


def _lines(path: Path) -> Iterator[str]:
    # Linux allows any bytes in a name; a byte order mark is Windows's.
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for line in file:
            if line.strip():
                yield line.rstrip("\n")


def _rows(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if _PATH not in (reader.fieldnames or ()):
            raise csv.Error(f"it has the columns {list(reader.fieldnames or ())}")
        for row in reader:
            if row[_PATH]:
                yield row[_PATH]


def _parquet(path: Path) -> Iterator[str]:
    with pq.ParquetFile(path) as file:
        if _PATH not in file.schema_arrow.names:
            raise csv.Error(f"it has the columns {file.schema_arrow.names}")
        for batch in file.iter_batches(columns=[_PATH]):
            for value in batch.column(0).to_pylist():
                if value:
                    yield os.fsdecode(value)


_READERS = {".csv": _rows, ".parquet": _parquet}


def _is_list(given: str | Path) -> bool:
    return str(given).startswith("@") and not os.path.lexists(given)


def _several(paths: str | Path | Sequence[str | Path]) -> list[str | Path]:
    return [paths] if isinstance(paths, str | Path) else list(paths)


def _some(found: list, given: Sequence[str | Path]) -> list:
    if not found:
        raise DatasetError(
            "There is no file to look at. Expected a photo, a folder with photos in it, or a "
            f"glob such as 'photos/**/*.jpg'. Received: paths={[str(path) for path in given]}"
        )
    return found


def _matches_nothing(given: str | Path) -> DatasetError:
    return DatasetError(
        "The glob matches nothing. Expected at least one file; check its folder and spelling, "
        f"and that suffixes have the right case. Received: paths={str(given)!r}"
    )


def _is_inside(file: str, folders: Collection[str]) -> bool:
    above = Path(os.path.realpath(file)).parents
    return any(str(folder) in folders for folder in above)


def _natural(place: str) -> list[tuple[object, ...]]:
    """A key that sorts a folder's files as people do."""
    return [natural_key(name) for name in Path(place).parts]
