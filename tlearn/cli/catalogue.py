"""`tlearn backbones` and `tlearn recipes`: what there is to choose from."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlearn.cli import completion, display
from tlearn.cli.display import ListFormat

if TYPE_CHECKING:
    from tlearn.recipes import Recipe

__all__ = ["BACKBONES_EXAMPLE", "RECIPES_EXAMPLE", "backbones", "recipes"]

BACKBONES_EXAMPLE = "tlearn backbones --local"
RECIPES_EXAMPLE = "tlearn recipes freeze_then_unfreeze > my_recipe.toml"


def backbones(
    local: Annotated[
        bool,
        typer.Option("--local/--all", help="Only those whose weights are on this machine, or all."),
    ] = False,
    form: Annotated[ListFormat, typer.Option("--format", help="How to print.")] = ListFormat.text,
) -> None:
    """List the backbones: size, ImageNet accuracy, and whether their weights are here."""
    import pandas as pd

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
                "parameters": backbone.parameters,
                "image_size": backbone.image_size,
                "top1": backbone.top1,
                "top1_source": backbone.top1_source,
                "weights_from": backbone.weights_from,
                "here": here,
            }
        )
    if form is not ListFormat.text:
        display.write_frame(pd.DataFrame(rows), form)
        return
    shown = [
        (
            row["name"],
            row["aliases"],
            "yes" if row["here"] else "no",
            row["weights_from"],
            "-" if row["parameters"] is None else f"{row['parameters'] / 1e6:.1f} M",
            row["image_size"] or "-",
            display.percent(row["top1"]),
        )
        for row in rows
    ]
    columns = ("name", "also", "here", "weights from", "parameters", "pixels", "top-1")
    console = display.stdout_console()
    console.print(display.table(columns, shown, numbers=3))
    console.print(_footnote([str(row["top1_source"]) for row in rows if row["top1_source"]]))


def _footnote(sources: list[str]) -> str:
    """What the columns mean, and who measured the accuracies."""
    lines = [
        "here: the pretrained weights are on this machine, so that no download is needed.",
        "top-1: share of ImageNet's validation photos named rightly, as published by "
        + "; ".join(dict.fromkeys(sources))
        + ".",
        "Also: any KerasHub preset as hub:PRESET, any KerasCV preset as keras_cv:PRESET.",
    ]
    return "\n".join(lines if sources else [lines[0], lines[2]])


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
    functions = [library.load(one) for one in library.FUNCTIONS]
    console = display.stdout_console()
    for kind, known in (("function", functions), ("saved recipe", library.saved())):
        if known:
            rows = [(one.name, one.situation) for one in known]
            console.print(display.table((kind, "situation"), rows))
    console.print("Use one with: tlearn finetune --dataset DIR --recipe NAME")


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
