"""What goes on beside the fitting of a stage: keep the best weights, write history, show progress."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from tlearn.progress import Progress, Task
from tlearn.stages.stage import Stage

__all__ = ["AfterEpoch", "Average", "Best", "History", "KeepBest", "PhotosSeen"]

# Seconds between two looks at how it goes.
_NOTE_EVERY = 0.2

AfterEpoch = Callable[[Stage, Mapping[str, Any]], None]


@keras.saving.register_keras_serializable("tlearn")
class PhotosSeen(keras.metrics.Metric):
    """Counts the photos of an epoch, whatever the batches' sizes."""

    def __init__(self, name: str = "photos", **settings: Any) -> None:
        super().__init__(name=name, **settings)
        self.seen = self.add_variable(
            (), initializer="zeros", dtype=keras.backend.standardize_dtype(int), name="seen"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count one batch."""
        self.seen.assign_add(keras.ops.cast(keras.ops.shape(y_true)[0], self.seen.dtype))

    def result(self) -> Any:
        """The number of photos since the last reset."""
        # A number of its own: Keras keeps it while validation counts on in the same variable.
        return self.seen + 0


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
        if self.patience is not None and epoch + 1 - self._lowest_epoch >= self.patience:
            self.model.stop_training = True

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


class History(keras.callbacks.Callback):
    """Writes a row per epoch, and shows each epoch as a task.

    Args:
        stage: The stage that is being fitted.
        steps: Batches of an epoch.
        progress: Who watches.
        after_epoch: Called with the stage and each row.
    """

    def __init__(
        self, stage: Stage, steps: int, progress: Progress, after_epoch: AfterEpoch | None = None
    ) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self._stage = stage
        self._steps = steps
        self._progress = progress
        self._after_epoch = after_epoch
        self._task: Task | None = None
        self._started = 0.0
        self._trained = 0.0
        self._noted = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Begin the epoch's task."""
        self._started = time.perf_counter()
        self._task = self._progress.task(
            f"Stage {self._stage.name}, epoch {epoch + 1} of {self._stage.epochs}",
            total=self._steps,
            unit="batches",
        )
        self._task.__enter__()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Advance the task by one batch."""
        if self._task is not None:
            self._task.advance()
        now = time.perf_counter()
        last = batch + 1 == self._steps
        # To read a number waits for the device, which is then idle until the next batch is there.
        if self._task is None or not logs or (now < self._noted + _NOTE_EVERY and not last):
            return
        photos, loss, accuracy = (float(logs[name]) for name in ("photos", "loss", "accuracy"))
        self._noted = time.perf_counter()
        self._trained = self._noted - self._started
        self._task.note(
            f"{photos / self._trained:.0f} photos/s  loss {loss:.3f}  accuracy {accuracy:.3f}"
        )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """End the epoch's task and write its row."""
        scores = {name: float(value) for name, value in (logs or {}).items()}
        # The rate at the epoch's last step, as the optimizer used it.
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.rows.append(
            {
                "stage": self._stage.name,
                "epoch": epoch + 1,
                "loss": scores["loss"],
                "accuracy": scores["accuracy"],
                "val_loss": scores["val_loss"],
                "val_accuracy": scores["val_accuracy"],
                "val_log_loss": scores["val_log_loss"],
                "learning_rate": rate,
                "seconds": time.perf_counter() - self._started,
                "photos_per_second": scores["photos"] / max(self._trained, 1e-9),
            }
        )
        if self._task is not None:
            self._task.note(
                f"{self.rows[-1]['photos_per_second']:.0f} photos/s, "
                f"validation accuracy {scores['val_accuracy']:.3f}, "
                f"log loss {scores['val_log_loss']:.3f}"
            )
        self.close()
        if self._after_epoch is not None:
            self._after_epoch(self._stage, self.rows[-1])

    def close(self, error: BaseException | None = None) -> None:
        """End the task of the epoch under way.

        Args:
            error: What ended it before its time, if anything did.
        """
        if self._task is not None:
            self._task.__exit__(type(error) if error else None, error, None)
            self._task = None
