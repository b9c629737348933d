"""What goes on around the fitting of a stage, and how it is being fitted at present."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from tlearn.devices.group import ONE, Group
from tlearn.progress import SILENT, Progress
from tlearn.stages.best import Kept
from tlearn.stages.checkpoints import Checkpoints
from tlearn.stages.watching import AfterEpoch

__all__ = ["Around", "Attempt"]


@dataclass(frozen=True)
class Around:
    """What goes on around training.

    Args:
        progress: Who watches.
        callbacks: More Keras callbacks.
        after_epoch: Called with the stage and each epoch's row of history.
        checkpoints: Where training stands is kept there.
        group: On whose devices each batch is divided.
    """

    progress: Progress = SILENT
    callbacks: Sequence[keras.callbacks.Callback] = ()
    after_epoch: AfterEpoch | None = None
    checkpoints: Checkpoints | None = None
    group: Group = ONE


@dataclass
class Attempt:
    """How a stage is being fitted at present.

    Args:
        factor: What its rate is multiplied by.
        first: The epoch that the schedule of rates begins with.
        parts: In how many parts each batch is taken, so that it fits into memory.
        events: A row for each time that it went back: epoch, why, learning_rate (from then on).
    """

    factor: float = 1.0
    first: int = 0
    parts: int = 1
    events: list[dict[str, Any]] = field(default_factory=list)

    def state(self) -> Kept:
        """What it would take to go on from here."""
        return dataclasses.asdict(self), []

    def restore(self, facts: Mapping[str, Any], arrays: Sequence[Any]) -> None:
        """Go on from what `state` gave."""
        for name, value in facts.items():
            setattr(self, name, value)
