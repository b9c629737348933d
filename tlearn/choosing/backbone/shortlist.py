"""Which backbone: linear heads on frozen features of the user's own photos, one pass a candidate."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from tlearn import backbones, crossing, evaluation, jobs, recipes
from tlearn import precision as precisions
from tlearn.choosing import durations
from tlearn.choosing.backbone import candidates, costs, sampling
from tlearn.choosing.backbone.candidates import Candidate
from tlearn.choosing.backbone.verdict import Shortlist
from tlearn.datasets import Dataset
from tlearn.errors import BackboneError, MissingExtra
from tlearn.memory import budget as memory_budget
from tlearn.networks.forgetting import forgetting
from tlearn.photos import decoding, pipeline
from tlearn.progress import SILENT, Progress

__all__ = ["compare", "shortlist"]

_FOLDS = 5
# Of more photos, none tells two backbones apart better than by noise.
_MOST_PHOTOS = 5000
# Of the time of a candidate, what does not grow with the number of photos.
_FIXED_SECONDS = 8.0


def shortlist(
    dataset: str | Path,
    *,
    backbones: Sequence[str] | None = None,
    budget: str | float | None = None,
    image_size: int | None = None,
    resize_mode: str = decoding.DEFAULT_RESIZE,
    precision: str = "auto",
    seed: int = 0,
    validation: float = 0.15,
    test: float = 0.15,
    data_dir: str | Path | None = None,
    strict: bool = False,
    corrections: str | Path | None = None,
    group: bool = True,
    memory: str | int | None = None,
    progress: Progress = SILENT,
) -> Shortlist:
    """Compare backbones on a folder of photos, in about one forward pass each.

    Each candidate's frozen features are computed once and kept where `finetune` finds them. Linear
    heads are cross-validated on them: five folds of the photos that are not for the test, which
    are not looked at.

    Args:
        dataset: As for `finetune`.
        backbones: Names or aliases; `NAME=FILE` takes the weights from a file. By default all
            whose weights are on this machine.
        budget: How long it may take, such as `"10m"`: fewer photos are looked at then. By default
            as long as up to 5,000 photos take.
        image_size: Pixels along each side, for all candidates; by default each one's own.
        resize_mode: `"crop"`, `"pad"` or `"stretch"`.
        precision: As for `finetune`.
        seed: Decides the split, the sample and the folds.
        validation: The share held out for validation where the data set gives no such split.
        test: The share held out for the test, likewise.
        data_dir: Where TFDS keeps its data sets.
        strict: Make a file that cannot be read an error.
        corrections: Labels that a person has mended, as for `finetune`.
        group: Keep photos that show the same on one side of the split.
        memory: How much memory kept features may take.
        progress: Who watches.

    Returns:
        A table of the candidates, and which one to take.

    Raises:
        TlearnError: The data set cannot be used, there is no such backbone, or none of them could
            be had.

    Example:

    ```python
    found = tlearn.shortlist("my_photos/", backbones=["efficientnet", "mobilenet"])
    print(found.table)
    tlearn.finetune("my_photos/", backbone=found.recommended)
    ```
    """
    started = time.perf_counter()
    seconds = None if budget is None else durations.parse(budget)
    # A misspelt name is told before the photos are read.
    chosen = candidates.local() if backbones is None else candidates.named(backbones)
    data = jobs.read(
        dataset,
        validation=validation,
        test=test,
        seed=seed,
        data_dir=data_dir,
        strict=strict,
        corrections=corrections,
        group=group,
        progress=progress,
    )
    return compare(
        data,
        chosen,
        image_size=image_size,
        resize_mode=resize_mode,
        policy=precisions.choose(precision),
        seed=seed,
        memory=memory_budget(memory),
        seconds=None if seconds is None else seconds - (time.perf_counter() - started),
        progress=progress,
    )


def compare(
    data: Dataset,
    chosen: Sequence[Candidate],
    *,
    image_size: int | None,
    resize_mode: str,
    policy: str,
    seed: int,
    memory: int,
    seconds: float | None = None,
    progress: Progress = SILENT,
) -> Shortlist:
    """Compare candidates on photos that have been read and divided.

    Args:
        data: The photos, divided.
        chosen: The candidates.
        image_size: Pixels along each side; by default each one's own.
        resize_mode: How a photo becomes a square.
        policy: The dtype policy.
        seed: Decides the sample and the folds.
        memory: Bytes of features that may be held in memory.
        seconds: About how long it may take; by default as long as up to 5,000 photos take.
        progress: Who watches.

    Returns:
        As `shortlist`.

    Raises:
        BackboneError: None of the candidates could be had.
    """
    bench = _Bench(data, image_size, resize_mode, policy, seed, memory, progress)
    photos = _MOST_PHOTOS if seconds is None else bench.affordable(chosen, seconds)
    sample = sampling.drawn(data, photos, seed=seed)
    pool = _pool_size(sample)
    rows, answers = [], {}
    with progress.task("Comparing backbones", total=len(chosen), unit="backbones") as task:
        for candidate in chosen:
            name = candidate.backbone.name
            try:
                with forgetting():
                    row, answers[name] = bench.judged(candidate, sample)
                task.note(f"{name}: {row['accuracy']:.3f}")
            except (BackboneError, MissingExtra) as error:
                row = {"backbone": name, "note": str(error)}
            rows.append({"weights": candidate.weights, **row})
            task.advance()
    if not answers:
        raise BackboneError(
            "None of the backbones can be had on this machine, so there is nothing to compare: "
            + " ".join(str(row["note"]) for row in rows)
        )
    return Shortlist.of(rows, answers, photos=pool, of=_pool_size(data), dataset=data.name)


class _Bench:
    """Where candidates are measured, one like the other."""

    def __init__(
        self,
        data: Dataset,
        image_size: int | None,
        resize_mode: str,
        policy: str,
        seed: int,
        memory: int,
        progress: Progress,
    ) -> None:
        self._data = data
        self._image_size = image_size
        self._resize_mode = resize_mode
        self._policy = policy
        self._seed = seed
        self._memory = memory
        self._progress = progress

    def affordable(self, chosen: Sequence[Candidate], seconds: float) -> int:
        """How many photos all candidates can be shown in so many seconds."""
        started = time.perf_counter()
        per_photo = 0.0
        for candidate in chosen:
            with suppress(BackboneError, MissingExtra), forgetting():
                per_photo += 1 / costs.photos_per_second(self._network(candidate))
        left = seconds - (time.perf_counter() - started) - _FIXED_SECONDS * len(chosen)
        return min(_MOST_PHOTOS, int(max(0.0, left) / max(per_photo, 1e-9)))

    def judged(self, candidate: Candidate, sample: Dataset) -> tuple[dict[str, Any], np.ndarray]:
        """A candidate's row, and which of the photos its heads told right, bool `(photos,)`."""
        network = self._network(candidate)
        num_examples = self._data.count("train")
        (stage,) = recipes.linear_probe(num_examples)
        job = jobs.Job(
            network,
            sample,
            (stage,),
            policy=self._policy,
            budget=self._memory,
            resize_mode=self._resize_mode,
            seed=self._seed,
            progress=self._progress,
        )
        kept = job.kept.plain(stage)
        if kept is None:
            raise BackboneError(
                f"The features of {candidate.backbone.name} cannot be kept, so that no head can be "
                f"compared on them. Received: backbone={candidate.backbone.name!r}"
            )
        pool = pd.concat([job.train, job.validation], ignore_index=True)
        names = sample.class_names
        features = np.concatenate([rows.read(np.arange(len(rows))) for rows in kept])
        found = crossing.cross_validate(
            features.reshape(len(features), -1),
            pipeline.class_numbers(pool, names),
            crossing.folds(pool, _FOLDS, seed=self._seed),
            len(names),
            label_smoothing=stage.label_smoothing,
        )
        predictions = evaluation.make_predictions(pool, found.probabilities, names)
        summary = evaluation.evaluate(predictions, names, seed=self._seed).summary
        figures = summary.set_index("metric")
        measured = costs.measure(
            job.model,
            recipes.freeze_then_unfreeze(num_examples, num_classes=len(names)),
            train=num_examples,
            held_out=len(self._data.examples) - num_examples,
        )
        row = {
            "backbone": candidate.backbone.name,
            "accuracy": float(figures.loc["accuracy", "value"]),
            "low": float(figures.loc["accuracy", "low"]),
            "high": float(figures.loc["accuracy", "high"]),
            "macro_f1": float(figures.loc["macro_f1", "value"]),
            "log_loss": found.log_loss,
            "image_size": job.image_size,
            **dataclasses.asdict(measured),
            "note": "",
        }
        return row, predictions["correct"].to_numpy()

    def _network(self, candidate: Candidate) -> keras.Model:
        with precisions.policy(self._policy):
            return backbones.build(
                candidate.backbone.name, weights=candidate.weights, image_size=self._image_size
            )


def _pool_size(data: Dataset) -> int:
    return len(data.examples) - data.count("test")
