"""What one stage is fitted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tlearn.networks import folding
from tlearn.stages.epochs import Batches, Epochs

__all__ = ["Batches", "HeadMaterial", "Material"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class HeadMaterial:
    """The head's own inputs, for fitting it at once.

    Args:
        features: `(photos, features)`.
        labels: Class numbers, int `(photos,)`.
        validation_features: `(validation photos, features)`.
        validation_labels: Class numbers, int `(validation photos,)`.
        class_weights: What a photo of each class counts, `(classes,)`; all the same by default.
    """

    features: Array
    labels: Array
    validation_features: Array
    validation_labels: Array
    class_weights: Array | None = None


@dataclass(frozen=True)
class Material:
    """What one stage is fitted on.

    Args:
        model: What is fitted: the whole model, or a part that shares its variables.
        train: Batches for it; of `Epochs` any epoch can be begun anywhere.
        validation: Batches for it, in order, never augmented.
        head: Gives the head's inputs, where they are kept and the head alone trains.
        part: Gives what is to be fitted of another model with the same layers.
    """

    model: keras.Model
    train: Batches | Epochs
    validation: Batches
    head: Callable[[], HeadMaterial] | None = None
    part: Callable[[keras.Model], keras.Model] = folding.quick

    @property
    def batches(self) -> Batches:
        """Those of a whole epoch, another one in each pass."""
        return self.train.batches if isinstance(self.train, Epochs) else self.train
