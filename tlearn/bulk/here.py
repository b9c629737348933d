"""The engine that answers parts in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from tlearn.bulk import listing
from tlearn.bulk.parts import to_arrow
from tlearn.prediction.answering import answer
from tlearn.prediction.reading import batches
from tlearn.prediction.saved import Saved
from tlearn.progress import Task

if TYPE_CHECKING:
    from tlearn.bulk.predicting import Job, Workers

__all__ = ["answered"]


def answered(job: Job, workers: Workers, task: Task) -> Iterator[tuple[int, pa.Table]]:
    """Answer the parts that are missing.

    Photos are read, and answered, across the border of two parts, so that the model never waits for
    a part to be written.

    Args:
        job: What is to be done.
        workers: How many photos per call.
        task: Told of each photo.

    Returns:
        An iterator of the parts' numbers and answers.
    """
    saved = Saved(job.model, flip=job.manifest.wanted.flip)
    sizes: list[int] = []

    def photos() -> Iterator[str]:
        for number in job.missing:
            places = listing.places(job.parts.photos, number)
            sizes.append(len(places))
            yield from places

    read = batches(photos(), workers.batch_size, afar=job.manifest.photos.afar)
    answers = answer(saved, read, job.manifest.wanted)
    for number, part in zip(job.missing, _cut(answers, sizes, task), strict=True):
        yield number, to_arrow(part)


def _cut(answers: Iterable[pd.DataFrame], sizes: list[int], task: Task) -> Iterator[pd.DataFrame]:
    """Tables of any length to tables of these lengths, which come to be known as the photos are read."""
    held: list[pd.DataFrame] = []
    rows = 0
    for table in answers:
        held.append(table)
        rows += len(table)
        task.advance(len(table))
        while sizes and rows >= sizes[0]:
            joined = pd.concat(held, ignore_index=True)
            size = sizes.pop(0)
            yield joined.iloc[:size].reset_index(drop=True)
            held, rows = [joined.iloc[size:]], rows - size
