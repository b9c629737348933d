"""The options of `finetune` by which epochs are logged while it trains."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["LogDirOption", "LogJsonOption", "LogKind", "LogOption"]

_PANEL = "Logs"


class LogKind(str, Enum):
    """What `--log` takes."""

    csv = "csv"
    tensorboard = "tensorboard"
    mlflow = "mlflow"
    wandb = "wandb"


LogOption = Annotated[
    list[LogKind] | None,
    typer.Option(
        "--log",
        metavar="KIND",
        help="Log each epoch as it ends: csv, tensorboard, mlflow or wandb. May be given several "
        "times.",
        rich_help_panel=_PANEL,
    ),
]
LogDirOption = Annotated[
    Path,
    typer.Option(
        metavar="DIR", help="Where csv and tensorboard are written.", rich_help_panel=_PANEL
    ),
]
LogJsonOption = Annotated[
    Path | None,
    typer.Option(
        "--log-json",
        metavar="FILE",
        help="Add one line of JSON to this file as each epoch ends; - for standard error.",
        rich_help_panel=_PANEL,
    ),
]
