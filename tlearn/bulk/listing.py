"""Which photos are meant, written to a file in an order that is always the same. No TensorFlow.

Millions of paths do not belong in memory: SQLite sorts them on the disk and drops what comes twice.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tlearn.errors import DatasetError
from tlearn.files import atomic
from tlearn.prediction.finding import meant
from tlearn.prediction.urls import is_url
from tlearn.progress import SILENT, Progress

__all__ = ["Listed", "places", "write"]

# Bytes, since Linux allows any in a name.
_SCHEMA = pa.schema([("path", pa.binary())])
_AT_ONCE = 10_000


@dataclass(frozen=True)
class Listed:
    """What a list holds.

    Attributes:
        count: How many photos.
        digest: SHA-256 of their paths, in order.
        afar: Whether one or more of them are at a URL.
    """

    count: int
    digest: str
    afar: bool


def write(
    given: Sequence[str | Path],
    file: Path,
    part_size: int,
    leaving_out: Collection[Path] = (),
    progress: Progress = SILENT,
) -> Listed:
    """List the photos, each once, sorted by the bytes of their paths.

    Args:
        given: Files, folders, globs, URLs and lists (`@photos.txt`).
        file: The Parquet file to be written, whose row groups are the parts. A file of its name with
            `.sorting` behind stands beside it meanwhile.
        part_size: Photos in a part.
        leaving_out: Folders that are not looked into.
        progress: Who watches.

    Returns:
        What the list holds.

    Raises:
        DatasetError: There is no file, a glob matches nothing, or a URL or a list cannot be read.
        RunError: The disk is full or cannot be written to.
    """
    scratch = file.with_name(f"{file.name}.sorting")
    digest, count, afar = hashlib.sha256(), 0, False
    try:
        with closing(sqlite3.connect(scratch)) as disk:
            disk.execute("PRAGMA journal_mode = OFF")
            disk.execute("PRAGMA synchronous = OFF")
            disk.execute("PRAGMA cache_size = -65536")  # kibibytes
            disk.execute("CREATE TABLE photos (path BLOB PRIMARY KEY) WITHOUT ROWID")
            with progress.task("Listing photos") as task:
                for some in _in_groups(given, leaving_out):
                    disk.executemany("INSERT OR IGNORE INTO photos VALUES (?)", some)
                    task.advance(len(some))
            rows = disk.execute("SELECT path FROM photos ORDER BY path")
            with pq.ParquetWriter(file, _SCHEMA, compression="zstd") as writer:
                while part := [path for (path,) in rows.fetchmany(part_size)]:
                    writer.write_table(pa.table({"path": part}, _SCHEMA), row_group_size=part_size)
                    for path in part:
                        digest.update(path + b"\0")
                        afar = afar or is_url(os.fsdecode(path))
                    count += len(part)
    except sqlite3.OperationalError as error:
        full = OSError(28, os.strerror(28)) if "full" in str(error) else OSError(5, str(error))
        raise atomic.in_clear_words(full, file) from error
    except OSError as error:
        raise atomic.in_clear_words(error, file) from error
    finally:
        atomic.remove(scratch)
    if not count:
        raise DatasetError(
            "There is no file to look at. Expected a photo, a folder with photos in it, or a "
            f"glob such as 'photos/**/*.jpg'. Received: paths={[str(one) for one in given]}"
        )
    return Listed(count, digest.hexdigest(), afar)


def places(file: Path | pa.BufferReader, part: int) -> list[str]:
    """Read the paths and URLs of one part.

    Args:
        file: What `write` wrote, or its bytes.
        part: Its number, from 0.

    Returns:
        The part's photos, in order.
    """
    with pq.ParquetFile(file) as opened:
        return [os.fsdecode(path) for path in opened.read_row_group(part)["path"].to_pylist()]


def _in_groups(
    given: Sequence[str | Path], leaving_out: Collection[Path]
) -> Iterator[list[tuple[bytes]]]:
    group: list[tuple[bytes]] = []
    for one in given:
        for place in meant(one, leaving_out):
            group.append((os.fsencode(place),))
            if len(group) == _AT_ONCE:
                yield group
                group = []
    if group:
        yield group
