"""What is to be launched."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tlearn.errors import DeviceError

__all__ = ["ENGINES", "Launch", "plan"]

ENGINES = ("local", "ray")

_VERB = "finetune"
_OWN = ("--workers", "--worker")


@dataclass(frozen=True)
class Launch:
    """What is to be launched.

    Args:
        arguments: The command of every worker, such as `("finetune", "--dataset", "my_photos")`.
        workers: How many there are.
        restarts: How often the group is started again after one was lost.
        silence: Seconds without progress of any worker after which they are taken to hang.
        grace: Seconds from asking a worker to end to ending it.
        pin: Whether each worker keeps to its share of the processor's cores.
        logs: The folder for a file of each worker's output.
        program: What is run with the arguments.
    """

    arguments: tuple[str, ...]
    workers: int
    restarts: int = 3
    silence: float = 1800.0
    grace: float = 30.0
    pin: bool = False
    logs: Path = Path("launch-logs")
    program: tuple[str, ...] = (sys.executable, "-m", "tlearn")


def plan(arguments: Sequence[str], workers: int, **settings: object) -> Launch:
    """Check what is to be launched.

    Args:
        arguments: The command of every worker.
        workers: How many there are, 1 or more.
        settings: Others of `Launch`.

    Raises:
        DeviceError: It is no command that several workers can do together.
    """
    found = tuple(arguments)
    own = [one for one in found if one.partition("=")[0] in _OWN]
    if not found or found[0] != _VERB or own:
        raise DeviceError(
            "What is launched is a `finetune`, behind two hyphens, without --workers and --worker of "
            "its own: tlearn launch --workers 2 -- finetune --dataset my_photos/. "
            f"Received: {' '.join(found)!r}"
        )
    if workers < 1:
        raise DeviceError(f"There must be at least one worker. Received: workers={workers}")
    return Launch(found, workers, **settings)  # type: ignore[arg-type]
