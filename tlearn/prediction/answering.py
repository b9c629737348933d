"""Photos to rows of answers, as they come: two batches are with the model at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tlearn import processors
from tlearn.errors import DecodeError
from tlearn.photos.photo_bytes import servable
from tlearn.prediction.answers import answers_table
from tlearn.prediction.reading import Photo, batches
from tlearn.prediction.saved import Saved
from tlearn.prediction.urls import is_url
from tlearn.prediction.wanted import Wanted

__all__ = ["answer", "in_tables", "said_of"]

# While one is decoded the other is in the network; more gained nothing, see docs/predict.md.
_AT_ONCE = 2


def in_tables(
    saved: Saved, places: Sequence[str], wanted: Wanted, batch_size: int
) -> Iterator[pd.DataFrame]:
    """Answer photos, some at a time.

    Args:
        saved: Who answers.
        places: Paths and URLs.
        wanted: What is asked.
        batch_size: Photos per call of the model.

    Returns:
        An iterator of tables as `answers_table` makes them, in the order of `places`.
    """
    afar = any(map(is_url, places))
    yield from answer(saved, batches(places, batch_size, afar=afar), wanted)


def answer(saved: Saved, read: Iterable[Sequence[Photo]], wanted: Wanted) -> Iterator[pd.DataFrame]:
    """Answer batches of photos that have been read.

    Args:
        saved: Who answers.
        read: The batches, taken one by one.
        wanted: What is asked.

    Returns:
        An iterator of tables, one per batch and in the same order.
    """
    threshold = saved.threshold if wanted.threshold is None else wanted.threshold

    def table(batch: Sequence[Photo]) -> pd.DataFrame:
        probabilities, distances, errors = said_of(saved, batch)
        # Only what will be shown is kept: of a thousand classes, five.
        return answers_table(
            [photo.place for photo in batch],
            probabilities,
            saved.class_names,
            errors,
            wanted.top,
            threshold=threshold,
            distances=distances,
        )

    yield from processors.ahead(table, read, threads=_AT_ONCE, waiting=_AT_ONCE + 1)


def said_of(
    saved: Saved, batch: Sequence[Photo]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], list[str | None]]:
    """Ask a classifier, and Pillow for what the SavedModel cannot decode.

    Args:
        saved: Who answers.
        batch: Photos that have been read.

    Returns:
        Probabilities, float32 `(photos, classes)`, zeros where there is an error; distances, float32
        `(photos,)`; and errors, `None` for what was read.
    """
    errors = [photo.error for photo in batch]
    probabilities = np.zeros((len(batch), len(saved.class_names)), np.float32)
    distances = np.full(len(batch), np.nan, np.float32)

    def ask(photos: dict[int, bytes]) -> None:
        """Fill in the rows of `photos`, with an error for those that could not be read."""
        if not photos:
            return
        places = list(photos)
        probabilities[places], distances[places], readable = saved.of_bytes(list(photos.values()))
        for at, read in zip(places, readable, strict=True):
            errors[at] = None if read else "it cannot be decoded"

    asked = {at: photo.data for at, photo in enumerate(batch) if photo.error is None}
    ask(asked)
    resort = {}
    for at in asked:
        if errors[at] is not None and batch[at].resort:
            try:
                resort[at] = servable(batch[at].data, "pillow")
            except DecodeError as error:
                errors[at] = str(error)
    ask(resort)
    return probabilities, distances, errors
