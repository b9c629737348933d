"""One trial: a recipe trained as `finetune` would, from the same weights, on kept features."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import keras
import numpy as np

from tlearn import backbones, jobs
from tlearn import precision as precisions
from tlearn.calibration import calibrated, fit
from tlearn.datasets import Dataset
from tlearn.errors import TrainingError
from tlearn.networks.forgetting import forgetting
from tlearn.photos import pipeline
from tlearn.progress import Progress, Task
from tlearn.recipes import Recipe
from tlearn.stages import Stage

__all__ = ["Inside", "Outcome", "Workbench"]

Report = Callable[[float, int], bool]


@dataclass(frozen=True)
class Outcome:
    """What came of a trial; see `studies.Trial`."""

    state: str
    validation_accuracy: float
    validation_log_loss: float
    epochs: int
    seconds: float
    computed: int
    log_losses: tuple[float, ...]
    by_photo: tuple[float, ...]


@dataclass(frozen=True)
class Workbench:
    """All that the trials of a search share.

    Args:
        data: The photos, divided.
        backbone: A backbone's name.
        weights: `"imagenet"`, `"random"`, or a weights file.
        image_size: Pixels along each side; `None` is the backbone's own.
        policy: The dtype policy.
        budget: Bytes of frozen features that may be held in memory.
        resize_mode: How a photo becomes a square.
        batch_size: Photos per step; `None` is by their number.
        seed: The same for each trial, so that they differ by their settings alone.
    """

    data: Dataset
    backbone: str
    weights: str | Path
    image_size: int | None
    policy: str
    budget: int
    resize_mode: str
    batch_size: int | None
    seed: int

    def run(self, recipe: Recipe, report: Report, progress: Progress) -> Outcome:
        """Train by a recipe, from the pretrained weights.

        Args:
            recipe: The recipe.
            report: Called after each epoch of the unfrozen stages (of the head, where there are
                none) with the calibrated validation log loss and the number of such epochs so far; says
                whether to stop.
            progress: Who watches.

        Returns:
            What came of it. The model and all that belongs to it is freed.
        """
        started = time.perf_counter()
        with forgetting():
            return self._run(recipe, report, progress, started)

    def _run(self, recipe: Recipe, report: Report, progress: Progress, started: float) -> Outcome:
        # In the order in which `finetune` does it, so that the same recipe there gives the same.
        keras.utils.set_random_seed(self.seed)
        with precisions.policy(self.policy):
            network = backbones.build(
                self.backbone, weights=self.weights, image_size=self.image_size
            )
        job = jobs.Job(
            network,
            self.data,
            jobs.stages_for(recipe, self.data),
            policy=self.policy,
            budget=self.budget,
            resize_mode=self.resize_mode,
            batch_size=self.batch_size,
            seed=self.seed,
            progress=progress,
        )
        watch = _Watch(job, report)
        state, by_photo = "finished", np.zeros(0)
        accuracy = log_loss = float("nan")
        try:
            stages = job.run(after_epoch=watch).stages
        except _Pruned:
            state, accuracy, log_loss = "pruned", *watch.last
        except TrainingError:
            state = "failed"
        else:
            kept = stages[stages["kept"]].iloc[0]
            accuracy = float(kept["validation_accuracy"])
            by_photo = _log_losses(job)
            log_loss = float(by_photo.mean())
        return Outcome(
            state=state,
            validation_accuracy=accuracy,
            validation_log_loss=log_loss,
            epochs=watch.epochs,
            seconds=round(time.perf_counter() - started, 3),
            computed=int(job.kept.info.get("computed", 0)),
            log_losses=tuple(watch.reported),
            by_photo=tuple(round(float(one), 6) for one in by_photo),
        )


class _Pruned(Exception):
    """The trial is worse than most and ends here."""


class _Watch:
    """Reports the epochs by which trials are compared."""

    def __init__(self, job: jobs.Job, report: Report) -> None:
        # The head's epochs differ from trial to trial; where more follows it, that is compared.
        self._compared = [stage for stage in job.stages if stage.unfreeze > 0] or job.stages
        self._job = job
        self._report = report
        self.epochs = 0
        self.last = (float("nan"), float("nan"))
        self.reported: list[float] = []

    def __call__(self, stage: Stage, row: Mapping[str, Any]) -> None:
        self.epochs += 1
        self.last = float(row["val_accuracy"]), float(row["val_log_loss"])
        if stage in self._compared:
            if math.isfinite(self.last[1]):
                self.last = self.last[0], float(_log_losses(self._job, stage).mean())
            self.reported.append(self.last[1])
            if self._report(self.last[1], len(self.reported)):
                raise _Pruned


def _log_losses(job: jobs.Job, stage: Stage | None = None) -> np.ndarray:
    """The log loss of each validation photo, `(validation photos,)`, after temperature scaling.

    `finetune` exports the calibrated model. Label smoothing and mixup move the log loss before that by
    how sure they leave the model, and a search would choose by it.
    """
    probabilities = job.validation_probabilities(stage)
    truth = pipeline.class_numbers(job.validation, job.data.class_names)
    least = np.finfo(np.float32).tiny
    temperature = fit(np.log(np.maximum(probabilities, least)), truth).value
    chosen = calibrated(probabilities, temperature)[np.arange(len(truth)), truth]
    return -np.log(np.maximum(chosen, least))


class Inside(Progress):
    """What is done within trials: shown beside the search's bar, without lines of its own.

    Args:
        outer: Hears warnings, each kind once in all trials.
        task: The search's bar.
    """

    def __init__(self, outer: Progress, task: Task) -> None:
        self._outer = outer
        self._task = task
        self._warned: set[str] = set()

    def warn(self, message: str) -> None:
        """Pass a warning on, unless one like it was."""
        kind = re.sub(r"[\d.,]+|'[^']*'", "", message)
        if kind not in self._warned:
            self._warned.add(kind)
            self._outer.warn(message)

    def task(self, description: str, total: int | None = None, unit: str = "photos") -> Task:
        """Begin a step of a trial."""
        return _Step(self._task, description)


class _Step(Task):
    """A step whose notes go to the search's bar."""

    def __init__(self, outer: Task, description: str) -> None:
        self._outer = outer
        self._description = description

    def note(self, text: str) -> None:
        """Show `text` behind the step's name."""
        self._outer.note(f"{self._description}: {text}")

    def __enter__(self) -> Task:
        self._outer.note(self._description)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._outer.note("")
