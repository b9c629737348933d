"""Those who train together: replicas on devices, in one process or in several."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Group", "ONE"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Group:
    """Replicas of a model that are trained as one.

    Args:
        strategy: The `tf.distribute.Strategy`; `None` where one device trains.
        workers: How many processes there are.
        worker: Which of them this one is, from 0; the first is the chief.
        names: What the devices of this process are called.
    """

    strategy: Any = None
    workers: int = 1
    worker: int = 0
    names: tuple[str, ...] = ()

    @property
    def replicas(self) -> int:
        """How many equal parts a batch is divided into."""
        return int(self.strategy.num_replicas_in_sync) if self.strategy else 1

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.worker == 0

    @property
    def info(self) -> dict[str, Any]:
        """Who trained together, for the run's record."""
        return {"replicas": self.replicas, "workers": self.workers, "names": list(self.names)}

    def places(self, batch_size: int) -> range | None:
        """The places in each batch that this worker trains on; `None` where it is all of them."""
        if self.workers == 1:
            return None
        part = -(-batch_size // self.replicas) * (self.replicas // self.workers)
        return range(self.worker * part, (self.worker + 1) * part)

    def is_mine(self, digest: str) -> bool:
        """Whether a photo, by the hexadecimal SHA-256 of its content, is this worker's to look at."""
        return self.workers == 1 or int(digest[:8], 16) % self.workers == self.worker

    def scope(self) -> AbstractContextManager[Any]:
        """Where a model is to be built that the replicas train."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def wait(self) -> None:
        """Go on when all workers have come to this place."""
        self._of_chief(np.zeros(1, np.float32))

    def all(self, mine: bool) -> bool:
        """Whether something holds in all workers; each must ask."""
        if self.workers == 1:
            return mine
        return self._sum(np.array([not mine], np.float32), every=True)[0] == 0

    def weights(self, mine: Sequence[Array]) -> list[Array]:
        """The chief's weights, in every worker; each must ask.

        Args:
            mine: This worker's, of the same shapes.

        Returns:
            Arrays of the shapes and types of `mine`.
        """
        if self.workers == 1 or not mine:
            return list(mine)
        flat = np.concatenate([np.asarray(one, np.float32).ravel() for one in mine])
        ends = np.cumsum([one.size for one in mine])[:-1]
        parts = np.split(self._of_chief(flat), ends)
        return [
            part.astype(one.dtype).reshape(one.shape) for part, one in zip(parts, mine, strict=True)
        ]

    def text(self, mine: str) -> str:
        """The chief's text, in every worker; each must ask."""
        if self.workers == 1:
            return mine
        content = mine.encode()
        length = int(self._of_chief(np.array([len(content)], np.float32))[0])
        padded = content[:length].ljust(length)
        numbers = self._of_chief(np.frombuffer(padded, np.uint8).astype(np.float32))
        return bytes(numbers.astype(np.uint8)).decode()

    def _of_chief(self, mine: Array) -> Array:
        return self._sum(mine, every=False) if self.workers > 1 else mine

    def _sum(self, mine: Array, *, every: bool) -> Array:
        """The sum over all replicas, or over the first of all alone."""
        import tensorflow as tf

        def value(context: Any) -> Any:
            counts = every or context.replica_id_in_sync_group == 0
            return tf.constant(mine if counts else np.zeros_like(mine))

        shared = self.strategy.experimental_distribute_values_from_function(value)
        return np.asarray(self.strategy.reduce(tf.distribute.ReduceOp.SUM, shared, axis=None))


ONE = Group()
