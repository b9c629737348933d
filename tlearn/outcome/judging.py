"""A trained job, calibrated on validation and judged on photos that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlearn import evaluation, export, heads, jobs
from tlearn.calibration import Limits, Scope, Target, choose, covering, fit, scope, scores
from tlearn.evaluation.intervals import wilson
from tlearn.networks import last_layer
from tlearn.outcome import looking
from tlearn.progress import SILENT, Progress

__all__ = ["Outcome", "of_job"]


@dataclass(frozen=True)
class Outcome:
    """What training came to.

    Attributes:
        model: The calibrated model, computing in float32.
        limits: What is exported beside it.
        photos: Validation and test photos, columns as in the data set.
        predictions: A row for each of them; columns as `evaluation.make_predictions` gives them, and
            `unsure` (bool), `unlike` (bool), `distance` (float32, above 1 where unlike).
        probabilities: float32 `(photos, classes)`, calibrated.
        measured: Which of them are of the split that is reported, bool `(photos,)`.
        info: For `run.json`: `calibration`, `threshold` and `scope`.
    """

    model: keras.Model
    limits: Limits
    photos: pd.DataFrame
    predictions: pd.DataFrame
    probabilities: NDArray[np.float32]
    measured: NDArray[np.bool_]
    info: dict[str, Any]


def of_job(job: jobs.Job, target: Target, *, seed: int = 0, progress: Progress = SILENT) -> Outcome:
    """Calibrate a trained job's model on validation, and judge it.

    Temperature, threshold and the limit of what is unlike are all found on validation photos. These
    have also chosen the best epoch, so that what they say is a little too good; photos of the test
    decide nothing.

    Args:
        job: A job that has run. Its model ends calibrated where it computes in float32.
        target: What is wanted of the answers.
        seed: Decides which training photos are kept to compare with.
        progress: Who watches.

    Returns:
        The outcome.
    """
    names = job.data.class_names
    photos = job.data.examples[job.data.examples["split"].isin(("validation", "test"))]
    photos = photos.sort_values("split", ascending=False, kind="stable").reset_index(drop=True)
    held_out = (photos["split"] == "validation").to_numpy()
    labels = pd.Index(names, dtype=object).get_indexer(pd.Index(photos["label"].astype(object)))
    known = looking.known_photos(job, seed=seed, progress=progress)
    model = export.as_float32(job.model)
    logits, distances = looking.logits_and_distances(
        model, known, job.in_order(photos), len(photos), progress=progress
    )

    temperature = fit(logits[held_out], labels[held_out])
    progress.say(temperature.sentence)
    last_layer.divide(model, heads.LOGITS, temperature.value)
    before, after = _softmax(logits), _softmax(logits / temperature.value)
    # Its figures stand in the run whatever the split is that is reported.
    predictions = evaluation.make_predictions(photos, after, names)
    split = evaluation.measured_split(predictions)
    measured = (predictions["split"] == split).to_numpy()

    correct = predictions["correct"].to_numpy()
    confidence = predictions["probability"].to_numpy()
    threshold = choose(correct[held_out], confidence[held_out], target)
    (progress.warn if threshold.value is None else progress.say)(threshold.sentence)
    reach = Scope(known, scope.limit(distances[held_out]))
    limits = Limits(temperature.value, threshold.value or 0.0, reach)
    predictions["unsure"] = confidence < np.float32(limits.threshold)
    predictions["distance"] = distances / np.float32(reach.limit)
    predictions["unlike"] = predictions["distance"] > 1
    of_test = measured & ~held_out

    def figures(rows: NDArray[np.bool_]) -> dict[str, Any]:
        return {
            "before": scores(before[rows], labels[rows]),
            "after": scores(after[rows], labels[rows]),
        }

    return Outcome(
        model,
        limits,
        photos,
        predictions,
        after,
        measured,
        {
            "calibration": {
                "temperature": temperature.value,
                "photos": temperature.photos,
                "mistakes": temperature.mistakes,
                "at_bound": temperature.at_bound,
                **figures(measured),
                "validation": figures(held_out),
            },
            "threshold": {
                "target": target.kind,
                "wanted": target.wanted,
                "threshold": threshold.value,
                "validation": threshold.validation,
                "test": covering.at(correct[of_test], confidence[of_test], limits.threshold)
                if of_test.any()
                else None,
            },
            "scope": {
                "method": scope.METHOD,
                "flagged": scope.FLAGGED,
                "threshold": reach.limit,
                "bank": len(known.bank),
                "validation": _share(predictions["unlike"][held_out]),
                "test": _share(predictions["unlike"][of_test]) if of_test.any() else None,
            },
        },
    )


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.float32]:
    from scipy.special import softmax

    return softmax(logits.astype(np.float64), axis=1).astype(np.float32)


def _share(flags: pd.Series) -> dict[str, Any]:
    """How many of some photos are flagged, with the 95 % Wilson interval of their share."""
    photos, unlike = len(flags), int(flags.sum())
    low, high = wilson(unlike, photos)
    return {
        "photos": photos,
        "unlike": unlike,
        "share": unlike / photos,
        "low": float(low),
        "high": float(high),
    }
