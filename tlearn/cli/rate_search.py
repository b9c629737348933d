"""`tlearn lr-find`."""

from __future__ import annotations

import math
import shlex
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tlearn.cli import display, options, quieting, values
from tlearn.cli.display import ListFormat

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tlearn.choosing.rate.rate_finding import RateFinding

__all__ = ["EXAMPLE", "lr_find"]

EXAMPLE = "tlearn lr-find --dataset my_photos/ --backbone efficientnet"
_BAR = 40
_LINES = 15

CurveOutputOption = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        help="Where the folder DATASET-BACKBONE-lr-find/ with curve.png and curve.csv is put.",
    ),
]


def lr_find(
    context: typer.Context,
    dataset: options.DatasetOption,
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
    output: CurveOutputOption = Path("saved_models"),
    form: Annotated[ListFormat, typer.Option("--format", help="How to print.")] = ListFormat.text,
) -> None:
    """Find a learning rate by a range test: rates that rise until the loss does."""
    from tlearn import backbones, recipes
    from tlearn.cli.progress import watch

    overrides = values.of_recipe(context)
    # A misspelt name is told at once, and not after the seconds that TensorFlow takes to load.
    backbones.resolve(backbone)
    recipes.load(recipe or "freeze_then_unfreeze").with_arguments(overrides)
    quieting.load_tensorflow_for(context)
    from tlearn import runs
    from tlearn.choosing.rate import learning_rate
    from tlearn.files import tables

    runs.check_writable(output)
    watcher = watch()
    found = learning_rate.lr_find(
        dataset,
        backbone=backbone,
        recipe_options=overrides,
        progress=watcher,
        **values.of_library(context),
    )
    folder = output / f"{found.about}-lr-find"
    found.write(folder)
    watcher.say(f"Wrote the curve to {folder}")
    if form is ListFormat.csv:
        display.write_frame(found.table, form)
    elif form is ListFormat.json:
        curve = found.table.to_dict("records")
        sys.stdout.write(tables.to_json({**found.info, "folder": str(folder), "curve": curve}))
    else:
        console = display.stdout_console()
        console.print(_curve(found))
        console.print(_advice(found, context), soft_wrap=True)


def _curve(found: RateFinding) -> RenderableType:
    """The smoothed loss as bars, one for every few steps."""
    every = -(-len(found.table) // _LINES)
    shown = found.table.iloc[::every]
    # What follows once it diverges would press the rest flat.
    most = min(shown["smoothed"].max(), 2.5 * shown["smoothed"].iloc[0])
    ratios = (shown["learning_rate"] / found.suggested).map(lambda ratio: abs(math.log(ratio)))
    rows = []
    for place, row in shown.iterrows():
        bar = "█" * round(_BAR * min(1.0, row["smoothed"] / most))
        mark = "  suggested" if place == ratios.idxmin() else ""
        rows.append((f"{row['learning_rate']:.1e}", f"{row['smoothed']:.3f}", bar + mark))
    return display.table(("rate", "loss", ""), rows)


def _advice(found: RateFinding, context: typer.Context) -> str:
    """The last line: which rate, and the command that uses it."""
    from tlearn.choosing.rate import rate_finding

    rate, by_rule = rate_finding.written(found.suggested), rate_finding.written(found.by_rule)
    words = ["tlearn", "finetune", *_same_options(context), "--learning-rate", rate]
    return (
        f"Suggested: {rate} (finetune would take {by_rule} by rule). "
        f"Use it: {display.cell(shlex.join(words))}"
    )


def _same_options(context: typer.Context) -> list[str]:
    """The options that the user gave, but for those that finetune has not or has otherwise."""
    words = []
    for option in context.command.params:
        value = context.params.get(option.name or "")
        source = context.get_parameter_source(option.name or "")
        if source is None or source.name != "COMMANDLINE" or option.name in {"output", "form"}:
            continue
        if isinstance(value, bool):
            words.append((option.opts if value else option.secondary_opts)[-1])
        else:
            words += [option.opts[0], str(value.value if isinstance(value, Enum) else value)]
    return words
