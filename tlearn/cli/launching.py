"""`tlearn launch`."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from tlearn.cli import display, progress
from tlearn.launching import plan as plans

__all__ = ["EXAMPLE", "Engine", "launch"]

EXAMPLE = "tlearn launch --workers 2 -- finetune --dataset my_photos/"

_SETTINGS = {"ignore_unknown_options": True}


class Engine(str, Enum):
    """What starts the workers."""

    local = "local"
    ray = "ray"


def launch(
    arguments: Annotated[
        list[str], typer.Argument(metavar="-- finetune ...", help="What each worker does.")
    ],
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, help="How many workers train together.")
    ],
    engine: Annotated[
        Engine,
        typer.Option(
            metavar="NAME",
            help="local: processes on this machine; ray: actors of a Ray cluster, by Ray Train.",
        ),
    ] = Engine.local,
    restarts: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="How often all are started again after one was lost."
        ),
    ] = 3,
    timeout: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Workers that make no progress for so long, such as 10m, are ended and started "
            "again. Default: 30m.",
        ),
    ] = None,
    pin: Annotated[
        bool, typer.Option("--pin", help="Keep each worker to its share of the cores.")
    ] = False,
    logs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where the output of each worker is kept. Default: in the cache."
        ),
    ] = None,
) -> None:
    """Train with several workers on this machine, and start them again when one is lost."""
    from tlearn.choosing import durations
    from tlearn.files import cache

    stamp = time.strftime("%Y%m%d-%H%M%S")
    settings = {"silence": durations.parse(timeout)} if timeout else {}
    planned = plans.plan(
        arguments,
        workers,
        restarts=restarts,
        pin=pin,
        logs=logs or cache.directory() / "launches" / stamp,
        **settings,
    )
    watcher = progress.Lines(display.stderr_console())
    watcher.say(f"Logs of each worker: {planned.logs}")
    if engine is Engine.ray:
        from tlearn.launching import ray_engine

        code = ray_engine.run(planned, _work, watcher)
    else:
        from tlearn.launching import supervising

        code = supervising.supervise(planned, _Heard(workers).hear, watcher)
    if code:
        raise typer.Exit(code)


def _work(arguments: Sequence[str]) -> int:
    """The command in this very process; its exit code."""
    from tlearn.cli import application, quieting

    quieting.quiet()
    return int(application.app(list(arguments), standalone_mode=False) or 0)


class _Heard:
    """Prints what workers say, each line behind its worker's number."""

    def __init__(self, workers: int) -> None:
        self._width = len(str(workers - 1))
        self._one_at_a_time = threading.Lock()

    def hear(self, worker: int, is_error: bool, line: str) -> None:
        with self._one_at_a_time:
            stream = sys.stderr if is_error else sys.stdout
            stream.write(f"{worker:>{self._width}} | {display.one_line(line)}\n")
            stream.flush()
