"""Where training stands, kept on the disk so that it can go on from there as if nothing had happened."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras

from tlearn.files.snapshots import Snapshot, Snapshots
from tlearn.stages.best import Kept

__all__ = ["Checkpoints", "Part", "Saved", "Variables"]


class Part(Protocol):
    """A part of what training is made of."""

    def state(self) -> Kept:
        """What it would take to go on from here."""

    def restore(self, facts: Mapping[str, Any], arrays: Sequence[Any]) -> None:
        """Go on from what `state` gave."""


@dataclass(frozen=True)
class Saved:
    """One checkpoint.

    Args:
        position: Stage, epoch and batch that come next, each from 0.
        snapshot: What was kept.
    """

    position: tuple[int, int, int]
    snapshot: Snapshot

    def restore(self, parts: Mapping[str, Part]) -> None:
        """Let parts go on from it; those that were not kept stay as they are."""
        for name, part in parts.items():
            facts = self.snapshot.facts["parts"].get(name)
            if facts is not None:
                count = facts["arrays"]
                arrays = [self.snapshot.arrays[f"{name}/{place}"] for place in range(count)]
                part.restore(facts["facts"], arrays)


class Checkpoints:
    """The checkpoints of one training, in a folder.

    Args:
        folder: Where they are.
        plan: Says what is trained on what and how; checkpoints of another plan are not gone on from.
        reads_only: Whether another process keeps them.
        minutes: How often one is kept within an epoch, besides that at the end of each.
        share: Of the time, what checkpoints at the end of epochs may take; where epochs are so short
            that they would take more, some have none.

    """

    def __init__(
        self,
        folder: str | Path,
        *,
        plan: str,
        reads_only: bool = False,
        minutes: float = 5.0,
        share: float = 0.05,
    ) -> None:
        self._snapshots = Snapshots(folder)
        self._plan = plan
        self._reads_only = reads_only
        self._seconds = 60 * minutes
        self._share = share
        self._cost = 0.0
        self._last = time.monotonic()

    def load(self) -> Saved | None:
        """The last one that is whole and of this plan; `None` where there is none."""
        found = self._snapshots.load()
        if found is None or found.facts["plan"] != self._plan:
            return None
        stage, epoch, batch = found.facts["position"]
        return Saved((stage, epoch, batch), found)

    def save(self, position: tuple[int, int, int], parts: Mapping[str, Part]) -> None:
        """Keep one.

        Args:
            position: Stage, epoch and batch that come next.
            parts: What training is made of, by name.

        Raises:
            RunError: The disk is full or the place cannot be written to; the last one is still there.
        """
        if self._reads_only:
            return
        started = time.monotonic()
        facts: dict[str, Any] = {}
        arrays: dict[str, Any] = {}
        for name, part in parts.items():
            own, values = part.state()
            facts[name] = {"facts": own, "arrays": len(values)}
            arrays |= {f"{name}/{place}": values[place] for place in range(len(values))}
        kept = {"plan": self._plan, "position": list(position), "parts": facts}
        self._snapshots.save(kept, arrays)
        self._last = time.monotonic()
        self._cost = self._last - started

    def __bool__(self) -> bool:
        """Whether there is any, of this plan or another."""
        return bool(self._snapshots)

    def is_worth_it(self) -> bool:
        """Whether one at the end of an epoch takes no more than its share of the time."""
        return time.monotonic() - self._last >= self._cost / self._share - self._cost

    def is_due(self) -> bool:
        """Whether the last one is some minutes old."""
        return time.monotonic() - self._last >= self._seconds


class Variables:
    """Variables as a part: weights, the optimizer's slots, the sums of metrics, dropout's dice.

    Args:
        variables: Those of a model, an optimizer or metrics; built.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        self._variables = list({id(one): one for one in variables}.values())

    def state(self) -> Kept:
        """Their values."""
        return {}, [keras.ops.convert_to_numpy(one) for one in self._variables]

    def restore(self, facts: Mapping[str, Any], arrays: Sequence[Any]) -> None:
        """Put values back."""
        for variable, values in zip(self._variables, arrays, strict=True):
            variable.assign(values)
