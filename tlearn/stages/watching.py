"""What is seen of the fitting of a stage: a row of history for each epoch, and how it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from tlearn.progress import Progress, Task
from tlearn.stages.best import Kept
from tlearn.stages.stage import Stage

__all__ = ["AfterEpoch", "History"]

# Seconds between two looks at how it goes.
_NOTE_EVERY = 0.2

AfterEpoch = Callable[[Stage, Mapping[str, Any]], None]


class History(keras.callbacks.Callback):
    """Writes a row per epoch, and shows each epoch as a task.

    Args:
        stage: The stage that is being fitted.
        progress: Who watches.
        after_epoch: Called with the stage and each row.
    """

    def __init__(
        self, stage: Stage, progress: Progress, after_epoch: AfterEpoch | None = None
    ) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self._stage = stage
        self._steps = 0
        self._progress = progress
        self._after_epoch = after_epoch
        self._done = 0
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
        if self._done:
            self._task.advance(self._done)

    def expect(self, steps: int, done: int = 0) -> None:
        """Say how many batches an epoch has, and how many of the next one are done already."""
        self._steps, self._done = steps, done

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Advance the task by one batch."""
        if self._task is not None:
            self._task.advance()
        now = time.perf_counter()
        last = self._done + batch + 1 == self._steps
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
                "photos": round(scores["photos"]),
            }
        )
        if self._task is not None:
            self._task.note(
                f"{self.rows[-1]['photos_per_second']:.0f} photos/s, "
                f"validation accuracy {scores['val_accuracy']:.3f}, "
                f"log loss {scores['val_log_loss']:.3f}"
            )
        self._done = 0
        self.close()
        if self._after_epoch is not None:
            self._after_epoch(self._stage, self.rows[-1])

    def state(self) -> Kept:
        """What it would take to go on from here."""
        return {"rows": self.rows}, []

    def restore(self, facts: Mapping[str, Any], arrays: Sequence[Any]) -> None:
        """Go on from what `state` gave."""
        self.rows = list(facts["rows"])

    def close(self, error: BaseException | None = None) -> None:
        """End the task of the epoch under way.

        Args:
            error: What ended it before its time, if anything did.
        """
        if self._task is not None:
            self._task.__exit__(type(error) if error else None, error, None)
            self._task = None
