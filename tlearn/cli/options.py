"""The options of `tlearn finetune`, each with its name, range and help.

Most default to `None`, which means "not given": then the library's own default holds, and the
help quotes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tlearn.cli import completion, values
from tlearn.cli.choices import Augmentation, Balance, Head, Precision, Resize
from tlearn.photos.resize_modes import DEFAULT_RESIZE

__all__ = [
    "AugmentationOption",
    "BackboneOption",
    "BalanceOption",
    "BatchSizeOption",
    "CorrectionsOption",
    "CutmixOption",
    "DataDirOption",
    "DatasetOption",
    "EpochsOption",
    "GroupOption",
    "HeadOption",
    "HueOption",
    "ImageSizeOption",
    "LearningRateOption",
    "MemoryOption",
    "MirrorOption",
    "MixupOption",
    "NameOption",
    "OptionalBackboneOption",
    "OptionalDatasetOption",
    "OutputOption",
    "PrecisionOption",
    "RecipeOption",
    "ResizeOption",
    "SeedOption",
    "StrictOption",
    "TestOption",
    "UnfreezeOption",
    "ValidationOption",
    "ViewsOption",
    "WeightsOption",
]

_DATA = "Data"
_MODEL = "Model"
_RECIPE = "Recipe; what is given here wins over the recipe's own numbers"
_RUN = "Run"


_DATASET = typer.Option(
    "--dataset",
    "-d",
    metavar="DATA",
    help="Folder with one sub-folder per class, or with train/, validation/ and test/ inside; "
    "a CSV or Parquet table with columns path,label; a .zip or .tar of these; the name of a "
    "TFDS data set.",
    rich_help_panel=_DATA,
)
DatasetOption = Annotated[str, _DATASET]
OptionalDatasetOption = Annotated[str | None, _DATASET]
ValidationOption = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Share of the photos to validate on, where no split is given. Default: 0.15.",
        rich_help_panel=_DATA,
    ),
]
TestOption = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Share of the photos to test on, once, at the end. Default: 0.15.",
        rich_help_panel=_DATA,
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where TFDS data sets are kept.", rich_help_panel=_DATA),
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Stop at files that cannot be read; otherwise they are named and left out.",
        rich_help_panel=_DATA,
    ),
]
CorrectionsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Labels that you have mended: a CSV with the columns path,label[,digest,action]. No "
        "file of yours is touched.",
        rich_help_panel=_DATA,
    ),
]
GroupOption = Annotated[
    bool,
    typer.Option(
        "--group/--no-group",
        help="Keep photos that show the same, and bursts, on one side of the split.",
        rich_help_panel=_DATA,
    ),
]
_BACKBONE = typer.Option(
    "--backbone",
    "-b",
    metavar="NAME",
    help="Pretrained network, see `tlearn backbones`; auto for the best of this machine's.",
    autocompletion=completion.backbone_names,
    rich_help_panel=_MODEL,
)
BackboneOption = Annotated[str, _BACKBONE]
OptionalBackboneOption = Annotated[str | None, _BACKBONE]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        metavar="WEIGHTS",
        help="imagenet, random, or a local weights file. Default: imagenet.",
        rich_help_panel=_MODEL,
    ),
]
ImageSizeOption = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS",
        min=32,
        help="Side of the square that the network sees. Default: the backbone's own.",
        rich_help_panel=_MODEL,
    ),
]
ResizeOption = Annotated[
    Resize | None,
    typer.Option(
        help=f"How a photo becomes a square. Default: {DEFAULT_RESIZE}.", rich_help_panel=_MODEL
    ),
]
HeadOption = Annotated[
    Head | None,
    typer.Option(
        help="What the head looks at: the last feature map, or those of the last half of the blocks "
        "as well, for classes told apart by texture. Default: last.",
        rich_help_panel=_MODEL,
    ),
]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        metavar="RECIPE",
        help="Recipe function, saved recipe or TOML file, see `tlearn recipes`. "
        "Default: freeze_then_unfreeze.",
        autocompletion=completion.recipe_names,
        rich_help_panel=_RECIPE,
    ),
]
EpochsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Epochs, of the unfrozen stages where there are any.",
        rich_help_panel=_RECIPE,
    ),
]
LearningRateOption = Annotated[
    str | None,
    typer.Option(
        metavar="RATE",
        help="Peak learning rate, of the unfrozen stages where there are any; or auto, to find one "
        "as `tlearn lr-find` does.",
        callback=values.learning_rate,
        autocompletion=completion.rates,
        rich_help_panel=_RECIPE,
    ),
]
UnfreezeOption = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        min=0,
        max=1,
        help="Share of the backbone's blocks that train.",
        rich_help_panel=_RECIPE,
    ),
]
AugmentationOption = Annotated[
    Augmentation | None,
    typer.Option(
        metavar="KIND",
        help="How much training photos are varied: none, light or strong.",
        rich_help_panel=_RECIPE,
    ),
]
MirrorOption = Annotated[
    bool | None,
    typer.Option(
        "--mirror/--no-mirror",
        help="Whether photos may be mirrored: not text, not scans.",
        rich_help_panel=_RECIPE,
    ),
]
HueOption = Annotated[
    bool | None,
    typer.Option(
        "--hue/--no-hue",
        help="Whether hues may be shifted: not where colour tells the class.",
        rich_help_panel=_RECIPE,
    ),
]
MixupOption = Annotated[
    float | None,
    typer.Option(metavar="ALPHA", help="Strength of mixup; 0 is off.", rich_help_panel=_RECIPE),
]
CutmixOption = Annotated[
    float | None,
    typer.Option(metavar="ALPHA", help="Strength of cutmix; 0 is off.", rich_help_panel=_RECIPE),
]
BalanceOption = Annotated[
    Balance | None,
    typer.Option(
        metavar="KIND",
        help="Against imbalanced classes: none, weights or sampling.",
        rich_help_panel=_RECIPE,
    ),
]
ViewsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Views of each photo whose frozen features are kept. Default: 4, fewer of many "
        "photos; 1 without augmentation.",
        rich_help_panel=_RECIPE,
    ),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Memory for frozen features, such as 1GiB; what is more is read from the cache "
        "folder. Default: a quarter of what is free.",
        rich_help_panel=_RUN,
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Photos in a training step. Default: by the size of the data set and the device.",
        rich_help_panel=_RUN,
    ),
]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option(
        metavar="KIND",
        help="auto, float32, mixed_bfloat16 or mixed_float16. Default: auto, the best of the "
        "device.",
        rich_help_panel=_RUN,
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        help="Seed of the splits and of training. Default: 0.",
        rich_help_panel=_RUN,
    ),
]
OutputOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Where run folders are kept.", rich_help_panel=_RUN)
]
NameOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Name of the run folder. Default: from data set and backbone.",
        rich_help_panel=_RUN,
    ),
]
