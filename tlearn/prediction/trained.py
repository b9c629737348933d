"""What a trained classifier says of files: a table with one row each, held in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tlearn import runs
from tlearn.calibration import Target
from tlearn.prediction import asked
from tlearn.prediction.answering import in_tables
from tlearn.prediction.answers import tell_errors, write
from tlearn.prediction.finding import find_places
from tlearn.prediction.saved import Saved
from tlearn.prediction.wanted import Wanted
from tlearn.progress import SILENT, Progress

__all__ = ["predict", "write"]


def predict(
    paths: str | Path | Sequence[str | Path],
    *,
    run: runs.Run | str | Path | None = None,
    top: int = 5,
    flip: bool = False,
    threshold: float | None = None,
    target_precision: float | None = None,
    target_coverage: float | None = None,
    batch_size: int = 32,
    root: str | Path = "saved_models",
    progress: Progress = SILENT,
) -> pd.DataFrame:
    """Classify photos.

    Files are read ahead while the model works; no more than four batches of them are in memory at a
    time. The table is, too: of a million photos and more, `tlearn.bulk.predicting.predict_into` writes
    parts instead.

    Args:
        paths: Files, folders (with all that is below them) and globs, mixed; also URLs such as
            `s3://bucket/photos/`, and lists of photos as `@photos.txt`.
        run: A run, its folder, its name under `root`, or the folder of a bare SavedModel that
            `export` wrote; by default the latest finished run under `root`.
        top: How many classes to name per photo, at most as many as there are.
        flip: Answer with the mean of the probabilities of a photo and of its mirror image, for
            twice the time. Not where left and right matter, as in text.
        threshold: Below which probability an answer is unsure, 0..1; by default what the SavedModel
            holds.
        target_precision: In its place, the share of the answers that is to be right; the threshold
            then comes from the run's validation photos, see docs/calibration.md.
        target_coverage: In its place, the share of photos that is to be answered.
        batch_size: Photos per call of the model.
        root: The folder of run folders.
        progress: Who watches.

    Returns:
        One row per file, in the order found: `path`; `answer`, the most probable class or
        `"unsure"`; `label` and `probability` of the most probable class; `label_2`,
        `probability_2` and so on; `unsure`; `unlike`, whether it is unlike anything in training,
        and the `distance` that tells, above 1 where so (NaN in a SavedModel that cannot tell); and
        `error`, which is `None`, or why the file could not be read (then the other columns are
        empty).

    Raises:
        DatasetError: There is no file to look at.
        DecodeError: Not one of the files could be read.
        RunError: There is no such run, its SavedModel is damaged, or its validation photos do not
            show that a target is reached.

    Example:

    ```python
    table = predict(["photo.jpg", "more_photos/"], run="clothing-efficientnet_lite0", top=3)
    ```
    """
    if batch_size < 1:
        raise ValueError(f"Expected a number of 1 or more. Received: batch_size={batch_size}")
    wanted = Wanted(top=top, flip=flip, threshold=threshold)
    places = find_places(paths)
    found = asked.which(run, root)
    if target_precision is not None or target_coverage is not None:
        wanted = asked.for_target(wanted, found, Target.of(target_precision, target_coverage))
    saved = Saved(asked.directory(found), flip=flip)
    parts: list[pd.DataFrame] = []
    with progress.task("Predicting", total=len(places)) as task:
        for part in in_tables(saved, places, wanted, batch_size):
            parts.append(part)
            task.advance(len(part))
    table = pd.concat(parts, ignore_index=True)
    tell_errors(table, progress)
    return table
