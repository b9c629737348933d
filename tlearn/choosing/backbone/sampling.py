"""A part of the photos, when all would take too long."""

from __future__ import annotations

import dataclasses
import hashlib
import math

from tlearn.datasets import Dataset

__all__ = ["drawn"]

# Of fewer, folds and classes are too small to tell anything.
_LEAST_OF_A_CLASS = 10


def drawn(data: Dataset, most: int, *, seed: int) -> Dataset:
    """Draw photos so that each class keeps its share.

    A larger sample holds the smaller one, so that features kept for one serve the other.

    Args:
        data: The photos, divided. Those for the test stay out of the count, and stay.
        most: About how many photos, training and validation together; of each class no fewer than
            ten, or all.
        seed: Another seed draws others.

    Returns:
        The data set with fewer rows, or the same one.
    """
    pool = data.examples[data.examples["split"] != "test"]
    if len(pool) <= most:
        return data
    places = pool["digest"].map(
        lambda digest: hashlib.sha256(f"{seed}:{digest}".encode()).hexdigest()
    )
    wanted = []
    for _, rows in places.groupby([pool["label"], pool["split"]], sort=False):
        count = math.ceil(max(len(rows) * most / len(pool), _LEAST_OF_A_CLASS))
        wanted += list(rows.sort_values().index[:count])
    kept = data.examples["split"].eq("test") | data.examples.index.isin(wanted)
    return dataclasses.replace(data, examples=data.examples[kept].reset_index(drop=True))
