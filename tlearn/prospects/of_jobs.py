"""What is measured for the advice when a classifier is trained, from what training computes anyway."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from tlearn import jobs, runs
from tlearn.errors import CacheError
from tlearn.progress import SILENT
from tlearn.prospects.measuring import learning_curve

__all__ = ["measure", "of_job", "photo_sizes"]

_LOOKED_AT = 200  # photos, whose sizes tell those of all


def measure(job: jobs.Job, folder: runs.RunFolder, *, seed: int) -> dict[str, Any]:
    """Measure the learning curve, and how large the photos are.

    Args:
        job: The job. Its network must not have been trained yet.
        folder: The run folder that is being written; it gets the table `learning_curve` where one
            could be measured.
        seed: Decides folds and parts.

    Returns:
        What `run.json` is to hold under `photo_sizes`, see `photo_sizes`.
    """
    curve = of_job(job, seed=seed)
    if curve is not None:
        folder.write_table("learning_curve", curve)
    return photo_sizes(job.train)


def of_job(job: jobs.Job, *, seed: int) -> pd.DataFrame | None:
    """A learning curve from the features that a job keeps, before it is run.

    Training and validation photos take part, the test photos do not.

    Args:
        job: The job. Its network must not have been trained yet.
        seed: Decides folds and parts.

    Returns:
        As `learning_curve`; `None` too where the features cannot be kept.
    """
    try:
        # They are there already, which need not be said a second time.
        features = job.plain_features(job.validation, SILENT)
    except CacheError:
        return None
    if features is None or not np.isfinite(features).all():
        return None
    examples = pd.concat([job.train, job.validation], ignore_index=True)
    return learning_curve(examples, features, job.data.class_names, seed=seed)


def photo_sizes(examples: pd.DataFrame) -> dict[str, Any]:
    """How large photos are, from the heads of some of their files.

    Args:
        examples: Column `path`.

    Returns:
        `photos`, how many were looked at, and of their shorter sides in pixels a tenth (`low`), the
        median and nine tenths (`high`); empty where none can be told.
    """
    some = examples["path"].sample(min(_LOOKED_AT, len(examples)), random_state=0)
    sides = []
    for path in some:
        try:
            with Image.open(path) as image:
                sides.append(min(image.size))
        except OSError:  # what only the other decoder reads; the others tell enough
            continue
    if not sides:
        return {}
    low, median, high = np.quantile(sides, [0.1, 0.5, 0.9])
    return {"photos": len(sides), "low": int(low), "median": int(median), "high": int(high)}
