"""A job: a classifier, the photos it is to learn from, and the stages by which it learns."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from tlearn import heads, stages, training_data
from tlearn import precision as precisions
from tlearn.datasets import Dataset
from tlearn.devices.group import ONE, Group
from tlearn.features import keeping
from tlearn.networks import folding
from tlearn.photos import pipeline
from tlearn.progress import SILENT, Progress
from tlearn.recipes import linear_probe, schedules
from tlearn.stages import freezing
from tlearn.stages.checkpoints import Checkpoints
from tlearn.stages.epochs import Epochs
from tlearn.stages.material import Material
from tlearn.stages.watching import AfterEpoch

__all__ = ["Job"]

# Features of more numbers than this are no answer of a pooling.
_WIDEST = 8192


class Job:
    """A classifier that is ready to be trained, on frozen features that are computed once.

    Args:
        network: A backbone with its weights, from pixels to features. It is trained in place.
        data: The photos, divided.
        plan: The stages, in order.
        policy: The dtype policy.
        budget: Bytes of frozen features that may be held in memory.
        resize_mode: How a photo becomes a square.
        head: What the head looks at, one of `heads.HEADS`.
        batch_size: Photos per step; by default by the number of training photos.
        seed: Decides the order and the augmentation.
        group: Who trains together; each worker makes the same job.
        progress: Who watches.

    Attributes:
        data: The photos, divided.
        model: The flat classifier on raw pixels.
        stages: The stages, in order.
        train: Table of the training photos.
        validation: Table of the validation photos.
        image_size: Side of the square that the model sees, in pixels.
        batch_size: Photos per step.
        kept: The frozen features; called with a stage, what the stage is fitted on.
    """

    def __init__(
        self,
        network: keras.Model,
        data: Dataset,
        plan: Sequence[stages.Stage],
        *,
        policy: str,
        budget: int,
        resize_mode: str,
        head: str = "last",
        batch_size: int | None = None,
        seed: int = 0,
        group: Group = ONE,
        progress: Progress = SILENT,
    ) -> None:
        self.data = data
        self._group = group
        self._progress = progress
        self.stages = tuple(plan)
        self.train, self.validation = (
            data.examples[data.examples["split"] == split].reset_index(drop=True)
            for split in ("train", "validation")
        )
        self.batch_size = batch_size or schedules.batch_size(len(self.train))
        with precisions.policy(policy):
            self.model = heads.attach(
                network,
                len(data.class_names),
                depths=freezing.depths(network) if head == "depths" else (),
            )
        self.image_size = int(self.model.input_shape[1])
        self._budget = budget
        self._photos = keeping.Photos(
            train=self.train,
            validation=self.validation,
            class_names=data.class_names,
            image_size=self.image_size,
            resize_mode=resize_mode,
            batch_size=self.batch_size,
            seed=seed,
            class_weights=training_data.class_weights(self.train["label"], data.class_names),
        )
        self.kept = self.keep(self.stages, self.validation)
        self._asked: tuple[stages.Stage, keras.Model, Any] | None = None

    def keep(
        self,
        plan: Sequence[stages.Stage],
        held_out: pd.DataFrame,
        progress: Progress | None = None,
    ) -> keeping.Kept:
        """Frozen features for other stages than its own, or with other photos held out.

        Args:
            plan: The stages.
            held_out: Table of the photos that take the place of the validation photos.
            progress: Who watches; by default who watches the job.

        Returns:
            Kept features of the model as it is now: before it is trained, those of the backbone.
        """
        return keeping.Kept(
            self.model,
            plan,
            dataclasses.replace(self._photos, validation=held_out),
            budget=self._budget,
            group=self._group,
            progress=progress or self._progress,
        )

    def plain_features(
        self, held_out: pd.DataFrame, progress: Progress | None = None
    ) -> np.ndarray | None:
        """The frozen features of the training photos, and of others behind them, not augmented.

        What training computes anyway is found kept. The network must not have been trained yet.

        Args:
            held_out: Table of the other photos.
            progress: Who watches; by default who watches the job.

        Returns:
            `(training photos + others, features)`, of any float dtype; `None` where the network cannot
            be cut before the head, or what it says there is no answer of a pooling.

        Raises:
            CacheError: The features cannot be kept.
        """
        # An augmented stage does not decide which features these are: those of the photos as they are.
        (stage,) = linear_probe(len(self.train))
        rows = self.keep((stage,), held_out, progress).plain(stage)
        if rows is None or int(np.prod(rows[0].shape[1:])) > _WIDEST:
            return None
        features = np.concatenate([part.read(np.arange(len(part))) for part in rows])
        return features.reshape(len(features), -1)

    def run(
        self,
        plan: Sequence[stages.Stage] | None = None,
        *,
        after_epoch: AfterEpoch | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        checkpoints: Path | None = None,
    ) -> stages.Training:
        """Train the model by its stages.

        Args:
            plan: The first of its stages; all by default.
            after_epoch: Called with the stage and the epoch's row of history. What it raises ends
                the training there and then.
            callbacks: More Keras callbacks.
            checkpoints: The folder where it is kept how far training is, to go on from there.

        Returns:
            What happened; `model` ends with the best weights.

        Raises:
            TrainingError: The loss is not finite.
        """
        only = self._group.places(self.batch_size)
        return stages.run(
            self.model,
            self.stages if plan is None else plan,
            lambda stage: self._epochs(stage, only=only),
            self.in_order(self.validation, only=only),
            kept=self.kept,
            progress=self._progress,
            callbacks=callbacks,
            after_epoch=after_epoch,
            checkpoints=None if checkpoints is None else self._checkpoints(checkpoints),
            group=self._group,
        )

    def _checkpoints(self, folder: Path) -> Checkpoints:
        plan = self._group.text(self.key())
        return Checkpoints(folder, plan=plan, reads_only=not self._group.is_chief)

    def key(self) -> str:
        """A digest of all that decides how training goes, as long as it has not begun."""
        photos = self._photos
        about = (
            self.stages,
            self.batch_size,
            self.image_size,
            photos.resize_mode,
            photos.seed,
            photos.class_names,
            self.model.dtype_policy.name,
        )
        said = [repr(about)]
        for table in (self.train, self.validation):
            said += [f"{row.digest} {row.label}" for row in table.itertuples()]
        digest = hashlib.sha256("\n".join(said).encode())
        for weights in self.model.get_weights():
            digest.update(np.ascontiguousarray(weights).tobytes())
        return digest.hexdigest()

    def validation_probabilities(self, stage: stages.Stage | None = None) -> np.ndarray:
        """What the model says of the validation photos as it is, from kept features where it can.

        Args:
            stage: The stage that is being trained, or was trained last; by default the last one.

        Returns:
            float32 `(validation photos, classes)`, in the order of `validation`.
        """
        stage = stage or self.stages[-1]
        if self._asked is None or self._asked[0] is not stage:
            kept = self.kept.validation(stage) or (self.model, self.in_order(self.validation))
            self._asked = (stage, *kept)
        _, model, batches = self._asked
        with precisions.exact():
            found = [model.predict_on_batch(inputs.numpy()) for inputs, _ in batches]
        return np.concatenate(found)

    def material(self, stage: stages.Stage) -> Material:
        """What one stage is fitted on; the model is frozen as the stage wants it.

        Args:
            stage: One of the stages.

        Returns:
            Kept features and the part of the model behind them, or where nothing is kept photos and
            the whole model.
        """
        freezing.unfreeze(self.model, stage.unfreeze)
        return self.kept(stage) or Material(
            folding.quick(self.model), self._epochs(stage), self.in_order(self.validation)
        )

    def _epochs(self, stage: stages.Stage, only: range | None = None) -> Epochs:
        return training_data.epochs(
            stage,
            self.train,
            self.data.class_names,
            image_size=self.image_size,
            batch_size=self.batch_size,
            resize_mode=self._photos.resize_mode,
            seed=self._photos.seed,
            only=only,
        )

    def in_order(self, examples: pd.DataFrame, *, only: range | None = None) -> Any:
        """Photos as the model sees them when it does not train: in order, not augmented.

        Args:
            examples: A table of photos of the data set.
            only: The places in each batch whose photos are read; by default all.

        Returns:
            A tf.data.Dataset of float32 `(batch, image_size, image_size, 3)` in 0..255 and class
            numbers.
        """
        return pipeline.batches(
            examples,
            self.data.class_names,
            image_size=self.image_size,
            batch_size=self.batch_size,
            resize_mode=self._photos.resize_mode,
            only=only,
        )
