"""`tlearn report --require`: a run that is not good enough ends a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from tlearn.cli.display import cell, stderr_console

if TYPE_CHECKING:
    from tlearn.reporting.requiring import Requirement

__all__ = ["ConfidenceOption", "NOT_MET", "RequireOption", "conclude"]

NOT_MET = 2  # the exit code

RequireOption = Annotated[
    list[str] | None,
    typer.Option(
        "--require",
        metavar="METRIC>=NUMBER",
        help="Exit with 2 unless the run reaches this, such as 'accuracy>=0.9' or "
        "'recall[dress]>=0.8'; may be given several times.",
    ),
]
ConfidenceOption = Annotated[
    bool,
    typer.Option(
        "--with-confidence",
        help="With --require: compare the lower end of the 95 % interval, for <= and < the upper.",
    ),
]


def conclude(requirements: Sequence[Requirement]) -> None:
    """Say which requirements are met, and end with an exit code of 2 unless all are.

    Args:
        requirements: What was checked.

    Raises:
        typer.Exit: One or more are not met.
    """
    console = stderr_console()
    for one in requirements:
        console.print(
            Text(cell(one.sentence), style="" if one.met else "bold red"),
            soft_wrap=not console.is_terminal,
        )
    failed = sum(not one.met for one in requirements)
    if failed:
        console.print(f"{failed:,} of {len(requirements):,} requirements not met.")
        raise typer.Exit(NOT_MET)
