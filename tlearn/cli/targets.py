"""The options that say how sure an answer must be, for `finetune` and `predict`."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["TargetCoverageOption", "TargetPrecisionOption", "ThresholdOption", "check"]

_PANEL = "Answers"

TargetPrecisionOption = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Answer `unsure` where needed for this share of the answers to be right. "
        "Default: 0.95 when training, what the run holds when predicting.",
        rich_help_panel=_PANEL,
    ),
]
TargetCoverageOption = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Answer this share of the photos, the surest, and `unsure` for the others.",
        rich_help_panel=_PANEL,
    ),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        metavar="PROBABILITY",
        min=0,
        max=1,
        help="Answer `unsure` below this probability; 0 for never.",
        rich_help_panel=_PANEL,
    ),
]


def check(precision: float | None, coverage: float | None, threshold: float | None = None) -> None:
    """Refuse what cannot be wanted, before anything slow is loaded.

    Args:
        precision: What `--target-precision` was given.
        coverage: What `--target-coverage` was given.
        threshold: What `--threshold` was given.

    Raises:
        typer.BadParameter: More than one is given, or one is out of its range.
    """
    if sum(value is not None for value in (precision, coverage, threshold)) > 1:
        raise typer.BadParameter(
            "give one of --target-precision, --target-coverage and --threshold. "
            f"Received: {precision}, {coverage}, {threshold}"
        )
    if precision is not None and not 0 < precision < 1:
        raise typer.BadParameter(
            "--target-precision is above 0 and below 1, which no number of photos proves to be 1. "
            f"Received: {precision}"
        )
    if coverage is not None and not 0 < coverage <= 1:
        raise typer.BadParameter(
            f"--target-coverage is above 0 and at most 1. Received: {coverage}"
        )
