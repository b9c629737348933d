"""What a trained model sees and says of photos, in one pass over them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tlearn import heads, jobs
from tlearn import precision as precisions
from tlearn.calibration import scope
from tlearn.networks import last_layer
from tlearn.progress import SILENT, Progress

__all__ = ["known_photos", "logits_and_distances"]

_AT_ONCE = 64


def logits_and_distances(
    model: keras.Model,
    known: scope.Known,
    batches: Any,
    total: int,
    *,
    progress: Progress = SILENT,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Look at photos.

    Args:
        model: A classifier whose last layer with weights is named `heads.LOGITS`.
        known: Training photos to compare with, as `known_photos` gives them.
        batches: Of `(photos, labels)`.
        total: How many photos they hold.
        progress: Who watches.

    Returns:
        Logits, float32 `(photos, classes)`, and the distance to the nearest of `known`, float32
        `(photos,)`.
    """
    reader = keras.Model(model.inputs, list(last_layer.around(model, heads.LOGITS)))
    logits, distances = [], []
    with precisions.exact(), progress.task("Evaluating", total=total) as task:
        for images, _ in batches:
            features, given = reader.predict_on_batch(images.numpy())
            logits.append(given)
            distances.append(known.nearest(features))
            task.advance(len(images))
    return np.concatenate(logits), np.concatenate(distances)


def known_photos(job: jobs.Job, *, seed: int = 0, progress: Progress = SILENT) -> scope.Known:
    """Training photos to compare others with, by what the trained model's head sees of them.

    They are not augmented. Only a part of them is looked at, see `scope.pick`; and where frozen features are kept, only what
    is behind them is run.

    Args:
        job: A job that has run.
        seed: Decides which photos.
        progress: Who watches.

    Returns:
        The photos.
    """
    last = job.stages[-1]
    opened, material = job.kept.plain(last), job.kept(last)
    model = job.model if opened is None or material is None else material.model
    seen, _ = last_layer.around(model, heads.LOGITS)
    reader = keras.Model(model.inputs, seen)
    rows = scope.pick(job.train["label"], int(seen.shape[-1]), seed=seed)
    if opened is None or material is None:
        photos = job.train.iloc[rows].reset_index(drop=True)
        batches = (images.numpy() for images, _ in job.in_order(photos))
    else:
        parts = np.array_split(rows, max(1, -(-len(rows) // _AT_ONCE)))
        kept = opened[0]
        batches = (kept.read(part).astype(np.float32) for part in parts)
    found = []
    with precisions.exact(), progress.task("Training photos", total=len(rows)) as task:
        for inputs in batches:
            found.append(np.asarray(reader.predict_on_batch(inputs), np.float32))
            task.advance(len(inputs))
    return scope.Known.of(np.concatenate(found))
