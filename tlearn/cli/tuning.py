"""`tlearn tune`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlearn.cli import display, options, quieting, values
from tlearn.cli.display import ListFormat

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tlearn.choosing.settings.tuning_results import Tuning

__all__ = ["EXAMPLE", "tune"]

EXAMPLE = "tlearn tune --dataset my_photos/ --trials 20 --budget 30m"
_SEARCH = "Search"
_ROWS = 5


def tune(
    context: typer.Context,
    dataset: options.DatasetOption,
    trials: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Trials in all, those of earlier calls included.",
            rich_help_panel=_SEARCH,
        ),
    ] = 20,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How long to search, such as 90s, 30m or 1h 30m. Default: until all trials are "
            "made.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    validation: options.ValidationOption = None,
    test: options.TestOption = None,
    data_dir: options.DataDirOption = None,
    strict: options.StrictOption = False,
    corrections: options.CorrectionsOption = None,
    group: options.GroupOption = True,
    backbone: options.BackboneOption = "efficientnet",
    weights: options.WeightsOption = None,
    image_size: options.ImageSizeOption = None,
    resize: options.ResizeOption = None,
    recipe: options.RecipeOption = None,
    epochs: options.EpochsOption = None,
    learning_rate: options.LearningRateOption = None,
    unfreeze: options.UnfreezeOption = None,
    augmentation: options.AugmentationOption = None,
    mirror: options.MirrorOption = None,
    hue: options.HueOption = None,
    mixup: options.MixupOption = None,
    cutmix: options.CutmixOption = None,
    balance: options.BalanceOption = None,
    views: options.ViewsOption = None,
    batch_size: options.BatchSizeOption = None,
    precision: options.PrecisionOption = None,
    seed: options.SeedOption = None,
    memory: options.MemoryOption = None,
    output: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="The folder that holds the search's own.", rich_help_panel=_SEARCH
        ),
    ] = Path("saved_models"),
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Name of the search's folder. Default: from data set and backbone.",
            rich_help_panel=_SEARCH,
        ),
    ] = None,
    form: Annotated[
        ListFormat,
        typer.Option("--format", help="How to print the trials.", rich_help_panel=_SEARCH),
    ] = ListFormat.text,
) -> None:
    """Search the settings of a recipe that serve these photos best.

    Each trial is a fine-tuning on kept features, judged by the calibrated log loss of the
    validation photos. The first is the recipe itself. Settings given here are fixed, the others are
    searched. Stopped or killed, the same command goes on where it was.
    """
    from tlearn import backbones, recipes
    from tlearn.choosing import durations
    from tlearn.choosing.settings import search_space
    from tlearn.cli.progress import watch

    fixed = values.of_recipe(context)
    # A mistake is told at once, and not after the seconds that TensorFlow takes to load.
    search_space.check_installed()
    if budget is not None:
        durations.parse(budget)
    backbones.resolve(backbone)
    start = recipes.load(recipe or "freeze_then_unfreeze").with_arguments(fixed)
    search_space.of(start, fixed, num_examples=1000)
    quieting.load_tensorflow_for(context)
    from tlearn.choosing.settings import tuning

    found = tuning.tune(
        dataset,
        backbone=backbone,
        recipe_options=fixed,
        trials=trials,
        output=output,
        progress=watch(),
        **values.of_library(context),
    )
    if form is ListFormat.text:
        display.stdout_console().print(_text(found))
    else:
        display.write_frame(found.table, form)
        display.stderr_console().print(found.sentence, soft_wrap=True)
    if found.ended != "trials":
        why = "Stopped by Ctrl-C" if found.ended == "interrupted" else "The time is up"
        display.stderr_console().print(
            f"{why} after {len(found.table):,} of {trials:,} trials. The same command goes on.",
            soft_wrap=True,
        )
    if found.ended == "interrupted":
        raise typer.Exit(130)


def _text(found: Tuning) -> RenderableType:
    """The best trials, what was gained, and what to do next."""
    from rich.console import Group
    from rich.text import Text

    searched = list(found.table.columns)[2 : list(found.table.columns).index("validation_accuracy")]
    ranked = found.table[found.table["state"] == "finished"].sort_values(
        "validation_log_loss", kind="stable"
    )
    shown = ranked.head(_ROWS)
    if 1 not in set(shown["number"]):
        shown = found.table[found.table["number"].isin([*shown["number"], 1])].loc[
            [*shown.index, found.table.index[0]]
        ]
    rows = [_row(row, searched) for row in shown.to_dict("records")]
    states = found.table["state"].value_counts()
    rest = [f"{states[kind]:,} {told}" for kind, told in _STATES.items() if kind in states]
    command = shlex.join(found.command)
    table = display.table(("trial", "settings", "log loss", "accuracy"), rows, numbers=2)
    parts: list[RenderableType] = [
        table,
        Text(f"{', '.join(rest)}; all of them: {display.cell(found.folder / 'trials.csv')}"),
        Text(found.sentence),
        Text(f"Next: {display.cell(command)}", style="bold"),
    ]
    return Group(*parts)


_STATES = {"finished": "finished", "pruned": "stopped early", "failed": "failed"}


def _row(row: dict[str, Any], searched: list[str]) -> tuple[object, ...]:
    name = f"{row['number']:.0f}" + (" (the recipe itself)" if row["number"] == 1 else "")
    from tlearn.choosing.settings.tuning_results import in_words

    settings = in_words({setting: row[setting] for setting in searched})
    loss = row["validation_log_loss"]
    told = f"{loss:.3f}" if loss == loss else "-"
    return name, settings, told, display.percent(row["validation_accuracy"])
