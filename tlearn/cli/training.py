"""`tlearn finetune`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tlearn.cli import (
    device_options,
    display,
    logging_options,
    options,
    quieting,
    repeating,
    targets,
    values,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tlearn.runs import Run

__all__ = ["EXAMPLE", "finetune", "summary"]

EXAMPLE = "tlearn finetune --dataset my_photos/ --backbone efficientnet"


def finetune(
    context: typer.Context,
    dataset: options.OptionalDatasetOption = None,
    validation: options.ValidationOption = None,
    test: options.TestOption = None,
    data_dir: options.DataDirOption = None,
    strict: options.StrictOption = False,
    corrections: options.CorrectionsOption = None,
    group: options.GroupOption = True,
    backbone: options.OptionalBackboneOption = None,
    weights: options.WeightsOption = None,
    image_size: options.ImageSizeOption = None,
    resize: options.ResizeOption = None,
    head: options.HeadOption = None,
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
    target_precision: targets.TargetPrecisionOption = None,
    target_coverage: targets.TargetCoverageOption = None,
    devices: device_options.DevicesOption = "auto",
    workers: device_options.WorkersOption = None,
    worker: device_options.WorkerOption = None,
    deterministic: repeating.DeterministicOption = False,
    like: repeating.LikeOption = None,
    output: options.OutputOption = Path("saved_models"),
    name: options.NameOption = None,
    resume: repeating.ResumeOption = None,
    log: logging_options.LogOption = None,
    log_dir: logging_options.LogDirOption = Path("logs"),
    log_json: logging_options.LogJsonOption = None,
) -> None:
    """Train a classifier on a folder of photos, and keep it in a run folder.

    Stopped or killed, the same command goes on where it was.
    """
    from tlearn import logs, recipes
    from tlearn.choosing import automatic
    from tlearn.devices.asking import asked as asked_devices

    together = asked_devices(devices, workers, worker)
    targets.check(target_precision, target_coverage)
    given = values.given({"dataset": dataset, "backbone": backbone}) | values.of_library(context)
    if like:
        asked = repeating.arguments(like, output) | values.typed(context, given)
    else:
        asked = {"backbone": "efficientnet", **given}
    asked["recipe_options"] = asked.get("recipe_options", {}) | values.of_recipe(context)
    if asked.get("dataset") is None:
        raise typer.BadParameter("give --dataset, or --like RUN to make a run once more.")
    # A misspelt name is told at once, and not after the seconds that TensorFlow takes to load.
    automatic.check_backbone(asked["backbone"])
    plan = recipes.load(asked.get("recipe", "freeze_then_unfreeze"))
    plan.with_arguments(asked["recipe_options"])
    kinds = [kind.value for kind in log or () if together.is_chief]
    logs.check(kinds)
    lines = log_json if together.is_chief else None
    quieting.load_tensorflow_for(context)
    from tlearn import provenance, workflow

    known_as = name or provenance.run_name(Path(asked["dataset"]).stem, asked["backbone"])
    with logs.opened(kinds, folder=log_dir, name=known_as, lines=lines) as told:
        run = workflow.finetune(
            **asked,
            output=output,
            after_epoch=told.after_epoch,
            callbacks=told.callbacks,
            devices=together,
            progress=device_options.watch(together),
        )
    if not together.is_chief:
        return
    console = display.stdout_console()
    console.print(summary(run, output))
    if like:
        console.print(repeating.compared(run, like, output), soft_wrap=True)


def summary(run: Run, output: Path) -> RenderableType:
    """The panel at the end of a run.

    Args:
        run: The finished run.
        output: The folder it was written into.

    Returns:
        Accuracy, what the unfreeze gained, what was left out, and what to do next.
    """
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    metrics = run.summary.set_index("metric")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for metric, title in (("accuracy", "Test accuracy"), ("macro_f1", "Macro F1")):
        if metric in metrics.index:
            value, low, high = metrics.loc[metric, ["value", "low", "high"]]
            line = f"{display.percent(value)}  ({display.percent(low)} to {display.percent(high)})"
            facts.add_row(title, Text(line, style="bold green" if metric == "accuracy" else ""))
    facts.add_row("Unfreezing", Text(_gain(run)))
    for title, sentence in _sureness(run):
        facts.add_row(title, Text(sentence))
    skipped = len(run.skipped)
    files = "1 file" if skipped == 1 else f"{skipped:,} files"
    facts.add_row("Skipped", f"{files}, named in the report" if skipped else "no file")
    facts.add_row("SavedModel", Text(_proof(run)))
    facts.add_row("Run folder", Text(display.cell(run.path)))
    # A run in the usual place is found by its name alone.
    known_as = run.name if output == Path("saved_models") else str(run.path)
    quoted = display.cell(shlex.quote(known_as))
    facts.add_row("Next", Text(f"tlearn report {quoted}\ntlearn predict PHOTOS --run {quoted}"))
    return Panel(facts, title=Text(display.cell(run.name)), title_align="left", expand=False)


def _sureness(run: Run) -> list[tuple[str, str]]:
    from tlearn.reporting import sureness

    split = "test" if (run.info.get("threshold") or {}).get("test") else "validation"
    found = (
        ("Calibration", sureness.calibration(run.info, split)),
        ("Unsure", sureness.threshold(run.info)),
        ("Unlike", sureness.scope(run.info)),
    )
    return [(title, sentence) for title, sentence in found if sentence]


def _proof(run: Run) -> str:
    photos, difference = run.info["export"]["photos"], run.info["export"]["max_difference"]
    how_near = f"within {difference:.1g}" if difference else "equal"
    return f"same answers on {photos:,} photos, probabilities {how_near}"


def _gain(run: Run) -> str:
    head, final = run.info["validation"]["head"], run.info["validation"]["final"]
    if len(run.stages) < 2:
        return "none: the recipe trains the head only"
    points = f"{100 * (final - head):+.1f} points"
    change = f"{display.percent(head)} to {display.percent(final)}"
    if not run.stages["kept"].iloc[1:].any():
        return "gained nothing on validation, so the frozen head was kept"
    if final < head:
        change += ", and a lower log loss"
    return f"{points} on validation ({change})"
