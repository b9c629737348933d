"""The photos of a job, divided, and the stages that suit their number."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tlearn import datasets, inspection, splits, stages
from tlearn.datasets import Dataset
from tlearn.errors import DatasetError
from tlearn.progress import Progress
from tlearn.recipes import Recipe

__all__ = ["read", "stages_for"]


def read(
    dataset: str | Path,
    *,
    validation: float,
    test: float,
    seed: int,
    data_dir: str | Path | None,
    strict: bool,
    corrections: str | Path | None = None,
    group: bool = True,
    progress: Progress,
) -> Dataset:
    """Read the photos and divide them.

    Args:
        dataset: What `--dataset` takes.
        validation: The share for validation, where the data set gives no such split.
        test: The share for the test, likewise.
        seed: Decides the split.
        data_dir: Where TFDS keeps its data sets.
        strict: Make a file that cannot be read an error.
        corrections: A table of labels that a person has mended; see docs/labels.md.
        group: Keep photos that show the same, and bursts, on one side; see `tlearn.inspection`.
        progress: Who watches.

    Returns:
        The data set, every photo with a split; there are photos to train and to validate on.

    Raises:
        DatasetError: There are none to validate on, or the data set cannot be used.
    """
    data = datasets.load(
        dataset,
        data_dir=data_dir,
        strict=strict,
        corrections=corrections,
        progress=progress,
    )
    ties = None
    if group:
        found = inspection.belonging(data, progress=progress)
        data, ties = found.dataset, found.ties
    data = splits.make(data, validation=validation, test=test, seed=seed, progress=progress)
    if ties is not None:
        data = dataclasses.replace(data, leaks=inspection.leaks(data.examples, ties))
        for sentence in inspection.in_words(data.leaks):
            progress.warn(sentence)
    if not data.count("validation"):
        raise DatasetError(
            "There are no photos to validate on, and without them no stage can tell its best "
            f"epoch. Give --validation a share above 0. Received: validation={validation}"
        )
    return data


def stages_for(recipe: Recipe, data: Dataset) -> tuple[stages.Stage, ...]:
    """The stages of a recipe, by the number of training photos and of classes.

    Raises:
        RecipeError: An argument of the recipe is refused.
    """
    return recipe.stages(num_examples=data.count("train"), num_classes=len(data.class_names))
