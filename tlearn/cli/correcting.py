"""The option `--corrections`, which all verbs that read a data set take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["CorrectionsOption"]

CorrectionsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Labels that you have mended: a CSV with the columns path,label[,digest,action]. No "
        "file of yours is touched.",
        rich_help_panel="Data",
    ),
]
