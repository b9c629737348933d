"""The options of `finetune` that say on which devices, and who watches where several train."""

from __future__ import annotations

from typing import Annotated

import typer

from tlearn.cli import progress
from tlearn.devices.asking import Asked
from tlearn.launching.heartbeat import beating
from tlearn.progress import SILENT, Progress

__all__ = ["DevicesOption", "WorkerOption", "WorkersOption", "watch"]

_PANEL = "Devices"

DevicesOption = Annotated[
    str,
    typer.Option(
        metavar="WHICH",
        help="Devices of this machine that train together: auto, all its GPUs or else its CPU; all; "
        "or a number.",
        rich_help_panel=_PANEL,
    ),
]
WorkersOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT,...",
        help="All workers that train together, the same list for each; the first one writes. "
        "Default: those of TF_CONFIG. `tlearn launch` starts several on one machine.",
        rich_help_panel=_PANEL,
    ),
]
WorkerOption = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, help="Which of --workers this one is, from 0.", rich_help_panel=_PANEL
    ),
]


def watch(together: Asked) -> Progress:
    """Who watches: the first worker tells, others are silent; whoever launched them sees all alive."""
    return beating(progress.watch() if together.is_chief else SILENT)
