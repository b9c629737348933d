"""`tlearn shortlist`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from tlearn.cli import completion, display, options, quieting, values
from tlearn.cli.display import ListFormat

if TYPE_CHECKING:
    from tlearn.choosing.backbone.verdict import Shortlist

__all__ = ["EXAMPLE", "shortlist"]

EXAMPLE = "tlearn shortlist --dataset my_photos/ --budget 10m"

_CHOICE = "Candidates"
BackbonesOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="Backbones to compare, separated by commas, see `tlearn backbones`; NAME=FILE takes "
        "the weights from a file.",
        autocompletion=completion.backbone_lists,
        rich_help_panel=_CHOICE,
    ),
]
AllLocalOption = Annotated[
    bool,
    typer.Option(
        "--all-local",
        help="All backbones whose weights are on this machine. The default without --backbones.",
        rich_help_panel=_CHOICE,
    ),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="About how long it may take, such as 90s or 10m: fewer photos are looked at then. "
        "Default: as long as up to 5,000 photos take.",
        rich_help_panel=_CHOICE,
    ),
]


def shortlist(
    context: typer.Context,
    dataset: options.DatasetOption,
    backbones: BackbonesOption = None,
    all_local: AllLocalOption = False,
    budget: BudgetOption = None,
    validation: options.ValidationOption = None,
    test: options.TestOption = None,
    data_dir: options.DataDirOption = None,
    strict: options.StrictOption = False,
    corrections: options.CorrectionsOption = None,
    group: options.GroupOption = True,
    image_size: options.ImageSizeOption = None,
    resize: options.ResizeOption = None,
    precision: options.PrecisionOption = None,
    seed: options.SeedOption = None,
    memory: options.MemoryOption = None,
    output: options.OutputOption = Path("saved_models"),
    form: Annotated[
        ListFormat, typer.Option("--format", help="How to print the result.")
    ] = ListFormat.text,
) -> None:
    """Say which backbone suits these photos, before any training."""
    from tlearn.choosing import durations
    from tlearn.choosing.backbone import candidates

    if backbones is not None and all_local:
        raise typer.BadParameter("give either --backbones or --all-local")
    # What is misspelt is told at once, and not after the seconds that TensorFlow takes to load.
    names = None if backbones is None else [one for one in backbones.split(",") if one.strip()]
    if names is not None:
        candidates.named(names)
    if budget is not None:
        durations.parse(budget)
    quieting.load_tensorflow_for(context)
    from tlearn.choosing.backbone.shortlist import shortlist as compare
    from tlearn.cli.progress import watch

    found = compare(dataset, backbones=names, progress=watch(), **values.of_library(context))
    folder = found.write(output)
    if form is ListFormat.text:
        _show(found, folder, dataset)
    elif form is ListFormat.json:
        from tlearn.files import tables

        typer.echo(tables.to_json(found.as_dict()), nl=False)
    else:
        display.write_frame(found.table, form)


def _show(found: Shortlist, folder: Path, dataset: str) -> None:
    console = display.stdout_console()
    rows = found.table.to_dict("records")
    measured = [row for row in rows if not row["note"]]
    headings = ("backbone", "accuracy", "macro F1", "photos/s", "size", "to fine-tune")
    console.print(display.table(headings, [_cells(row, found) for row in measured], numbers=5))
    console.print(
        "accuracy: of linear heads on frozen features, cross-validated, with its 95 % interval; "
        "fine-tuning adds to it\n"
        "*: no other is both quicker and more accurate",
        style="dim",
    )
    for row in rows:
        if row["note"]:
            console.print(Text(f"not here: {row['backbone']}: {display.one_line(row['note'])}"))
    console.print(Text(found.reason, style="bold green"))
    console.print(Text(f"Plot and table: {display.cell(folder)}"), soft_wrap=True)
    weights = next(row["weights"] for row in rows if row["backbone"] == found.recommended)
    chosen = f"--backbone {found.recommended}"
    chosen += "" if weights == "imagenet" else f" --weights {display.cell(weights)}"
    console.print(
        Text(f"Next: tlearn finetune --dataset {display.cell(dataset)} {chosen}"), soft_wrap=True
    )


def _cells(row: dict[str, Any], found: Shortlist) -> tuple[object, ...]:
    from tlearn.choosing import durations

    name = f"{row['backbone']}{' *' if row['pareto'] else ''}"
    style = "bold green" if row["backbone"] == found.recommended else ""
    return (
        Text(display.cell(name), style=style),
        f"{display.percent(row['accuracy'])} ({100 * row['low']:.1f} to {100 * row['high']:.1f})",
        display.percent(row["macro_f1"]),
        f"{row['photos_per_second']:.0f}",
        f"{row['parameters'] / 1e6:.1f} M, {row['exported_bytes'] / 1e6:.0f} MB",
        durations.in_words(row["fine_tuning_seconds"]),
    )
