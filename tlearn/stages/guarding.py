"""Whether training goes astray: a loss that is no number or far too high, a validation that falls."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tlearn.stages.best import Best, Kept

__all__ = ["Guard"]

# A softmax that knows nothing has a log loss of log(classes); this many times that, and 1, is far above.
_FAR = 3.0
# How far validation accuracy may fall below what the stage began with, and in standard errors. At the
# peak of the rate it falls by a tenth and more for an epoch, and recovers.
_FALL = 0.1
_AT_ONCE = 0.3
_ERRORS = 3.0
# Seconds between two looks at the loss: each waits for the device.
_LOOK_EVERY = 0.5


class Guard(keras.callbacks.Callback):
    """Ends the fitting of a stage that goes astray.

    Args:
        classes: Number of classes.
        before: The best model of the stages before, if there is any.

    Attributes:
        why: What was seen, in words; `None` while all is well.
    """

    def __init__(self, classes: int, before: Best | None) -> None:
        super().__init__()
        self.why: str | None = None
        self._highest = _FAR * math.log(max(2, classes)) + 1
        self._before = before
        self._looked = 0.0
        self._low: float | None = None  # the last epoch's accuracy, where it had fallen

    def forget(self) -> None:
        """Begin anew: what was seen belongs to weights that are gone."""
        self.why = self._low = None

    def state(self) -> Kept:
        """What it would take to go on from here."""
        return {"why": self.why, "low": self._low}, []

    def restore(self, facts: Mapping[str, Any], arrays: Sequence[Any]) -> None:
        """Go on from what `state` gave."""
        self.why, self._low = facts["why"], facts["low"]

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the loss now and then."""
        now = time.perf_counter()
        if logs and now > self._looked + _LOOK_EVERY:
            self._looked = now
            if not math.isfinite(loss := float(logs["loss"])):
                self._end(f"the loss was {loss}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at the epoch's losses and at validation."""
        scores = logs or {}
        loss, log_loss = float(scores["loss"]), float(scores["val_log_loss"])
        if self.why is not None:
            return
        if not math.isfinite(loss):
            self._end(f"the loss was {loss}")
        elif loss > self._highest:
            self._end(f"the loss was {loss:.1f}, more than {self._highest:.1f}")
        elif not math.isfinite(log_loss):
            self._end(f"the log loss on validation was {log_loss}")
        elif self._before is not None:
            photos = float(scores.get("val_photos", 0))
            self._compare(self._before.accuracy, float(scores["val_accuracy"]), photos)

    def _compare(self, usual: float, accuracy: float, photos: float) -> None:
        error = math.sqrt(2 * usual * (1 - usual) / photos) if photos else 0.0
        fall = usual - accuracy
        before, self._low = self._low, None
        if fall <= max(_FALL, _ERRORS * error):
            return
        self._low = accuracy
        recovers = before is None or accuracy > before
        if fall > max(_AT_ONCE, _ERRORS * error) or not recovers:
            self._end(f"accuracy on validation fell from {usual:.3f} to {accuracy:.3f}")

    def _end(self, why: str) -> None:
        self.why = why
        self.model.stop_training = True
