"""The folder that answers are written into, part by part, and what it says of itself. No TensorFlow.

```
answers/
├── _manifest.json       which run is asked what, and of which photos
├── _photos.parquet      the photos in order; each row group is a part
├── _lock                held by the process that works here
├── part-000000.parquet  the answers of the first part, a row per photo in the same order
├── part-000001.parquet
└── ...
```

A part is there whole or not at all. Readers of Parquet folders pass over names with `_` in front.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tlearn.bulk import listing
from tlearn.bulk.listing import Listed
from tlearn.errors import PartsError
from tlearn.files import atomic, tables
from tlearn.prediction.wanted import Wanted

__all__ = ["FORMAT", "LOCK", "Manifest", "Parts", "to_arrow"]

FORMAT = 1
LOCK = "_lock"
_MANIFEST = "_manifest.json"
_PHOTOS = "_photos.parquet"
_KINDS = {
    "path": pa.string(),
    "answer": pa.string(),
    "label": pa.string(),
    "probability": pa.float32(),
    "unsure": pa.bool_(),
    "unlike": pa.bool_(),
    "distance": pa.float32(),
    "error": pa.string(),
}


@dataclass(frozen=True)
class Manifest:
    """What a folder of parts answers. Two with the same are the same work.

    Attributes:
        run: The run's name, or the SavedModel's folder; told, not compared.
        model: SHA-256 of the SavedModel.
        wanted: What is asked.
        photos: The list of photos.
        part_size: Photos in a part; the last one may have fewer.
        format: The version of this layout.
    """

    run: str
    model: str
    wanted: Wanted
    photos: Listed
    part_size: int
    format: int = FORMAT

    @property
    def parts(self) -> int:
        """How many parts there are when all is done."""
        return -(-self.photos.count // self.part_size)


class Parts:
    """A folder of answers in parts.

    Args:
        path: The folder, which need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def photos(self) -> Path:
        """The file that lists the photos."""
        return self.path / _PHOTOS

    def part(self, number: int) -> Path:
        """The file of a part, counted from 0."""
        return self.path / f"part-{number:06d}.parquet"

    def read_manifest(self) -> Manifest | None:
        """Read what the folder answers; `None` for one that is absent, empty or was only begun.

        Raises:
            PartsError: It holds something else, or its manifest is damaged.
        """
        file = self.path / _MANIFEST
        try:
            text = file.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            if self.path.is_dir() and (others := self._others()):
                raise PartsError(
                    "The folder for the parts holds something else. Expected one that is absent, "
                    "empty, or begun by the same command: choose another. "
                    f"Received: output_dir={str(self.path)!r}, which holds {others[:3]}"
                ) from None
            return None
        try:
            known = json.loads(text)
            if known["format"] != FORMAT:
                raise ValueError(f"its format is {known['format']}, not {FORMAT}")
            return Manifest(
                **{
                    **known,
                    "wanted": Wanted(**known["wanted"]),
                    "photos": Listed(**known["photos"]),
                }
            )
        except (ValueError, KeyError, TypeError) as error:
            raise PartsError(
                "The folder of parts cannot be gone on with: its manifest is damaged, or of another "
                "version of tlearn. Expected another folder, or this one removed. "
                f"Received: output_dir={str(self.path)!r} ({error})"
            ) from error

    def write_manifest(self, manifest: Manifest) -> None:
        """Say what the folder answers; from now on it can be gone on with."""
        with atomic.replacing(self.path / _MANIFEST) as file:
            file.write_text(tables.to_json(asdict(manifest)), encoding="utf-8")

    def missing(self, manifest: Manifest) -> list[int]:
        """The numbers of the parts that are not there yet."""
        there = {file.name for file in self.path.glob("part-*.parquet")}
        return [at for at in range(manifest.parts) if self.part(at).name not in there]

    def write(self, number: int, answers: pa.Table) -> None:
        """Write a part, whole or not at all."""
        with atomic.replacing(self.part(number)) as file:
            pq.write_table(answers, file, compression="zstd")

    def tidy(self) -> None:
        """Remove what a killed process left; only for who holds the lock."""
        for left in self.path.glob(".*.unfinished-*"):
            atomic.remove(left)

    def tables(self) -> Iterator[pd.DataFrame]:
        """The answers, a part at a time, in the order of the photos.

        Yields:
            Tables as `tlearn.predict` gives them, with the exact path in `path`.

        Raises:
            PartsError: The folder is not finished.
        """
        manifest = self.read_manifest()
        if manifest is None or (missing := self.missing(manifest)):
            raise PartsError(
                "The folder of parts is not finished. Expected all of them: run the command that "
                f"began it again. Received: output_dir={str(self.path)!r}, "
                f"missing={0 if manifest is None else len(missing)}"
            )
        for number in range(manifest.parts):
            table = pd.read_parquet(self.part(number))
            # A name that is no UTF-8 is written in the part as a person can read it.
            yield table.assign(path=pd.Series(listing.places(self.photos, number), dtype=object))

    def _others(self) -> list[str]:
        ours = (_PHOTOS, f"{_PHOTOS}.sorting", LOCK)
        names = sorted(one.name for one in self.path.iterdir())
        return [name for name in names if not name.startswith((".", *ours))]


def to_arrow(answers: pd.DataFrame) -> pa.Table:
    """A table of answers with the types that every part has, whatever is missing in it.

    Args:
        answers: As `answers_table` makes it.

    Returns:
        The same rows.
    """
    kinds = [(name, _KINDS[name.rstrip("_0123456789")]) for name in answers.columns]
    return pa.Table.from_pandas(
        tables.readable(answers), schema=pa.schema(kinds), preserve_index=False
    ).replace_schema_metadata()
