"""Photos of many requests, seen by the model together: up to a size, after a delay at most."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tlearn.serving.refusing import Refused
from tlearn.serving.servable import Servable

__all__ = ["Batcher", "Job"]

_MOST_WAIT = 60  # seconds that a client is told to wait at most before it tries again


@dataclass(frozen=True, eq=False)
class Job:
    """A part of a request that the model sees at once.

    Attributes:
        model: Whose answer is wanted. One that was replaced answers what it was asked.
        signature: Which of its signatures.
        given: Photos' bytes, or pixels `(photos, height, width, 3)`.
        pixels: How many pixels are in memory when it is decoded.
        future: Who waits for the answer.
        since: When it came, on the monotonic clock.
    """

    model: Servable
    signature: str
    given: Sequence[bytes] | npt.NDArray
    pixels: int
    future: asyncio.Future[dict[str, Any]]
    since: float = field(default_factory=time.monotonic)

    @property
    def kind(self) -> tuple[Any, ...]:
        """What jobs of one batch have in common."""
        shape = () if isinstance(self.given, list) else np.shape(self.given)[1:]
        return id(self.model), self.signature, shape


class Batcher:
    """Lets the model see jobs together, in threads of its own.

    A job waits for others no longer than `delay`, and not at all when no other is on its way.

    Args:
        most: The most photos of a batch.
        most_pixels: The most pixels of a batch that are in memory at once; a photo alone may have more.
        delay: In seconds.
        queue: How many photos may wait.
        coming: How many requests are on their way to here.
        seen: Told of each batch: the model, its photos, and the seconds that they took.
        threads: How many batches are worked on at a time; two, so that one is decoded while the
            network sees the other.
    """

    def __init__(
        self,
        *,
        most: int,
        most_pixels: int,
        delay: float,
        queue: int,
        coming: Callable[[], int],
        seen: Callable[[Servable, int, float], None],
        threads: int = 2,
    ) -> None:
        self._most, self._most_pixels = most, most_pixels
        self._delay, self._queue = delay, queue
        self._coming, self._seen = coming, seen
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._seconds_a_photo = 0.05
        self._threads = [
            threading.Thread(target=self._work, name=f"model-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many photos wait."""
        with self._changed:
            return self._count()

    def refuse_when_full(self, more: int = 1) -> None:
        """Raise `Refused` with 429 unless there is room for `more` photos."""
        with self._changed:
            waiting = self._count()
            # One request may have more photos than may wait; alone, it is taken.
            if waiting and waiting + more > self._queue:
                wait = min(_MOST_WAIT, max(1, round(waiting * self._seconds_a_photo)))
                raise Refused(
                    429,
                    f"There is more to do than can be done: {waiting} photos wait. Try again.",
                    {"Retry-After": str(wait)},
                )

    def submit(
        self, model: Servable, signature: str, given: Sequence[bytes] | npt.NDArray, pixels: int
    ) -> asyncio.Future[dict[str, Any]]:
        """Have something answered. Called in the event loop.

        Args:
            model: Whose answer is wanted.
            signature: Which of its signatures.
            given: A list of photos' bytes, or pixels `(photos, height, width, 3)`; at most a batch.
            pixels: How many pixels are in memory when it is decoded.

        Returns:
            The answer's arrays by name, a row per photo. Cancel it where nobody waits any more.
        """
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        with self._changed:
            self._jobs.append(Job(model, signature, given, pixels, future))
            self._changed.notify()
        return future

    def nudge(self) -> None:
        """Say that fewer requests may be on their way than before."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Finish what was submitted, and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _count(self) -> int:
        return sum(len(job.given) for job in self._jobs if not job.future.cancelled())

    def _work(self) -> None:
        while batch := self._next():
            begun = time.monotonic()
            model, signature = batch[0].model, batch[0].signature
            try:
                if isinstance(batch[0].given, list):
                    given: Any = [photo for job in batch for photo in job.given]
                else:
                    given = np.concatenate([np.asarray(job.given) for job in batch])
                said = model.answer(signature, given)
            except Exception as error:
                _tell(batch, error)
                continue
            took = time.monotonic() - begun
            # The average of about the last ten batches.
            self._seconds_a_photo += 0.1 * (took / len(given) - self._seconds_a_photo)
            self._seen(model, len(given), took)
            _tell(batch, said)

    def _next(self) -> list[Job]:
        """The next batch; none when all is done and the batcher closed."""
        with self._changed:
            while True:
                while self._jobs and self._jobs[0].future.cancelled():
                    self._jobs.popleft()
                if not self._jobs:
                    if self._closed:
                        return []
                    self._changed.wait()
                    continue
                batch, full = self._gathered()
                left = batch[0].since + self._delay - time.monotonic()
                if full or left <= 0 or self._closed or self._coming() <= 0:
                    for job in batch:
                        self._jobs.remove(job)
                    return batch
                self._changed.wait(left)

    def _gathered(self) -> tuple[list[Job], bool]:
        """What could go together now, and whether no more can be added."""
        first = self._jobs[0]
        batch, photos, pixels = [first], len(first.given), first.pixels
        for job in list(self._jobs)[1:]:
            if job.future.cancelled() or job.kind != first.kind:
                continue
            photos += len(job.given)
            pixels += job.pixels
            if photos > self._most or pixels > self._most_pixels:
                return batch, True
            batch.append(job)
        return batch, photos >= self._most


def _tell(batch: Sequence[Job], said: dict[str, Any] | Exception) -> None:
    """Give each job its rows, in the event loop that waits for them."""
    start = 0
    for job in batch:
        stop = start + len(job.given)
        told = (
            said
            if isinstance(said, Exception)
            else {name: rows[start:stop] for name, rows in said.items()}
        )
        start = stop
        job.future.get_loop().call_soon_threadsafe(_settle, job.future, told)


def _settle(future: asyncio.Future[dict[str, Any]], told: dict[str, Any] | Exception) -> None:
    if future.done():  # nobody waits any more
        return
    if isinstance(told, Exception):
        future.set_exception(told)
    else:
        future.set_result(told)
