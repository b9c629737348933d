"""What the parts say in all, counted a part at a time. No TensorFlow."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from tlearn.bulk.parts import Parts
from tlearn.errors import DecodeError
from tlearn.progress import Progress

__all__ = ["Tally", "of", "tell_errors"]

_NAMED = 5


@dataclass
class Tally:
    """What the answers in a folder of parts say.

    Attributes:
        folder: The folder.
        parts: How many parts there are.
        photos: How many photos, which is the number of rows.
        unsure: How many answers are unsure.
        unlike: How many photos are unlike anything in training.
        unread: How many files could not be read.
        labels: How many photos each class is the likeliest of, the unsure and unlike ones included.
        errors: The first few files that could not be read, and why.
    """

    folder: Path
    parts: int = 0
    photos: int = 0
    unsure: int = 0
    unlike: int = 0
    unread: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    errors: list[tuple[str, str]] = field(default_factory=list)

    def to_frame(self) -> pd.DataFrame:
        """The classes as a table: `label`, `photos`, `share`; the most frequent first."""
        rows = self.labels.most_common()
        shares = [count / self.photos for _, count in rows]
        return pd.DataFrame(
            {
                "label": pd.Series([label for label, _ in rows], dtype=object),
                "photos": pd.Series([count for _, count in rows], dtype="int64"),
                "share": pd.Series(shares, dtype="float64"),
            }
        )


def of(parts: Parts) -> Tally:
    """Count.

    Args:
        parts: A folder whose parts are all there.

    Returns:
        What they say.
    """
    counted = Tally(parts.path)
    for file in sorted(parts.path.glob("part-*.parquet")):
        table = pq.read_table(file, columns=["path", "label", "unsure", "unlike", "error"])
        part = table.to_pandas()
        counted.parts += 1
        counted.photos += len(part)
        counted.unsure += int(part["unsure"].fillna(False).astype(bool).sum())
        counted.unlike += int(part["unlike"].fillna(False).astype(bool).sum())
        failed = part[part["error"].notna()]
        counted.unread += len(failed)
        counted.labels.update(part["label"].dropna())
        room = _NAMED - len(counted.errors)
        counted.errors += list(
            failed[["path", "error"]].head(room).itertuples(index=False, name=None)
        )
    return counted


def tell_errors(counted: Tally, progress: Progress) -> None:
    """Warn of the files that could not be read, if there are any.

    Args:
        counted: What `of` counted.
        progress: Who is warned.

    Raises:
        DecodeError: Not one of the files could be read.
    """
    if not counted.unread:
        return
    named = "".join(f"\n  {path}: {error}" for path, error in counted.errors)
    more = f"\n  and {counted.unread - len(counted.errors):,} more"
    named += more if counted.unread > len(counted.errors) else ""
    if counted.unread == counted.photos:
        raise DecodeError(
            f"Not one of {counted.photos:,} files could be read. Expected photos: JPEG, PNG, GIF, "
            f"WebP, BMP, TIFF, or HEIC with the extra 'heic'. Received:{named}"
        )
    progress.warn(
        f"{counted.unread:,} of {counted.photos:,} files could not be read; the column 'error' says "
        f"why:{named}"
    )
