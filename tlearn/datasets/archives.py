"""Archives of photos, unpacked once into the cache folder."""

from __future__ import annotations

import hashlib
import lzma
import posixpath
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tlearn.datasets import folders, tables
from tlearn.datasets.dataset import Listing, short_list
from tlearn.datasets.loose import is_photo
from tlearn.datasets.split_names import split_of
from tlearn.errors import DatasetError
from tlearn.files import cache
from tlearn.files.names import is_hidden
from tlearn.progress import SILENT, Progress

__all__ = ["SUFFIXES", "is_archive", "listing"]

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

# Photos are packed already: an honest archive of them hardly grows. Tables and BMPs do, so small
# archives may grow to a gigabyte, larger ones a hundredfold.
_ALWAYS_ALLOWED = 1 << 30
_MOST_GROWTH = 100
_MOST_MEMBERS_OF_A_SMALL_ONE = 100_000
_FEWEST_BYTES_PER_MEMBER = 64

_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,  # a way of packing that Python lacks
    RuntimeError,  # a password
    RecursionError,  # links in a circle
    ValueError,
)


@dataclass(frozen=True)
class _Member:
    name: str
    open: Callable[[], IO[bytes] | None]


def is_archive(file: Path) -> bool:
    """Say whether a file is an archive, by its suffix or, failing that, by what it holds.

    Args:
        file: Any file.

    Returns:
        True for ZIP and for TAR, packed or not.
    """
    if file.name.lower().endswith(SUFFIXES):
        return True
    return zipfile.is_zipfile(file) or tarfile.is_tarfile(file)


def listing(file: Path, *, progress: Progress = SILENT) -> Listing:
    """Unpack an archive into the cache folder, unless it is there, and list what it holds.

    ```
    photos.zip
    └── photos/         a single folder at the top is looked through
        ├── cat/1.jpg
        └── dog/2.jpg
    ```

    The place in the cache is named after the archive's bytes. Nothing is ever written outside of
    it: a name that leads out is an error, and a link becomes a copy of the member it points to.

    Args:
        file: The archive.
        progress: Told of each file that is unpacked.

    Returns:
        The photos by class, as for a folder; or as the table says, when one with the columns
        `path` and `label` lies at the top.

    Raises:
        DatasetError: When the archive is damaged, locked, far larger than it looks, leads out of
            its folder, or holds no data set.

    Example:

    ```python
    listing(Path("photos.zip")).class_names  # ("cat", "dog")
    ```
    """
    name = _stem(file)
    place = re.sub(r"[^\w.-]+", "_", name)[:60]
    folder = cache.directory() / "archives" / f"{place}-{_digest(file)[:16]}"
    top = _top(cache.filled(folder, lambda partial: _unpack(file, partial, progress)))
    found = [path for path in sorted(top.iterdir()) if path.is_file() and tables.is_table(path)]
    if len(found) > 1:
        names = short_list(path.name for path in found)
        raise DatasetError(
            f"The archive holds several tables with the columns path and label: {names}. Expected "
            "one. Remove the others, or put them together with a split column. "
            f"Received: source={str(file)!r}"
        )
    listed = tables.listing(found[0], inside=folder) if found else folders.listing(top)
    return Listing(name, listed.examples, listed.class_names, listed.skipped, listed.advice)


def _unpack(file: Path, folder: Path, progress: Progress) -> None:
    size = file.stat().st_size
    most_bytes = max(_ALWAYS_ALLOWED, _MOST_GROWTH * size)
    most_members = max(_MOST_MEMBERS_OF_A_SMALL_ONE, size // _FEWEST_BYTES_PER_MEMBER)
    left = most_bytes
    try:
        with progress.task(f"Unpacking {file.name}", unit="files") as task:
            for number, member in enumerate(_members(file)):
                if number >= most_members:
                    raise _bomb(file, f"more than {most_members} members")
                target = folder.joinpath(*_safe_parts(member.name, file))
                source = member.open()
                if source is None:
                    raise DatasetError(
                        f"{member.name!r} in {file.name} is a link that points to no file of the "
                        "archive. Expected photos. Pack the photos themselves, as zip does, or "
                        f"tar with --dereference. Received: source={str(file)!r}"
                    )
                target.parent.mkdir(parents=True, exist_ok=True)
                with source, target.open("wb") as sink:
                    left -= _copy(source, sink, left)
                if left < 0:
                    raise _bomb(file, f"more than {most_bytes >> 20} MiB")
                task.advance()
    except DatasetError:
        raise
    except (*_DAMAGE, OSError) as error:
        # Errors of the disk have a number; what bz2 says about damage has none.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DatasetError(
            f"{file.name} cannot be unpacked: {error}. Expected a whole .zip or .tar archive "
            "without a password. Fetch or pack it again, or unpack it yourself and give the "
            f"folder. Received: source={str(file)!r}"
        ) from error


def _members(file: Path) -> Iterator[_Member]:
    if _is_zip(file):
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if not entry.is_dir() and _is_visible(entry.filename):
                    yield _Member(entry.filename, _zip_opener(archive, entry))
        return
    with tarfile.open(file) as archive:
        for info in archive:
            if (info.isfile() or info.issym() or info.islnk()) and _is_visible(info.name):
                yield _Member(info.name, _tar_opener(archive, info))
        _refuse_early_end(archive)


def _refuse_early_end(archive: tarfile.TarFile) -> None:
    """Python takes a damaged header for the end, and what follows would be lost without a word."""
    stream = archive.fileobj
    if stream is None:
        return
    stream.seek(archive.offset)
    block = stream.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or block.strip(b"\0"):
        raise tarfile.ReadError("it is damaged, or ends too early")
    while stream.read(1 << 20):  # the checksum of what is packed stands at its end
        pass


def _is_zip(file: Path) -> bool:
    # A TAR that ends with a ZIP among its members passes for a ZIP.
    by_name = file.name.lower().endswith(".zip") or not file.name.lower().endswith(SUFFIXES)
    return zipfile.is_zipfile(file) and (by_name or not tarfile.is_tarfile(file))


def _zip_opener(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], IO[bytes] | None]:
    def opened() -> IO[bytes] | None:
        target = entry
        for _ in range(40):  # as many links in a row as Linux follows
            if not stat.S_ISLNK(target.external_attr >> 16):
                return archive.open(target)
            link = archive.read(target).decode("utf-8", "replace")
            name = posixpath.normpath(posixpath.join(posixpath.dirname(target.filename), link))
            if name not in archive.NameToInfo:
                return None
            target = archive.NameToInfo[name]
        return None

    return opened


def _tar_opener(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], IO[bytes] | None]:
    def opened() -> IO[bytes] | None:
        try:
            # This follows a link inside the archive only, never on the disk.
            return archive.extractfile(info)
        except KeyError:
            return None

    return opened


def _is_visible(name: str) -> bool:
    return not any(is_hidden(part) for part in _parts(name) if part not in {".", ".."})


def _parts(name: str) -> list[str]:
    # Some Windows programs write backslashes between folders.
    return [part for part in name.replace("\\", "/").split("/") if part]


def _safe_parts(name: str, file: Path) -> list[str]:
    parts = [part for part in _parts(name) if part != "."]
    absolute = name.startswith(("/", "\\")) or re.match("^[A-Za-z]:", name)
    if absolute or ".." in parts or "\0" in name or not parts:
        raise DatasetError(
            f"{file.name} wants to write outside of its own folder: {name!r}. Expected relative "
            "names, with / between folders and without '..'. Do not trust this archive; if it is "
            f"yours, pack it again from inside the folder. Received: source={str(file)!r}"
        )
    return parts


def _copy(source: IO[bytes], sink: IO[bytes], most: int) -> int:
    copied = 0
    while copied <= most and (block := source.read(1 << 20)):
        copied += sink.write(block)
    return copied


def _bomb(file: Path, what: str) -> DatasetError:
    return DatasetError(
        f"{file.name} unpacks to {what}, which no archive of photos of its size does. Expected an "
        "archive of photos. If you trust it, unpack it yourself and give the folder. "
        f"Received: source={str(file)!r}"
    )


def _top(folder: Path) -> Path:
    """Look through folders that hold nothing of use but one folder of folders or tables."""
    while True:
        inside = [path for path in folder.iterdir() if not is_hidden(path.name)]
        below = [path for path in inside if path.is_dir()]
        if len(below) != 1 or split_of(below[0].name):
            return folder
        if any(tables.is_table(path) or is_photo(path) for path in inside if path.is_file()):
            return folder
        # What holds nothing but photos is a class, not the top of a data set.
        if not any(path.is_dir() or tables.is_table(path) for path in below[0].iterdir()):
            return folder
        folder = below[0]


def _stem(file: Path) -> str:
    suffix = next((end for end in SUFFIXES[::-1] if file.name.lower().endswith(end)), file.suffix)
    return file.name[: len(file.name) - len(suffix)] or file.name


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
