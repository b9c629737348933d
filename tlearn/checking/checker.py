"""`check`: from a data set to what is wrong with it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tlearn import inspection, runs, splits
from tlearn.checking import of_classes, of_copies, of_labels, of_photos, of_shortcuts, shortcuts
from tlearn.checking.verdict import Check
from tlearn.datasets import Dataset
from tlearn.datasets.dataset import table_of
from tlearn.datasets.loading import survey
from tlearn.errors import DatasetError
from tlearn.photos.resize_modes import DEFAULT_RESIZE
from tlearn.progress import SILENT, Progress

__all__ = ["check"]

_PHOTO = ("path", "label", "split", "group", "digest", "bundle")


def check(
    dataset: str | Path,
    *,
    labels: bool = False,
    backbone: str = "efficientnet",
    weights: str = "imagenet",
    image_size: int | None = None,
    resize_mode: str = DEFAULT_RESIZE,
    precision: str = "auto",
    unlabelled: str | Path | Sequence[str | Path] | None = None,
    run: runs.Run | str | Path | None = None,
    root: str | Path = runs.ROOT,
    data_dir: str | Path | None = None,
    memory: str | int | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Check:
    """Say what is wrong with a data set, before anything is trained.

    A data set that `finetune` would refuse is checked as far as it goes; what is wrong is among
    the findings. No file is touched.

    Args:
        dataset: A folder, a table, an archive, or the name of a TFDS data set; see
            `datasets.load`.
        labels: Also judge every label by the frozen features of a backbone, which takes about as
            long as the first stage of a training.
        backbone, weights, image_size, resize_mode, precision, memory: For `labels`, as for
            `finetune`.
        unlabelled: Photos without labels, as files, folders and globs, to be ranked by what their
            labels would teach.
        run: For `unlabelled`: a run, its folder, or its name under `root`; by default the latest.
        root: The folder of run folders.
        data_dir: Where TFDS keeps its data sets.
        seed: Decides folds.
        progress: Who watches.

    Returns:
        The findings, and the tables that they are read off.

    Raises:
        DatasetError: There is no such data set, or it is arranged so that nothing says which
            class its photos are.
        RunError: `unlabelled` was given, and there is no such run.

    Example:

    ```python
    found = tlearn.check("my_photos/")
    found.findings[["finding", "count", "about"]]
    found.gallery("check.html")
    ```
    """
    seen = survey(dataset, data_dir=data_dir, progress=progress)
    data = seen.dataset
    left_out = table_of(
        {
            "path": [path for path, _ in seen.left_out],
            "reason": [reason for _, reason in seen.left_out],
        }
    )
    found = of_classes.of_files(seen.unreadable, left_out)
    found += of_classes.of_classes(list(data.examples["label"]), data.class_names)
    together = inspection.belonging(data, progress=progress)
    examples = together.dataset.examples
    leaks = inspection.leaks(examples, together.ties)
    photos = _photos(examples, together.looks.table)
    clear = photos[photos["width"].notna()]
    found += of_copies.find(examples, together.ties, leaks)
    found += of_photos.find(clear)
    telling = shortcuts.find(clear, list(clear["bundle"]), seed=seed)
    found += of_shortcuts.find(photos, telling)
    answer = Check(
        dataset=data.name,
        source=os.fspath(dataset),
        class_names=data.class_names,
        found=tuple(found),
        photos=photos,
        pairs=_pairs(examples, together.ties),
        leaks=leaks,
        shortcuts=telling,
        skipped=data.skipped,
    )
    if labels:
        judged = _judged(
            together.dataset,
            seed,
            progress,
            backbone=backbone,
            weights=weights,
            image_size=image_size,
            resize_mode=resize_mode,
            precision=precision,
            memory=memory,
        )
        if judged is not None:
            suspects, outliers = judged
            answer = dataclasses.replace(
                answer,
                found=(*answer.found, *of_labels.find(suspects, outliers)),
                suspects=suspects,
                outliers=outliers,
            )
    if unlabelled is not None:
        from tlearn.labelling import next_photos

        ranked = next_photos.rank(unlabelled, run=run, root=root, progress=progress)
        answer = dataclasses.replace(answer, label_next=ranked)
    return answer


def _photos(examples: pd.DataFrame, looks: pd.DataFrame) -> pd.DataFrame:
    """What is known of each photo, in one table."""
    facts = looks.drop(columns=["path", "digest", "first_seen"], errors="ignore")
    known = examples.reset_index(drop=True)[list(_PHOTO)]
    return pd.concat([known, facts.reset_index(drop=True)], axis=1)


def _pairs(examples: pd.DataFrame, ties: pd.DataFrame) -> pd.DataFrame:
    path, label = examples["path"].to_numpy(), examples["label"].to_numpy()
    first, second = ties["first"].to_numpy(np.int64), ties["second"].to_numpy(np.int64)
    return pd.DataFrame(
        {
            "first": path[first],
            "second": path[second],
            "first_label": label[first],
            "second_label": label[second],
            "kind": ties["kind"].to_numpy(),
            "similarity": ties["similarity"].to_numpy(float),
        }
    )


def _judged(
    data: Dataset, seed: int, progress: Progress, **options: Any
) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Suspect labels and outliers; `None`, and a warning, where there are no two classes."""
    names = tuple(name for name in data.class_names if (data.examples["label"] == name).any())
    if len(names) < 2:
        progress.warn(
            "No label was checked, since it takes two classes with photos to tell which is wrong"
        )
        return None
    from tlearn.labelling import suspects as labelling

    try:
        divided = splits.make(dataclasses.replace(data, class_names=names), seed=seed)
    except DatasetError as error:
        progress.warn(f"No label was checked: {error}")
        return None
    judged = labelling.find(divided, seed=seed, progress=progress, **options)
    return judged.table[judged.table["suspect"]].reset_index(drop=True), judged.outliers
