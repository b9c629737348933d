"""A group of workers on this machine, from its start to its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tlearn.devices.asking import CLUSTER
from tlearn.errors import DeviceError
from tlearn.files import atomic
from tlearn.launching import sharing
from tlearn.launching.plan import Launch
from tlearn.launching.worker import Hear, Worker
from tlearn.progress import SILENT, Progress

__all__ = ["supervise"]

_LOOK_EVERY = 0.2
# What the command itself says of its end: a mistake, told on the screen, or that it was stopped.
_NO_ACCIDENT = {1, 2, 130, 143}
_LOCALHOST = "localhost"


def supervise(launch: Launch, hear: Hear, progress: Progress = SILENT) -> int:
    """Start the workers, and see to it that they come to an end.

    A worker that is killed or crashes takes the group down, since the others cannot go on without it;
    the group is then started again, and each `finetune` goes on from the last checkpoint. What a worker
    says was a mistake is not tried again.

    Args:
        launch: What is to be launched.
        hear: Told each line that a worker prints.
        progress: Told what happens to the group.

    Returns:
        The exit code: 0 when all workers ended well, else what the first that did not says of it.

    Raises:
        DeviceError: Workers were lost more often than they may be, or made no progress.
        RunError: The logs cannot be written.
    """
    try:
        launch.logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic.in_clear_words(error, launch.logs) from error
    for attempt in range(launch.restarts + 1):
        workers: list[Worker] = []
        try:
            _start(launch, hear, workers)
            end = _watch(launch, workers)
        finally:
            # Also after Ctrl-C; a second one ends them at once.
            _end(workers, launch.grace)
        if end.code is not None:
            return end.code
        if attempt < launch.restarts:
            progress.warn(f"{end.why}, so all {launch.workers} workers are started again.")
    raise DeviceError(
        f"{end.why}, for the last of {launch.restarts + 1} times. What the workers said is in "
        f"{launch.logs}. Received: restarts={launch.restarts}"
    )


@dataclass(frozen=True)
class _End:
    """How a group came to its end: by an exit code, or by an accident after which it is started again."""

    code: int | None
    why: str = ""


def _start(launch: Launch, hear: Hear, workers: list[Worker]) -> None:
    addresses = [f"{_LOCALHOST}:{port}" for port in _free_ports(launch.workers)]
    cores = sharing.cores(launch.workers) if launch.pin else [()] * launch.workers
    devices = sharing.visible_gpus(launch.workers)
    for number in range(launch.workers):
        environment = {**os.environ, **devices[number]}
        environment.pop(CLUSTER, None)
        if launch.workers > 1:
            task = {"type": "worker", "index": number}
            cluster = {"cluster": {"worker": addresses}, "task": task}
            environment[CLUSTER] = json.dumps(cluster)
        command = [*launch.program, *launch.arguments]
        workers.append(Worker(number, command, environment, launch.logs, hear, cores[number]))


def _watch(launch: Launch, workers: Sequence[Worker]) -> _End:
    """Until all have ended, one has ended badly, or none makes progress."""
    written: float | None = None
    while True:
        codes = [worker.code for worker in workers]
        failed = [(number, code) for number, code in enumerate(codes) if code]
        if failed:
            # Of several at once, the one that was killed: the others failed for want of it.
            number, code = min(failed, key=lambda one: one[1] in _NO_ACCIDENT)
            if code in _NO_ACCIDENT:
                return _End(code)
            return _End(None, f"Worker {number} {_ending(code)}")
        if None not in codes:
            return _End(0)
        if codes[0] == 0:  # the run is written; the others have no more to do
            written = written or time.monotonic()
            if time.monotonic() - written > launch.grace:
                return _End(0)
        elif min(worker.silent_for() for worker in workers) > launch.silence:
            return _End(None, f"No worker made progress for {launch.silence:.0f} seconds")
        time.sleep(_LOOK_EVERY)


def _end(workers: Sequence[Worker], grace: float) -> None:
    """End those that still run: asked first, then not asked."""
    running = [worker for worker in workers if worker.code is None]
    for worker in running:
        worker.end(signal.SIGTERM)
    until = time.monotonic() + grace
    try:
        while any(worker.code is None for worker in running) and time.monotonic() < until:
            time.sleep(_LOOK_EVERY)
    finally:
        for worker in workers:
            worker.end(_KILL)
        for worker in workers:
            worker.close()


_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was ended by {name}"


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at present."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((_LOCALHOST, 0))
        return [int(one.getsockname()[1]) for one in sockets]
