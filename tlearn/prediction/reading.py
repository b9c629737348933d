"""Photos' files, read some way ahead of whoever answers them, in batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tlearn import processors
from tlearn.errors import DecodeError
from tlearn.photos.decoding import route
from tlearn.photos.photo_bytes import servable
from tlearn.prediction import urls

__all__ = ["Photo", "batches", "read"]

_BATCH_BYTES = 64 * 2**20
_FILE_BYTES = 2**30
# A disk keeps up with the processors; a network takes its time for each file, however many are asked for.
_FROM_DISK = 4
_FROM_AFAR = 32


@dataclass(frozen=True)
class Photo:
    """A photo's file, read.

    Attributes:
        place: Its path or URL.
        data: Bytes that the SavedModel can decode.
        error: Why there are none, or `None`.
        resort: Whether Pillow may still read what the SavedModel could not.
    """

    place: str
    data: bytes = b""
    error: str | None = None
    resort: bool = False


def read(place: str) -> Photo:
    """Read a photo's file.

    Args:
        place: Its path or URL.

    Returns:
        The photo, or why it cannot be read.
    """
    try:
        if urls.is_url(place):
            data = urls.read(place, _FILE_BYTES)
        else:
            path = Path(place)
            if not path.exists():
                return Photo(place, error="there is no such file")
            if not path.is_file():
                return Photo(place, error="not a regular file")
            if path.stat().st_size > _FILE_BYTES:
                return Photo(place, error="larger than 1 GiB, which no photo is")
            data = path.read_bytes()
        decoder = route(data)
        return Photo(place, servable(data, decoder), resort=decoder == "graph")
    except DecodeError as error:
        return Photo(place, error=str(error))
    except OSError as error:
        return Photo(place, error=error.strerror or str(error))


def batches(places: Iterable[str], size: int, *, afar: bool = False) -> Iterator[list[Photo]]:
    """Read photos and put them together.

    Args:
        places: Their paths and URLs, taken one by one.
        size: How many photos a batch has, at most; fewer where their files are large.
        afar: Whether they come over a network, so that many are asked for at the same time.

    Returns:
        An iterator of batches, in the order of `places`, none of them empty.
    """
    threads = _FROM_AFAR if afar else min(_FROM_DISK, processors.count())
    batch: list[Photo] = []
    filled = 0
    for photo in processors.ahead(read, places, threads=threads, waiting=2 * threads):
        batch.append(photo)
        filled += len(photo.data)
        if len(batch) == size or filled > _BATCH_BYTES:
            yield batch
            batch, filled = [], 0
    if batch:
        yield batch
