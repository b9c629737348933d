"""Which photos of a folder to label next, by what a finished run says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from tlearn import precision as precisions
from tlearn import runs
from tlearn.datasets.scan import scan
from tlearn.errors import DecodeError, RunError
from tlearn.labelling import choosing_next
from tlearn.photos import pipeline
from tlearn.prediction.answers import check_output, write
from tlearn.prediction.finding import find
from tlearn.progress import SILENT, Progress
from tlearn.stages import freezing

__all__ = ["rank"]

# After so many, which of two is labelled first teaches nothing: the rest follows by uncertainty.
_MOST_SPREAD = 2000


def rank(
    paths: str | Path | Sequence[str | Path],
    *,
    run: runs.Run | str | Path | None = None,
    output: str | Path | None = None,
    batch_size: int = 32,
    root: str | Path = runs.ROOT,
    progress: Progress = SILENT,
) -> pd.DataFrame:
    """Rank unlabelled photos by what their labels would teach a run's model most.

    ```
    new_photos/        rank("new_photos/", run="clothing-efficientnet_lite0")
    ├── 1.jpg          unsure, and like nothing before it: rank 1
    ├── 2.jpg          the same thing again: rank 40
    └── 3.jpg          a sure T-shirt: rank 35
    ```

    Args:
        paths: Files, folders (with all that is below them) and globs, mixed.
        run: A run, its folder, or its name under `root`; by default the latest under `root`. Its
            model for Keras must be there.
        output: A `.csv`, `.json` or `.parquet` file that the table is written to.
        batch_size: Photos per call of the model.
        root: The folder of run folders.
        progress: Warned of the files that cannot be read, which are left out.

    Returns:
        A row for each photo that can be read, the most telling first. Columns: `path`, `rank`
        (int64, from 1), `uncertainty` (float64, 0 to 1: one less the margin between the two most
        probable classes), `predicted`, `confidence` (float64, 0 to 1: its probability).

    Raises:
        DatasetError: There is no file to look at.
        DecodeError: Not one of the files can be read.
        RunError: There is no such run, or its model for Keras has been removed.

    Example:

    ```python
    next_photos.rank("new_photos/", run="clothing-efficientnet_lite0", output="next.csv")
    ```
    """
    if output is not None:
        check_output(output)
    found = runs.load(run, root)
    model = _model(found)
    table = scan(find(paths), progress=progress)
    unread = table[table["reason"].notna()]
    named = ", ".join(
        f"{path} ({reason})" for path, reason in zip(unread["path"], unread["reason"], strict=True)
    )
    if len(unread) == len(table):
        raise DecodeError(
            f"Not one of {len(table)} files could be read, so there is nothing to rank. Expected "
            f"photos. Give others. Received: {named}"
        )
    if len(unread):
        progress.warn(f"Files that cannot be read are not ranked ({len(unread)}): {named}")
    # Labels are not known; the pipeline wants some.
    photos = table[table["reason"].isna()].assign(label=found.class_names[0])
    photos = photos.reset_index(drop=True)
    probabilities, features = _said(model, photos, found, batch_size, progress)
    order = choosing_next.order(probabilities, features, _MOST_SPREAD)
    unsure = choosing_next.uncertainty(probabilities)
    rest = np.setdiff1d(np.argsort(-unsure, kind="stable"), order, assume_unique=True)
    places = np.concatenate([order, rest])
    names = np.array(found.class_names, dtype=object)
    ranked = pd.DataFrame(
        {
            "path": photos["path"].to_numpy()[places],
            "rank": np.arange(1, len(places) + 1),
            "uncertainty": unsure[places],
            "predicted": names[probabilities.argmax(axis=1)][places],
            "confidence": probabilities.max(axis=1).astype(np.float64)[places],
        }
    )
    if output is not None:
        write(ranked, output)
    return ranked


def _model(run: runs.Run) -> keras.Model:
    """What a run's model answers, and what its head is given."""
    try:
        model = keras.models.load_model(run.model_path, compile=False)
    except (OSError, ValueError) as error:
        raise RunError(
            f"The model for Keras of the run {run.name} cannot be read, and without it there are no "
            "features to compare photos by. It may have been removed to save space. Train again. "
            f"Received: run={str(run.path)!r} ({type(error).__name__}: {error})"
        ) from error
    _, head = freezing.split_head(model)
    return keras.Model(model.inputs, [model.outputs[0], head[0].input])


def _said(
    model: keras.Model, photos: pd.DataFrame, run: runs.Run, batch_size: int, progress: Progress
) -> tuple[Any, Any]:
    """float32 probabilities `(photos, classes)` and features `(photos, features)`."""
    batches = pipeline.batches(
        photos,
        run.class_names,
        image_size=int(model.input_shape[1]),
        batch_size=batch_size,
        resize_mode=run.info["resize_mode"],
    )
    probabilities, features = [], []
    with precisions.exact(), progress.task("Looking at photos", total=len(photos)) as task:
        for images, _ in batches:
            answers, inputs = model.predict_on_batch(images)
            probabilities.append(answers)
            features.append(inputs.reshape(len(inputs), -1).astype(np.float16))
            task.advance(len(inputs))
    return np.concatenate(probabilities), np.concatenate(features)
