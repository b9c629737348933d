"""`tlearn predict --output-dir` and `--sort-into`: answers in parts, photos in folders."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from tlearn.cli import display

if TYPE_CHECKING:
    from tlearn.bulk.sorting import Sorted
    from tlearn.bulk.tally import Tally

__all__ = [
    "DryRunOption",
    "Engine",
    "EngineOption",
    "FromListOption",
    "LinkOption",
    "OutputDirOption",
    "PartSizeOption",
    "RayAddressOption",
    "SortIntoOption",
    "WorkersOption",
    "check",
    "show_sorted",
    "show_tally",
]

_MANY = "Many photos"
_SORTING = "Sorting"


class Engine(str, Enum):
    """Who makes the parts."""

    local = "local"
    ray = "ray"


FromListOption = Annotated[
    Path | None,
    typer.Option(
        "--from-list",
        metavar="FILE",
        help="Take the photos from a text with a path or URL a line, or a .csv or .parquet with the "
        "column path; the same as @FILE.",
        rich_help_panel=_MANY,
    ),
]
OutputDirOption = Annotated[
    Path | None,
    typer.Option(
        "--output-dir",
        metavar="FOLDER",
        help="Write the answers here in Parquet parts; any number of photos in little memory. The same "
        "command goes on where it stopped.",
        rich_help_panel=_MANY,
    ),
]
PartSizeOption = Annotated[
    int | None,
    typer.Option(min=1, help="Photos in a part. Default: 1000.", rich_help_panel=_MANY),
]
EngineOption = Annotated[
    Engine,
    typer.Option(
        help="With --output-dir: who does the work, this process or workers of Ray (extra: ray).",
        rich_help_panel=_MANY,
    ),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="A running Ray cluster. Default: Ray on this machine, for this command.",
        rich_help_panel=_MANY,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="How many workers Ray has. Default: one for each GPU, or for every 4 processors.",
        rich_help_panel=_MANY,
    ),
]
SortIntoOption = Annotated[
    Path | None,
    typer.Option(
        "--sort-into",
        metavar="FOLDER",
        help="Copy the photos into a folder per class here, with unsure/ and unlike/.",
        rich_help_panel=_SORTING,
    ),
]
LinkOption = Annotated[
    bool,
    typer.Option(
        "--link", help="With --sort-into: links in place of copies.", rich_help_panel=_SORTING
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="With --sort-into: count what would be put where, and copy nothing.",
        rich_help_panel=_SORTING,
    ),
]


def check(
    *,
    output: Path | None,
    output_dir: Path | None,
    part_size: int | None,
    engine: Engine,
    ray_address: str | None,
    workers: int | None,
    sort_into: Path | None,
    link: bool,
    dry_run: bool,
) -> None:
    """Refuse options that do not go together, before anything slow is loaded.

    Raises:
        typer.BadParameter: Some do not.
    """
    if output is not None and output_dir is not None:
        raise typer.BadParameter(
            "give one of --output, for a single table, and --output-dir, for parts."
        )
    for_parts = {
        "--part-size": part_size is not None,
        "--engine ray": engine is Engine.ray,
        "--ray-address": ray_address is not None,
        "--workers": workers is not None,
    }
    if output_dir is None and (given := [name for name, is_given in for_parts.items() if is_given]):
        raise typer.BadParameter(f"{given[0]} is for parts: give --output-dir as well.")
    for_ray = {"--ray-address": ray_address is not None, "--workers": workers is not None}
    if engine is Engine.local and (
        given := [name for name, is_given in for_ray.items() if is_given]
    ):
        raise typer.BadParameter(f"{given[0]} is for Ray: give --engine ray as well.")
    for_sorting = {"--link": link, "--dry-run": dry_run}
    if sort_into is None and (
        given := [name for name, is_given in for_sorting.items() if is_given]
    ):
        raise typer.BadParameter(f"{given[0]} is for sorting: give --sort-into as well.")


def show_tally(tally: Tally) -> None:
    """Print what the answers in parts say, counted.

    Args:
        tally: What `bulk.predicting` gave.
    """
    console = display.stdout_console()
    rows = [
        (Text(display.cell(row.label)), f"{row.photos:,}", display.percent(row.share))
        for row in tally.to_frame().itertuples()
    ]
    console.print(display.table(("class", "photos", "share"), rows))
    for count, sentence in (
        (tally.unsure, "answers are unsure: too little probability."),
        (tally.unlike, "photos are unlike anything the model was trained on."),
        (tally.unread, "files could not be read."),
    ):
        if count:
            console.print(f"{count:,} of {tally.photos:,} {sentence}")
    parts = "1 part" if tally.parts == 1 else f"{tally.parts:,} parts"
    console.print(
        f"{tally.photos:,} rows in {parts} in {display.cell(tally.folder)}", soft_wrap=True
    )


def show_sorted(done: Sorted, *, dry_run: bool) -> None:
    """Print how many photos are in which folder.

    Args:
        done: What `bulk.sorting` gave.
        dry_run: Whether nothing was written.
    """
    console = display.stdout_console()
    rows = [(Text(display.cell(name)), f"{count:,}") for name, count in done.folders.most_common()]
    console.print(display.table(("folder", "photos"), rows))
    total = sum(done.folders.values())
    told = f"{total:,} photos {'would be' if dry_run else 'are'} in {display.cell(done.folder)}"
    told += f", {done.before:,} of them from before" if done.before else ""
    console.print(told, soft_wrap=True)
    if done.unread:
        console.print(f"{done.unread:,} files could not be read and stay where they are.")
