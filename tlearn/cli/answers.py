"""`tlearn predict` and `tlearn classify`: what is on a photo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from tlearn.cli import completion, display, many_photos, quieting, targets

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

__all__ = ["CLASSIFY_EXAMPLE", "PREDICT_EXAMPLE", "classify", "predict", "show"]

PREDICT_EXAMPLE = "tlearn predict photo.jpg more_photos/ --output answers.csv"
CLASSIFY_EXAMPLE = "tlearn classify photo.jpg --backbone efficientnet"

_BAR_LENGTH = 10
_MOST_ROWS = 50


def predict(
    context: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Photos, folders, globs in quotes, URLs, or @FILE with a path a line.",
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            help="Run name, run folder, or folder of a SavedModel. Default: the latest run.",
            autocompletion=completion.run_names,
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes per photo.")] = 5,
    flip: Annotated[
        bool,
        typer.Option(
            "--flip",
            help="Answer with the mean of the photo and its mirror image: somewhat better, twice "
            "the time. Not for text.",
        ),
    ] = False,
    threshold: targets.ThresholdOption = None,
    target_precision: targets.TargetPrecisionOption = None,
    target_coverage: targets.TargetCoverageOption = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Write all answers to this .csv, .json or .parquet file."),
    ] = None,
    from_list: many_photos.FromListOption = None,
    output_dir: many_photos.OutputDirOption = None,
    part_size: many_photos.PartSizeOption = None,
    engine: many_photos.EngineOption = many_photos.Engine.local,
    ray_address: many_photos.RayAddressOption = None,
    workers: many_photos.WorkersOption = None,
    sort_into: many_photos.SortIntoOption = None,
    link: many_photos.LinkOption = False,
    dry_run: many_photos.DryRunOption = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Photos per step.")] = 32,
    root: Annotated[Path, typer.Option(help="Where run folders are kept.")] = Path("saved_models"),
) -> None:
    """Name what is on photos, with a trained run."""
    from tlearn.calibration import Target
    from tlearn.cli.progress import watch
    from tlearn.prediction import answers as library
    from tlearn.prediction import asked, finding
    from tlearn.prediction.wanted import Wanted

    # What can be wrong is told at once, and not after the seconds that TensorFlow takes to load.
    targets.check(target_precision, target_coverage, threshold)
    many_photos.check(
        output=output,
        output_dir=output_dir,
        part_size=part_size,
        engine=engine,
        ray_address=ray_address,
        workers=workers,
        sort_into=sort_into,
        link=link,
        dry_run=dry_run,
    )
    given = [*(paths or []), *([f"@{from_list}"] if from_list is not None else [])]
    if not given:
        raise typer.BadParameter("give photos: PATH, or --from-list FILE.")
    if output is not None:
        library.check_output(output)
    if output_dir is None:
        finding.find_places(given)
    found = asked.which(run, root)
    wanted = Wanted(top=top, flip=flip, threshold=threshold)
    if target_precision is not None or target_coverage is not None:
        target = Target.of(target_precision, target_coverage)
        wanted = asked.for_target(wanted, found, target)
    progress = watch()
    if output_dir is None:
        quieting.load_tensorflow_for(context)
        from tlearn.prediction import trained as prediction

        answers = prediction.predict(
            given,
            run=found,
            top=wanted.top,
            flip=wanted.flip,
            threshold=wanted.threshold,
            batch_size=batch_size,
            progress=progress,
        )
        if output is not None:
            library.write(answers, output)
        show(answers, output)
        tables: Iterable[pd.DataFrame] = [answers]
    else:
        from tlearn.bulk import predicting

        who = predicting.Workers(engine.value, ray_address, workers, batch_size)
        with predicting.begun(
            given,
            output_dir,
            run=found,
            wanted=wanted,
            part_size=part_size,
            leaving_out=[] if sort_into is None else [sort_into],
            progress=progress,
        ) as job:
            if job.missing and engine is many_photos.Engine.local:
                quieting.load_tensorflow_for(context)
            many_photos.show_tally(job.run(who, progress))
        tables = job.parts.tables()
    if sort_into is not None:
        from tlearn.bulk.sorting import sort_into as put

        done = put(tables, sort_into, link=link, dry_run=dry_run, progress=progress)
        many_photos.show_sorted(done, dry_run=dry_run)


def classify(
    context: typer.Context,
    photos: Annotated[
        list[str], typer.Argument(metavar="PHOTO...", help="Photos, folders, or globs in quotes.")
    ],
    backbone: Annotated[
        str,
        typer.Option(
            "--backbone",
            "-b",
            help="Pretrained network, see `tlearn backbones`.",
            autocompletion=completion.backbone_names,
        ),
    ] = "efficientnet",
    weights: Annotated[
        str, typer.Option(help="'imagenet' or a local file of weights with their head.")
    ] = "imagenet",
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many classes per photo.")] = 5,
) -> None:
    """Name the ImageNet classes on photos, with a pretrained network and no training."""
    from tlearn import backbones
    from tlearn.cli.progress import watch
    from tlearn.prediction import finding

    backbones.resolve(backbone)
    finding.find(photos)
    quieting.load_tensorflow_for(context)
    from tlearn.prediction import pretrained as classification

    show(
        classification.classify(
            photos, backbone=backbone, weights=weights, top=top, progress=watch()
        )
    )


def show(answers: pd.DataFrame, output: Path | None = None) -> None:
    """Print the answers.

    Args:
        answers: What `prediction.predict` gave.
        output: The file that holds them all, if there is one; the screen then shows the first.
    """
    shown = answers if output is None else answers.head(_MOST_ROWS)
    rows = [_row(answer) for answer in shown.to_dict("records")]
    console = display.stdout_console()
    console.print(display.table(("file", "class", "probability", "next best"), rows))
    if len(shown) < len(answers):
        console.print(f"... and {len(answers) - len(shown):,} more.")
    for sentence in _doubts(answers):
        console.print(sentence)
    unreadable = answers["error"].notna().sum()
    if unreadable:
        console.print(f"{unreadable:,} of {len(answers):,} files could not be read.")
    if output is not None:
        console.print(f"Wrote {len(answers):,} rows to {display.cell(output)}", soft_wrap=True)


def _row(answer: dict) -> tuple[object, ...]:
    if isinstance(answer["error"], str):
        reason = Text(display.cell(answer["error"]), style="yellow")
        return answer["path"], Text("unreadable", style="yellow"), "", reason
    unsure, unlike = answer.get("unsure") is True, answer.get("unlike") is True
    label = Text(display.cell(answer["answer" if unsure else "label"]), "yellow" if unsure else "")
    if unlike:
        label.append("\nunlike any seen", style="yellow")
    others = []
    rank = 1 if unsure else 2
    while isinstance(answer.get(_ranked("label", rank)), str):
        share = display.percent(answer[_ranked("probability", rank)])
        others.append(f"{answer[_ranked('label', rank)]} {share}")
        rank += 1
    return answer["path"], label, _bar(answer["probability"]), ", ".join(others)


def _ranked(column: str, rank: int) -> str:
    return column if rank == 1 else f"{column}_{rank}"


def _doubts(answers: pd.DataFrame) -> list[str]:
    """What is in doubt, counted; nothing where nothing is said of that."""
    if "unsure" not in answers:
        return []
    told = []
    if unsure := int(answers["unsure"].sum()):
        told.append(f"{unsure:,} of {len(answers):,} answers are unsure: too little probability.")
    if unlike := int(answers["unlike"].sum()):
        told.append(
            f"{unlike:,} of {len(answers):,} photos are unlike anything the model was trained on."
        )
    return told


def _bar(probability: float) -> Text:
    """Such as `█████████▏  91.2 %`, its length in eighths of a letter."""
    eighths = round(probability * _BAR_LENGTH * 8)
    full, part = divmod(eighths, 8)
    bar = "█" * full + ("▏▎▍▌▋▊▉"[part - 1] if part else "")
    return Text(f"{bar:<{_BAR_LENGTH}}", style="green").append(
        f" {100 * probability:5.1f} %", style="default"
    )
