"""Photo sets laid out for a benchmark: tlearn's own split as folders of links, tables of a part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from tlearn import datasets, splits


def divided(photos: str, seed: int = 0) -> datasets.Dataset:
    """The photos, each with the split that `tlearn finetune --seed` would give it."""
    return splits.make(datasets.load(photos), seed=seed)


def class_folders(dataset: datasets.Dataset) -> dict[str, str]:
    """A folder's name for each class; a number, since a label may hold what no folder's name may."""
    return {name: f"{place:04d}" for place, name in enumerate(dataset.class_names)}


def link(examples: pd.DataFrame, folder: Path, class_folders: Mapping[str, str]) -> None:
    """Put a link to each photo into SPLIT/CLASS/, under a number that is the photo's own.

    Called again with other photos of the same table, it adds them to the folder.
    """
    for row, photo in examples.iterrows():
        source = Path(photo["path"])
        place = folder / photo["split"] / class_folders[photo["label"]]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{row:07d}{source.suffix.lower()}").symlink_to(source)


def sampled(dataset: datasets.Dataset, count: int) -> pd.DataFrame:
    """So many of the training photos, drawn at random; all where there are fewer."""
    train = dataset.examples[dataset.examples["split"] == "train"]
    return train.sample(min(count, len(train)), random_state=0)


def held_back(examples: pd.DataFrame, share: float, seed: int = 0) -> pd.DataFrame:
    """A share of the training photos of each class, at least one; but never all of a class."""
    train = examples[examples["split"] == "train"].sample(frac=1, random_state=seed)
    place = train.groupby("label").cumcount()
    count = train.groupby("label")["label"].transform("size")
    return train[place < np.minimum(np.maximum((count * share).round(), 1), count - 1)]
