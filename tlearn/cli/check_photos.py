"""`tlearn check`."""

from __future__ import annotations

import shlex
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from tlearn.checking import kinds
from tlearn.cli import completion, display, options, quieting, values

if TYPE_CHECKING:
    from tlearn.checking.finding import Finding
    from tlearn.checking.verdict import Check

__all__ = ["CheckFormat", "EXAMPLE", "FOUND", "check"]

EXAMPLE = "tlearn check my_photos/ --html check.html"

# The exit code when something is found that --fail-on names. 1 is a mistake, 2 a command that was
# not understood: a pipeline must be able to tell them from it.
FOUND = 3

_FIRST_FILES = 3
_SHOW = "Answer"
_LABELS = "Labels"
_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


class CheckFormat(str, Enum):
    """How the findings are printed."""

    table = "table"
    csv = "csv"
    json = "json"
    markdown = "markdown"


def _kinds(given: str | None) -> str | None:
    if given is not None:
        try:
            kinds.matching(given)
        except ValueError as error:
            raise typer.BadParameter(f"{error}. Received: {given!r}") from None
    return given


def check(
    context: typer.Context,
    photos: Annotated[
        str | None,
        typer.Argument(
            metavar="DATASET", help="The photos; the same as --dataset.", show_default=False
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            "-d",
            metavar="DATA",
            help="Folder, table, archive or TFDS name, as for `tlearn finetune`.",
            rich_help_panel="Data",
        ),
    ] = None,
    data_dir: options.DataDirOption = None,
    form: Annotated[
        CheckFormat,
        typer.Option("--format", help="How to print the findings.", rich_help_panel=_SHOW),
    ] = CheckFormat.table,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a gallery: each finding with its photos, suspect labels to decide on.",
            rich_help_panel=_SHOW,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write all tables into this folder, as CSV.", rich_help_panel=_SHOW
        ),
    ] = None,
    fail_on: Annotated[
        str | None,
        typer.Option(
            metavar="FINDINGS",
            help=f"End with exit code {FOUND} when one of these is found, such as leak,unreadable; "
            "or error, warning, note for all that are as bad.",
            callback=_kinds,
            autocompletion=completion.finding_lists,
            rich_help_panel=_SHOW,
        ),
    ] = None,
    labels: Annotated[
        bool,
        typer.Option(
            "--labels",
            help="Also name the labels that look wrong to a pretrained network.",
            rich_help_panel=_LABELS,
        ),
    ] = False,
    backbone: Annotated[
        str,
        typer.Option(
            "--backbone",
            "-b",
            metavar="NAME",
            help="For --labels: pretrained network, see `tlearn backbones`.",
            autocompletion=completion.backbone_names,
            rich_help_panel=_LABELS,
        ),
    ] = "efficientnet",
    weights: options.WeightsOption = None,
    image_size: options.ImageSizeOption = None,
    resize: options.ResizeOption = None,
    unlabelled: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PHOTOS",
            help="Also rank these photos without labels by what a label would teach the run: files, "
            "folders, or globs in quotes. May be given several times.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="For --unlabelled: run name or folder. Default: the latest run.",
            autocompletion=completion.run_names,
            rich_help_panel=_LABELS,
        ),
    ] = None,
    root: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where run folders are kept.", rich_help_panel=_LABELS),
    ] = Path("saved_models"),
    precision: options.PrecisionOption = None,
    seed: options.SeedOption = None,
    memory: options.MemoryOption = None,
) -> None:
    """Say what is wrong with photos and their labels, before any training."""
    from tlearn import runs
    from tlearn.cli.progress import watch

    if (photos is None) == (dataset is None):
        raise typer.BadParameter("give the photos once: as DATASET or with --dataset")
    if run is not None and not unlabelled:
        raise typer.BadParameter("--run goes with --unlabelled")
    # What is misspelt is told at once, and not after the seconds that TensorFlow takes to load.
    if labels:
        from tlearn import backbones

        backbones.resolve(backbone)
    if unlabelled:
        from tlearn.prediction import finding

        finding.find(unlabelled)
        runs.load(run, root)
    if labels or unlabelled:  # otherwise only photos that are new need it, to be decoded
        quieting.load_tensorflow_for(context)
    from tlearn.checking import checker

    source = photos or dataset or ""
    found = checker.check(
        source,
        labels=labels,
        backbone=backbone,
        unlabelled=unlabelled or None,
        run=run,
        root=root,
        progress=watch(),
        **values.of_library(context),
    )
    told = display.stderr_console()
    if html is not None:
        told.print(f"Wrote {display.cell(found.gallery(html))}", soft_wrap=True)
    if output is not None:
        told.print(f"Wrote {display.cell(found.write(output))}", soft_wrap=True)
    _print(found, form, gallery=html, folder=output, source=source)
    failed = found.named(kinds.matching(fail_on)) if fail_on else []
    if failed:
        told.print(f"Found what --fail-on names: {', '.join(failed)}", style="bold red")
        raise typer.Exit(FOUND)


def _print(
    found: Check, form: CheckFormat, *, gallery: Path | None, folder: Path | None, source: str
) -> None:
    from tlearn.files import tables

    if form is CheckFormat.table:
        _show(found, gallery=gallery, folder=folder, source=source)
    elif form is CheckFormat.json:
        typer.echo(tables.to_json(found.as_dict()), nl=False)
    elif form is CheckFormat.csv:
        typer.echo(tables.to_csv(found.table("findings")), nl=False)
    else:
        shown = found.findings[["finding", "severity", "count", "about", "advice"]]
        typer.echo(tables.to_markdown(shown))


def _show(found: Check, *, gallery: Path | None, folder: Path | None, source: str) -> None:
    from tlearn.checking.finding import in_order

    console = display.stdout_console()
    photos, classes = len(found.photos), len(found.class_names)
    console.print(
        Text(f"{display.cell(found.dataset)}: {photos:,} photos in {classes:,} classes", "bold")
    )
    rows = in_order(found.found)
    if not rows:
        console.print(Text("Nothing was found that needs a look.", style="green"))
    else:
        cells = [(_name(one.kind), _what(found, one), f"{one.total:,}") for one in rows]
        console.print(display.table(("finding", "what", "count"), cells, numbers=1))
        for kind in dict.fromkeys(one.kind for one in rows):
            advice = kinds.KINDS[kind].advice
            console.print(_name(kind).append(f": {advice}", style="default not bold"))
    for row in found.label_next.head(10).to_dict("records"):
        console.print(Text(f"label next: {display.cell(row['path'])}"), soft_wrap=True)
    if rows and gallery is None:
        quoted = display.cell(shlex.quote(source))
        console.print(
            Text(f"To see the photos: tlearn check {quoted} --html check.html"), soft_wrap=True
        )
    if len(found.label_next) > 10 and folder is None:
        console.print("The whole list: --output DIR writes label_next.csv")


def _name(kind: str) -> Text:
    return Text(kind, style=_STYLES[kinds.KINDS[kind].severity])


def _what(found: Check, one: Finding) -> Text:
    """What a finding is about, and its first files, those that belong together in one line."""
    told = Text(display.cell(one.about))
    for place, group in enumerate(one.groups[:_FIRST_FILES]):
        names = [display.cell(found.name_of(path)) for path in group[:_FIRST_FILES]]
        told.append("\n" + " = ".join(names), style="dim")
        if len(group) > _FIRST_FILES:
            told.append(f" = {len(group) - _FIRST_FILES:,} more", style="dim")
        if one.notes:
            told.append(f": {display.cell(one.notes[place])}", style="dim")
    if len(one.groups) > _FIRST_FILES:
        told.append(f"\nand {len(one.groups) - _FIRST_FILES:,} more", style="dim")
    return told
