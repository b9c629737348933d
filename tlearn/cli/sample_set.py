"""`tlearn sample`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tlearn.cli import display

__all__ = ["EXAMPLE", "sample"]

EXAMPLE = "tlearn sample digits/ --per-class 60"


def sample(
    folder: Annotated[Path, typer.Argument(help="The folder to write; new or empty.")],
    per_class: Annotated[
        int, typer.Option(min=1, help="Photos per class, as far as there are so many.")
    ] = 60,
) -> None:
    """Write a small set of real photos to try tlearn on: handwritten digits, a folder per class."""
    from tlearn.cli.progress import watch
    from tlearn.datasets import sample as library

    count = library.write(folder, per_class=per_class, progress=watch())
    console = display.stdout_console()
    console.print(f"Wrote {count:,} photos to {display.cell(folder)}", soft_wrap=True)
    quoted = display.cell(shlex.quote(str(folder)))
    console.print(f"Next: tlearn finetune --dataset {quoted}", soft_wrap=True)
