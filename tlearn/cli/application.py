"""The verbs put together into one command."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

import typer

from tlearn import interrupts
from tlearn.cli import (
    answers,
    cache_folder,
    catalogue,
    check_photos,
    exporting,
    launching,
    quieting,
    rate_search,
    results,
    sample_set,
    serving,
    shortlisting,
    training,
    tuning,
)
from tlearn.cli.failures import Verbs
from tlearn.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="tlearn",
    cls=Verbs,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Example: tlearn finetune --dataset my_photos/ --backbone efficientnet",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tlearn {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[
        bool,
        typer.Option(
            "--debug", help="Show tracebacks and all logs. May also stand after the verb."
        ),
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Turn a folder of photos into a trained, explained classifier."""


for _verb, _function, _example in (
    ("check", check_photos.check, check_photos.EXAMPLE),
    ("shortlist", shortlisting.shortlist, shortlisting.EXAMPLE),
    ("finetune", training.finetune, training.EXAMPLE),
    ("lr-find", rate_search.lr_find, rate_search.EXAMPLE),
    ("tune", tuning.tune, tuning.EXAMPLE),
    ("launch", launching.launch, launching.EXAMPLE),
    ("report", results.report, results.REPORT_EXAMPLE),
    ("predict", answers.predict, answers.PREDICT_EXAMPLE),
    ("export", exporting.export, exporting.EXAMPLE),
    ("serve", serving.serve, serving.EXAMPLE),
    ("classify", answers.classify, answers.CLASSIFY_EXAMPLE),
    ("runs", results.runs, results.RUNS_EXAMPLE),
    ("backbones", catalogue.backbones, catalogue.BACKBONES_EXAMPLE),
    ("recipes", catalogue.recipes, catalogue.RECIPES_EXAMPLE),
    ("sample", sample_set.sample, sample_set.EXAMPLE),
    ("cache", cache_folder.cache, cache_folder.EXAMPLE),
):
    app.command(_verb, epilog=f"Example: {_example}")(_function)


def main() -> None:
    """Run the command line; the `tlearn` command and `python -m tlearn` end up here."""
    if "--debug" not in sys.argv:
        quieting.quiet()
    for stream in (sys.stdout, sys.stderr):
        # A file's name may hold bytes that the terminal's encoding does not know.
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    # So that a run stopped by a scheduler removes its half-written folder, as after Ctrl-C.
    interrupts.terminable()
    app(prog_name="tlearn")
