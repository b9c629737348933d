"""Several logs as one: what each epoch is told to, and Keras callbacks of other packages."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tlearn.errors import MissingExtra
from tlearn.files import atomic
from tlearn.stages.stage import Stage

__all__ = ["KINDS", "Logs", "check", "opened"]

# By the name of a kind, the package and the extra that it needs beyond tlearn's own.
_EXTRAS = {"mlflow": ("mlflow", "mlflow"), "wandb": ("wandb", "wandb")}
KINDS = ("csv", "tensorboard", *_EXTRAS)

Row = Mapping[str, Any]


@dataclass
class Logs:
    """Where each epoch is logged.

    Args:
        callbacks: Keras callbacks, called in each stage that is trained by steps.
        writers: Each is called with every epoch's row of history.
    """

    callbacks: list[Any] = field(default_factory=list)
    writers: list[Callable[[Row], None]] = field(default_factory=list)

    def after_epoch(self, stage: Stage, row: Row) -> None:
        """Log one epoch."""
        for write in self.writers:
            write(row)


def check(kinds: Sequence[str]) -> None:
    """See whether what is asked for is installed.

    Args:
        kinds: Some of `KINDS`.

    Raises:
        MissingExtra: A package is not there.
    """
    for kind in kinds:
        package, extra = _EXTRAS.get(kind, ("", ""))
        if package and importlib.util.find_spec(package) is None:
            raise MissingExtra(package, extra, f"--log {kind}")


@contextmanager
def opened(
    kinds: Sequence[str] = (),
    *,
    folder: str | Path = "logs",
    name: str = "run",
    lines: str | Path | None = None,
) -> Iterator[Logs]:
    """Open logs.

    Args:
        kinds: Some of `KINDS`.
        folder: `csv` is written to `FOLDER/NAME.csv`, `tensorboard` to `FOLDER/NAME/`.
        name: The run's name.
        lines: A file, or `-` for standard error, to which each epoch adds one line of JSON.

    Returns:
        A context manager that gives the logs.

    Raises:
        MissingExtra: A package is not there.
        RunError: A place cannot be written to.
    """
    check(kinds)
    logs, folder = Logs(), Path(folder)
    with ExitStack() as stack:
        if "csv" in kinds:
            logs.writers.append(_csv(stack.enter_context(_added_to(folder / f"{name}.csv"))))
        if "tensorboard" in kinds:
            from tlearn.logs import tensorboard

            logs.writers.append(stack.enter_context(tensorboard.events(folder / name)))
        if lines is not None:
            stream = (
                sys.stderr if str(lines) == "-" else stack.enter_context(_added_to(Path(lines)))
            )
            logs.writers.append(_json(stream, name))
        if "mlflow" in kinds:
            import mlflow

            stack.enter_context(mlflow.start_run(run_name=name))
            logs.callbacks.append(mlflow.keras.MlflowCallback())
        if "wandb" in kinds:
            import wandb
            from wandb.integration.keras import WandbMetricsLogger

            stack.enter_context(wandb.init(project="tlearn", name=name))
            logs.callbacks.append(WandbMetricsLogger())
        yield logs


@contextmanager
def _added_to(file: Path) -> Iterator[TextIO]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = file.open("a", encoding="utf-8", newline="")
    except OSError as error:
        raise atomic.in_clear_words(error, file) from error
    with stream:
        yield stream


def _csv(stream: TextIO) -> Callable[[Row], None]:
    writer = csv.writer(stream, lineterminator="\n")

    def write(row: Row) -> None:
        if stream.tell() == 0:
            writer.writerow(row)
        writer.writerow(row.values())
        stream.flush()

    stream.seek(0, os.SEEK_END)
    return write


def _json(stream: TextIO, name: str) -> Callable[[Row], None]:
    def write(row: Row) -> None:
        # What is no number, such as the rate of a head that is solved, JSON has no word for.
        plain = {key: None if value != value else value for key, value in row.items()}
        stream.write(json.dumps({"run": name, **plain}) + "\n")
        stream.flush()

    return write
