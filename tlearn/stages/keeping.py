"""Callbacks that begin an epoch where it stood, and keep where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from tlearn.interrupts import Held
from tlearn.stages.checkpoints import Checkpoints, Part, Saved, Variables
from tlearn.stages.epochs import Clock

__all__ = ["Beginning", "Keeping"]


class Beginning(keras.callbacks.Callback):
    """Sets the clock as an epoch begins, and puts back the sums of its metrics.

    Args:
        clock: That of the batches, if they have one.
        saved: The checkpoint that lies within the first epoch, if there is any.
    """

    def __init__(self, clock: Clock | None, saved: Saved | None) -> None:
        super().__init__()
        self._clock = clock
        self._saved = saved

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Begin an epoch."""
        if self._clock is not None:
            self._clock.begin(epoch)
        if self._saved is not None:  # built by now, and reset
            self._saved.restore({"metrics": Variables(self.model.metrics_variables)})
            self._saved = None


class Keeping(keras.callbacks.Callback):
    """Keeps a checkpoint after each epoch that is long enough, every few minutes, and before what was asked for happens.

    Args:
        checkpoints: Where they are kept; `None` keeps none.
        held: What the user has asked for meanwhile: it is raised when the step is done.
        parts: Gives what a checkpoint holds; with its argument set, the sums of metrics as well.
        stage: Which stage it is, from 0.
        batches: Batches of an epoch; 0 where an epoch cannot be begun in its middle.
        done: Batches of the first epoch that were done before.
        parts_of_batch: In how many parts a batch is taken.
    """

    def __init__(
        self,
        checkpoints: Checkpoints | None,
        held: Held,
        parts: Callable[[bool], dict[str, Part]],
        *,
        stage: int,
        batches: int,
        done: int,
        parts_of_batch: int = 1,
    ) -> None:
        super().__init__()
        self._checkpoints = checkpoints
        self._held = held
        self._parts = parts
        self._stage = stage
        self._batches = batches
        self._done = done
        self._parts_of_batch = parts_of_batch
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note which epoch it is."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep where training stands, when it is time."""
        asked = self._held.signal is not None
        kept = self._checkpoints
        if kept is None:
            self._held.give()
            return
        steps = batch + 1
        # What ends soon anyway is kept at its end.
        whole = steps % self._parts_of_batch == 0
        done = self._done + steps // self._parts_of_batch
        if whole and done < self._batches and (asked or kept.is_due()):
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()
            kept.save((self._stage, self._epoch, done), self._parts(True))
            self._held.give()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep where training stands."""
        self._done = 0
        kept = self._checkpoints
        if kept is not None and (self._held.signal is not None or kept.is_worth_it()):
            kept.save((self._stage, epoch + 1, 0), self._parts(False))
        self._held.give()
