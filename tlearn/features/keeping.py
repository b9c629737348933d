"""What is frozen is computed once: the trunk over all photos, kept for each stage."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from tlearn.devices.group import ONE, Group
from tlearn.errors import CacheError
from tlearn.features import account, batches, planning, store
from tlearn.features.collecting import Collector
from tlearn.features.photos import Photos
from tlearn.features.planning import Plan
from tlearn.features.trunk import Trunk
from tlearn.networks import cutting, folding
from tlearn.photos import pipeline
from tlearn.photos.augmentation import Augmentation
from tlearn.progress import SILENT, Progress
from tlearn.stages.epochs import Clock, Epochs
from tlearn.stages.material import HeadMaterial, Material
from tlearn.stages.stage import Stage

__all__ = ["Kept", "Photos"]

Array = np.ndarray[Any, Any]

# Counts up when the same photo gives other pixels or the same pixels are kept otherwise.
_VERSION = 1
_VIEWS_AT_ONCE = 32


class Kept:
    """Frozen features of a run's photos, computed once and kept for this run and later ones.

    Call it with a stage to get what the stage is fitted on; give it to `stages.run` as `kept`.

    Args:
        model: The classifier with its pretrained weights, not yet trained.
        stages: The stages it will be trained by, in order.
        photos: The photos.
        budget: Bytes of features that may be held in memory; more are read from the disk.
        engine: What runs the trunk; see `trunk.ENGINES`.
        group: Those who share the work: each worker computes its part and finds the others' in the
            cache folder, so that all must use `Kept` alike.
        progress: Who watches.

    Example:

    ```python
    kept = Kept(model, plan, photos, budget=memory.budget("1GiB"))
    stages.run(model, plan, train, validation, kept=kept)
    ```
    """

    def __init__(
        self,
        model: keras.Model,
        stages: Sequence[Stage],
        photos: Photos,
        *,
        budget: int,
        engine: str = "auto",
        group: Group = ONE,
        progress: Progress = SILENT,
    ) -> None:
        self._group = group
        self._model = model
        self._stages = tuple(stages)
        self._photos = photos
        self._budget = budget
        self._engine = engine
        self._progress = progress
        self._labels = [pipeline.class_numbers(table, photos.class_names) for table in self._tables]
        self._plans = planning.plan(
            model, stages, photos=len(photos.train), room=store.limit() // 2
        )
        self._prints = {
            plan.cut.name: cutting.fingerprint(model, plan.cut) for plan in self._plans if plan
        }
        self._collector: Collector | None = None
        self._of_stage = {id(stage): index for index, stage in enumerate(self._stages)}
        self._info: dict[str, Any] = {}

    @property
    def info(self) -> dict[str, Any]:
        """What was kept and what it cost, for the run's record; empty where nothing was."""
        if self._collector is None:
            return {}
        plans = [plan for plan in self._plans if plan]
        return {
            **self._info,
            "cuts": list(dict.fromkeys(plan.cut.name for plan in plans)),
            "views": max(plan.views for plan in plans),
        }

    def __call__(self, stage: Stage) -> Material | None:
        """What one stage is fitted on.

        Args:
            stage: One of the stages; `trainable` is set for it.

        Returns:
            A part of the model and batches of kept features for it, or `None` where the stage has
            nothing frozen that is worth keeping.
        """
        index = self._of_stage[id(stage)]
        plan = self._plans[index]
        opened = self._open(plan, stage)
        if not (plan and opened):
            return None
        views, held_out = opened
        labels, validation_labels = self._labels
        weights = self._photos.class_weights if stage.balance == "weights" else None
        classes, batch_size = len(self._photos.class_names), self._photos.batch_size

        def head() -> HeadMaterial:
            rows = planning.as_many_as_fit(views[0].shape, self._budget, self._photos.seed)
            return HeadMaterial(
                views[0].read(rows),
                labels[rows],
                held_out.read(np.arange(len(validation_labels))),
                validation_labels,
                weights,
            )

        def train(clock: Clock, done: int) -> Any:
            return batches.training(
                views,
                labels,
                classes,
                stage,
                batch_size=batch_size,
                seed=self._photos.seed + 7919 * index,
                class_weights=weights,
                clock=clock,
                done=done,
            )

        return Material(
            self._top(plan, self._model),
            Epochs(train, batch_size),
            self._in_order(held_out),
            head if planning.is_solved(self._model, stage) else None,
            functools.partial(self._top, plan),
        )

    def validation(self, stage: Stage) -> tuple[keras.Model, Any] | None:
        """The part of the model that a stage trains, and batches of the validation photos for it.

        Args:
            stage: One of the stages, which has begun.

        Returns:
            `None` where nothing of it is kept, or no longer.
        """
        plan = self._plans[self._of_stage[id(stage)]]
        if plan is None or self._collector is None:
            return None
        with contextlib.suppress(CacheError):
            held_out = self._rows(plan, stage, 0, self._photos.validation)
            return self._top(plan, self._model), self._in_order(held_out)
        return None

    def _in_order(self, held_out: batches.Rows) -> Any:
        classes, batch_size = len(self._photos.class_names), self._photos.batch_size
        return batches.in_order(held_out, self._labels[1], classes, batch_size=batch_size)

    def plain(self, stage: Stage) -> tuple[batches.Rows, batches.Rows] | None:
        """What one stage's frozen trunk says of the photos as they are.

        Args:
            stage: One of the stages.

        Returns:
            A row for each training photo and for each validation photo, in their order; `None`
            where the stage has nothing frozen that is worth keeping.
        """
        opened = self._open(self._plans[self._of_stage[id(stage)]], stage)
        return (opened[0][0], opened[1]) if opened else None

    def _open(
        self, plan: Plan | None, stage: Stage
    ) -> tuple[list[batches.Rows], batches.Rows] | None:
        """A stage's rows, computed first where they are not kept yet."""
        if plan is None:
            return None
        if self._collector is None:
            self._collect()
        if plan.cut.is_input and self._collector and self._collector.without_pixels:
            return None
        try:
            return self._opened(plan, stage)
        except CacheError:  # another process has made room in the meantime
            if self._group.workers > 1:  # the others would not compute with this one
                raise
            self._collect()
            return self._opened(plan, stage)

    @property
    def _tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return self._photos.train, self._photos.validation

    def _shelf(self, plan: Plan, stage: Stage, view: int) -> store.Shelf:
        """The place of one view at one cut."""
        about = {
            **({} if plan.cut.is_input else {"backbone": self._model.name}),
            "cut": plan.cut.name,
            "size": self._photos.image_size,
            "resize": self._photos.resize_mode,
            "view": view,
        }
        if view:
            about |= {
                "augmentation": stage.augmentation,
                "mirror": stage.mirror,
                "hue": stage.hue,
                "seed": self._photos.seed,
            }
        whole = repr((_VERSION, self._prints[plan.cut.name], sorted(about.items())))
        key = hashlib.sha256(whole.encode()).hexdigest()
        return store.Shelf(key, tuple(plan.cut.tensor.shape[1:]), plan.cut.dtype, about)

    def _collect(self) -> None:
        """Compute what is not kept yet, for all stages in one pass over the photos."""
        started = time.perf_counter()
        self._collector = collector = Collector(self._budget, self._progress, self._group)
        pending = pd.concat(self._tables, ignore_index=True)
        planned = [
            (plan, stage, Augmentation(stage.augmentation, stage.mirror, stage.hue))
            for plan, stage in zip(self._plans, self._stages, strict=True)
            if plan is not None
        ]
        done: list[dict[str, Any]] = []
        for augmentation in dict.fromkeys(one for _, _, one in planned):
            for plan, stage, its_own in planned:
                if its_own != augmentation:
                    continue
                for view in range(plan.views):
                    shelf = self._shelf(plan, stage, view)
                    collector.want(shelf, plan.cut, view, self._photos.train)
                plain = self._shelf(plan, stage, 0)
                collector.want(plain, plan.cut, 0, self._photos.validation)
            done.append(collector.run(pending, self._views(augmentation), self._trunk))
        self._info = account.of(done, pending["digest"].nunique(), time.perf_counter() - started)
        self._progress.say(account.in_words(self._info))

    def _views(self, augmentation: Augmentation) -> Callable[[pd.DataFrame, Sequence[int]], Any]:
        photos = self._photos
        return lambda table, views: pipeline.views(
            table,
            views,
            image_size=photos.image_size,
            batch_size=max(1, _VIEWS_AT_ONCE // len(views)),
            resize_mode=photos.resize_mode,
            augmentation=augmentation,
            seed=photos.seed,
        )

    def _top(self, plan: Plan, model: keras.Model) -> keras.Model:
        """What is behind the cut, of the model or of another one with the same layers."""
        if plan.cut.is_input:
            return folding.quick(model)
        return folding.folded(model, cutting.tensor(model, plan.cut), model.outputs[0])

    def _trunk(self, cuts: Sequence[cutting.Cut], photos: int) -> Trunk:
        return Trunk(
            self._model,
            [cut.tensor for cut in cuts],
            engine=self._engine,
            photos=photos,
            devices=self._group.names,
            warn=self._progress.warn,
        )

    def _rows(self, plan: Plan, stage: Stage, view: int, table: pd.DataFrame) -> batches.Rows:
        assert self._collector is not None
        return self._collector.rows(self._shelf(plan, stage, view), list(table["digest"]))

    def _opened(self, plan: Plan, stage: Stage) -> tuple[list[batches.Rows], batches.Rows]:
        """A stage's training rows by view, and those held out; in memory where they fit."""
        photos = self._photos
        views = [self._rows(plan, stage, view, photos.train) for view in range(plan.views)]
        held_out = self._rows(plan, stage, 0, photos.validation)
        size = sum(math.prod(rows.shape) * rows.dtype.itemsize for rows in (*views, held_out))
        self._info["bytes"] = max(size, self._info.get("bytes", 0))
        if size > self._budget:
            self._info["on_disk"] = True
            return views, held_out
        loaded = [batches.InMemory(rows.read(np.arange(len(rows)))) for rows in (*views, held_out)]
        return list(loaded[:-1]), loaded[-1]
