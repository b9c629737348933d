"""The best weights so far, and the mean of the last ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

__all__ = ["Average", "Best", "KeepBest", "Kept"]

# What it would take to go on from here: facts that JSON can hold, and arrays.
Kept = tuple[dict[str, Any], list[Any]]


class Best:
    """The best state of a model so far, by its score on the validation split.

    Args:
        accuracy: Validation accuracy, 0 to 1.
        log_loss: Validation log loss (natural logarithm, no label smoothing).
        epoch: The epoch it was seen after, from 1.
        weights: The model's weights, as numpy arrays.
    """

    def __init__(self, accuracy: float, log_loss: float, epoch: int, weights: list[Any]) -> None:
        self.accuracy = accuracy
        self.log_loss = log_loss
        self.epoch = epoch
        self.weights = weights

    def beats(self, other: Best | None) -> bool:
        """Whether this has a lower log loss than `other`, or the same and is more accurate.

        Log loss comes first, since on few photos accuracy moves in steps that are mostly noise.
        """
        if other is None:
            return True
        return (-self.log_loss, self.accuracy) > (-other.log_loss, other.accuracy)

    @staticmethod
    def state_of(best: Best | None) -> tuple[dict[str, Any] | None, list[Any]]:
        """It, as facts and arrays."""
        if best is None:
            return None, []
        facts = {"accuracy": best.accuracy, "log_loss": best.log_loss, "epoch": best.epoch}
        return facts, best.weights

    @staticmethod
    def of_state(facts: Mapping[str, Any] | None, arrays: Sequence[Any]) -> Best | None:
        """What `state_of` was given."""
        return None if facts is None else Best(**facts, weights=list(arrays))


class Average(keras.callbacks.Callback):
    """The mean of the weights after each of the last epochs (SWA, Izmailov et al. 2018).

    Epochs on few photos end at different places around a good one; the middle of them is nearer
    to it, and costs no training. BatchNorm runs in inference mode, so that its statistics need not
    be measured anew.

    Args:
        after: The number of epochs after which it begins.
        of: The model whose weights are averaged, where what is fitted is a part of it.
    """

    def __init__(self, after: int, of: keras.Model) -> None:
        super().__init__()
        self.weights: list[Any] = []
        self._after = after
        self._of = of
        self._count = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Take this epoch's weights into the mean."""
        if epoch + 1 <= self._after:
            return
        found = self._of.get_weights()
        self._count += 1
        if self._count == 1:
            self.weights = found
        for mean, weight in zip(self.weights, found, strict=True):
            if np.issubdtype(mean.dtype, np.floating):  # what counts stays as it is
                mean += (weight - mean) / self._count

    def forget(self) -> None:
        """Begin anew."""
        self.weights, self._count = [], 0

    def state(self) -> Kept:
        """What it would take to go on from here."""
        return {"count": self._count}, self.weights

    def restore(self, facts: Mapping[str, Any], arrays: Sequence[Any]) -> None:
        """Go on from what `state` gave."""
        self._count, self.weights = facts["count"], [array.copy() for array in arrays]


class KeepBest(keras.callbacks.Callback):
    """Keeps the weights of the best epoch by validation log loss; stops when patience runs out.

    Log loss, because on a few hundred validation photos accuracy moves in steps that are mostly
    noise. Of epochs whose log loss differs by no more than noise, the last is the best: the rate
    falls to zero, so that earlier ones have not settled yet.

    Args:
        patience: Epochs without a lower log loss after which training stops; `None` never stops.
        of: The model whose weights are kept, where what is fitted is a part of it.
    """

    def __init__(self, patience: int | None, of: keras.Model | None = None) -> None:
        super().__init__()
        self.patience = patience
        self._of = of
        self.best: Best | None = None
        self._lowest = math.inf
        self._lowest_epoch = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keep this epoch's weights when they are the best so far."""
        self.consider(epoch + 1, logs or {})
        if self.is_enough(epoch + 1):
            self.model.stop_training = True

    def is_enough(self, epochs: int) -> bool:
        """Whether patience has run out after so many epochs."""
        return self.patience is not None and epochs - self._lowest_epoch >= self.patience

    def be_patient(self, epochs: int) -> None:
        """Count patience from here on, after so many epochs."""
        self._lowest_epoch = epochs

    def state(self) -> Kept:
        """What it would take to go on from here."""
        facts, weights = Best.state_of(self.best)
        lowest = self._lowest if math.isfinite(self._lowest) else None
        return {"best": facts, "lowest": lowest, "lowest_epoch": self._lowest_epoch}, weights

    def restore(self, facts: Mapping[str, Any], arrays: Sequence[Any]) -> None:
        """Go on from what `state` gave."""
        self.best = Best.of_state(facts["best"], arrays)
        self._lowest = math.inf if facts["lowest"] is None else facts["lowest"]
        self._lowest_epoch = facts["lowest_epoch"]

    def consider(self, epoch: int, scores: Mapping[str, float]) -> None:
        """Keep the model's weights when they are the best so far, those of an epoch or others.

        Args:
            epoch: The epoch that they come after, from 1.
            scores: `val_log_loss`, `val_accuracy`, and `val_photos`, how many photos gave them.
        """
        log_loss = float(scores["val_log_loss"])
        if math.isfinite(log_loss) and log_loss <= self._lowest * (1 + _noise(scores)):
            weights = (self._of or self.model).get_weights()
            self.best = Best(float(scores["val_accuracy"]), log_loss, epoch, weights)
        if log_loss < self._lowest:
            self._lowest, self._lowest_epoch = log_loss, epoch


def _noise(scores: Mapping[str, float]) -> float:
    """Two standard errors of the difference between two epochs' log losses, as a share of it.

    From photo to photo that difference varies about as much as the log loss is large.
    """
    photos = float(scores.get("val_photos", 0))
    return 2 / math.sqrt(photos) if photos else 0.0
