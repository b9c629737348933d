"""All photos of a data set looked at, once: a table, and a small picture of each."""

from __future__ import annotations

import datetime
import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tlearn import processors
from tlearn.files.register import Register
from tlearn.inspection import measuring
from tlearn.inspection.measuring import COLUMNS, SIDE
from tlearn.progress import SILENT, Progress

__all__ = ["Looks", "look"]

Array = np.ndarray[Any, Any]

# Counts up when the same photo would get other values.
_KIND = "1"
_AT_ONCE = 16
_FEW = 2000


@dataclass(frozen=True)
class Looks:
    """What photos are like.

    Args:
        table: One row per photo, in the given order. Columns: `path`, `digest`, and

            - `format` (str): by content: `"jpeg"`, `"png"`; `suffix_fits` (bool): the name says so, too
            - `bytes` (int), `width`, `height` (int, upright), `aspect_ratio` (width by height)
            - `brightness` (mean, 0 to 1), `contrast` (standard deviation, 0 to 0.5)
            - `sharpness`: variance of the Laplacian where the longer side has 256 pixels
              (Pech-Pacheco et al. 2000); below 50 most photos look blurred
            - `colourfulness`: 0 for grey, above 60 for vivid (Hasler and Suesstrunk 2003)
            - `border`: how bright the outermost pixels are, 0 to 1
            - `orientation` (EXIF, 1 to 8), `taken` (datetime), `camera` (str); `None` where not told
            - `hash`: a perceptual hash, 16 hexadecimal digits
            - `first_seen`: when a photo of these bytes was first looked at here, seconds since 1970

            What could not be looked at has `None` in all of them.
        grey: uint8 `(photos, 64, 64)`: each photo upright, grey, stretched to a square; zeros where
            it could not be looked at.
    """

    table: pd.DataFrame
    grey: Array


def look(examples: pd.DataFrame, *, progress: Progress = SILENT) -> Looks:
    """Look at photos; those that were looked at before are only looked up.

    Args:
        examples: Columns `path` and `digest`.
        progress: Who watches.

    Returns:
        What they are like. Memory holds 4 kB for each photo, and a few decoded ones.

    Example:

    ```python
    data = tlearn.datasets.load("my_photos/")
    looks = inspection.look(data.examples)
    looks.table.groupby(data.examples["label"])["brightness"].mean()
    ```
    """
    started = time.time()
    register = Register(_KIND)
    digests = [str(digest) for digest in examples["digest"]]
    paths = dict(zip(digests, examples["path"], strict=True))
    place = {digest: number for number, digest in enumerate(paths)}
    facts: list[dict[str, Any]] = [{} for _ in place]
    grey = np.zeros((len(place), SIDE, SIDE), np.uint8)

    def put(digest: str, text: str, picture: bytes) -> None:
        facts[place[digest]] = json.loads(text)
        grey[place[digest]] = np.frombuffer(picture, np.uint8).reshape(SIDE, SIDE)

    for row in register.read(list(place)):
        put(*row)
    todo = [digest for digest in place if not facts[place[digest]]]
    if todo:
        with progress.task("Looking at photos", total=len(todo)) as task:
            fresh = []
            for digest, found in _measured(todo, paths):
                task.advance()
                if found is None:
                    continue
                row = (digest, json.dumps(found.values, default=str), found.grey.tobytes())
                put(*row)
                fresh.append(row)
                if len(fresh) == _FEW:
                    register.write(fresh, at=started)
                    fresh = []
            register.write(fresh, at=started)
    first = register.first_seen(list(place))
    rows = [place[digest] for digest in digests]
    return Looks(_table(examples, [facts[row] for row in rows], first, started), grey[rows])


def _measured(
    digests: Sequence[str], paths: dict[str, str]
) -> Iterator[tuple[str, measuring.Measured | None]]:
    threads = processors.count()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="tlearn-look")
    try:
        waiting: deque[tuple[str, Future[measuring.Measured | None]]] = deque()
        for digest in digests:
            waiting.append((digest, pool.submit(_try, paths[digest])))
            if len(waiting) >= _AT_ONCE * threads:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _try(path: str) -> measuring.Measured | None:
    try:
        return measuring.measure(path)
    except Exception:  # Pillow raises what it likes on what it cannot read
        return None


def _table(
    examples: pd.DataFrame, facts: list[dict[str, Any]], first: dict[str, float], now: float
) -> pd.DataFrame:
    found = pd.DataFrame(
        {name: pd.Series([one.get(name) for one in facts], dtype=object) for name in COLUMNS}
    )
    found.insert(0, "path", examples["path"].to_numpy())
    found.insert(1, "digest", examples["digest"].to_numpy())
    known = found["format"].notna()
    found["suffix_fits"] = [
        measuring.suffix_fits(path, form) if form is not None else None
        for path, form in zip(found["path"], found["format"].where(known, None), strict=True)
    ]
    found["taken"] = pd.to_datetime(
        pd.Series([_moment(one.get("taken")) for one in facts], dtype=object)
    ).astype("datetime64[us]")
    numbers = ("aspect_ratio", "brightness", "contrast", "sharpness", "colourfulness", "border")
    found = found.astype(dict.fromkeys(numbers, "float64"))
    found = found.astype(dict.fromkeys(("bytes", "width", "height", "orientation"), "Int64"))
    found["first_seen"] = [first.get(digest, now) for digest in found["digest"]]
    return found


def _moment(text: str | None) -> datetime.datetime | None:
    return None if text is None else datetime.datetime.fromisoformat(text)
