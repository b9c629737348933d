"""What a person with so many labelled photos of each class has, cut out of a larger photo set."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import pandas as pd
import photo_sets

from tlearn import datasets, splits

VALIDATION = 0.15  # the command's default


@dataclass(frozen=True)
class Pool:
    """A photo set, of which some photos judge and all others may be drawn.

    Args:
        data: The whole set.
        free: The photos that may be drawn.
        judges: The photos that judge; no run sees them.
    """

    data: datasets.Dataset
    free: pd.DataFrame
    judges: pd.DataFrame

    def draw(self, per_class: int | None, seed: int) -> datasets.Dataset:
        """So many photos of each class (all where there are fewer, or with `None`), divided.

        The command's own split divides them into train and validation, by a seed of its own: that
        of the test split would find none that were near enough to the test to be taken.
        """
        drawn = self.free.sample(frac=1, random_state=seed)
        if per_class is not None:
            drawn = drawn[drawn.groupby("label").cumcount() < per_class]
        drawn = drawn.sort_index().reset_index(drop=True).assign(split=None)
        part = dataclasses.replace(self.data, examples=drawn)
        return splits.make(part, validation=VALIDATION, test=0.0, seed=seed + 1)


def pool(photos: str, judged_by: str = "test") -> Pool:
    """The photo set, its test split by seed 0 where none is given.

    Judged by `"test"`, all other photos may be drawn. Judged by `"pool"`, 15 % of those are put
    aside to judge in place of the test photos: for choosing among settings.
    """
    data = photo_sets.divided(photos)
    is_test = data.examples["split"] == "test"
    free, judges = data.examples[~is_test], data.examples[is_test]
    if judged_by == "pool":
        judges = photo_sets.held_back(free.assign(split="train"), VALIDATION)
        free = free.drop(judges.index)
    return Pool(data, free, judges.reset_index(drop=True))
