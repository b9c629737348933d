"""`tlearn backbones` and `tlearn recipes`: what there is to choose from."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from tlearn.cli import completion, display
from tlearn.cli.display import ListFormat

if TYPE_CHECKING:
    from tlearn.recipes import Recipe

__all__ = ["BACKBONES_EXAMPLE", "RECIPES_EXAMPLE", "backbones", "recipes"]

BACKBONES_EXAMPLE = "tlearn backbones --local"
RECIPES_EXAMPLE = "tlearn recipes freeze_then_unfreeze > my_recipe.toml"

_COLUMNS = (
    "name",
    "aliases",
    "source",
    "parameters",
    "image_size",
    "top1",
    "top1_source",
    "weights_from",
    "here",
)


def backbones(
    local: Annotated[
        bool,
        typer.Option("--local/--all", help="Only those whose weights are on this machine, or all."),
    ] = False,
    form: Annotated[ListFormat, typer.Option("--format", help="How to print.")] = ListFormat.text,
) -> None:
    """List the backbones: size, ImageNet accuracy, and whether their weights are here."""
    from tlearn import backbones as library
    from tlearn.backbones.table import ALIASES

    shortcuts: dict[str, list[str]] = {}
    for alias, name in ALIASES.items():
        shortcuts.setdefault(name, []).append(alias)
    rows: list[dict[str, Any]] = []
    for backbone in library.table():
        here = library.weights_are_here(backbone)
        if local and not here:
            continue
        rows.append(
            {
                "name": backbone.name,
                "aliases": " ".join(sorted(shortcuts.get(backbone.name, []))),
                "source": backbone.source,
                "parameters": backbone.parameters,
                "image_size": backbone.image_size,
                "top1": backbone.top1,
                "top1_source": backbone.top1_source,
                "weights_from": backbone.weights_from,
                "here": here,
            }
        )
    if form is not ListFormat.text:
        import pandas as pd

        display.write_frame(pd.DataFrame(rows, columns=list(_COLUMNS)), form)
        return
    _show(rows)


def _show(rows: list[dict[str, Any]]) -> None:
    """One table per source, so that what its rows share stands above it and they stay short."""
    console = display.stdout_console()
    published = list(dict.fromkeys(row["top1_source"] for row in rows if row["top1_source"]))
    for source in dict.fromkeys(row["source"] for row in rows):
        group = [row for row in rows if row["source"] == source]
        for origin in dict.fromkeys(row["weights_from"] for row in group):
            console.print(f"{source}: {origin}", style="bold")
        columns = ("name", "here", "parameters", "pixels", "top-1")
        cells = [_cells(row, published) for row in group]
        console.print(display.table(columns, cells, numbers=3))
    short = [f"{alias} = {row['name']}" for row in rows for alias in row["aliases"].split()]
    notes = [
        "here: the weights are on this machine, and need no download",
        "top-1: accuracy on ImageNet's validation photos, as published by",
        *(f"  ({number}) {source}" for number, source in enumerate(published, start=1)),
        "also: any KerasHub preset as hub:PRESET, any KerasCV preset as keras_cv:PRESET",
        f"short names: {', '.join(short)}",
    ]
    console.print(Text("\n".join(notes)))


def _cells(row: dict[str, Any], published: list[str]) -> tuple[object, ...]:
    top1 = display.percent(row["top1"])
    if row["top1_source"]:
        top1 += f" ({published.index(row['top1_source']) + 1})"
    parameters = "-" if row["parameters"] is None else f"{row['parameters'] / 1e6:.1f} M"
    here = Text("yes", style="green") if row["here"] else "no"
    return row["name"], here, parameters, row["image_size"] or "-", top1


def recipes(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Print this recipe, as TOML to start your own from.",
            autocompletion=completion.recipe_names,
        ),
    ] = None,
) -> None:
    """List the recipes and the situation that each is for, or print one."""
    from tlearn import recipes as library

    if name is not None:
        recipe = library.load(name)
        sys.stdout.write(recipe.text or _as_toml(recipe))
        return
    console = display.stdout_console()
    functions = [library.load(one) for one in library.FUNCTIONS]
    for kind, known in (("function", functions), ("saved recipe", library.saved())):
        if known:
            rows = [(one.name, one.situation) for one in known]
            console.print(display.table((kind, "situation"), rows))
    console.print("Use one: tlearn finetune --dataset DIR --recipe NAME", soft_wrap=True)
    console.print("Read it: tlearn recipes NAME", soft_wrap=True)


def _as_toml(recipe: Recipe) -> str:
    """A recipe function as a file: its account as comments, its arguments' defaults as numbers."""
    from tlearn.recipes import FUNCTIONS

    function = FUNCTIONS[recipe.function]
    account = inspect.cleandoc(function.__doc__ or "").split("\nReturns:")[0].rstrip()
    summary, _, rest = account.partition("\n")
    defaults = {
        key: parameter.default
        for key, parameter in inspect.signature(function).parameters.items()
        if key != "num_examples" and parameter.default is not None
    }
    first, _, remaining = recipe.with_arguments(defaults).dump().partition("\n")
    comments = "".join(f"# {line}".rstrip() + "\n" for line in rest.splitlines())
    return f"{first}\n{comments}\n{remaining}" if summary else f"{first}\n{remaining}"
