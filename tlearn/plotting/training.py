"""How training went: loss, accuracy and learning rate, epoch by epoch and stage by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlearn.plotting import canvas

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["learning_curves"]

_MOST_LINEAR = 50  # times: rates that are further apart stand on a logarithmic axis
_SIZE = (11.5, 3.6)


def learning_curves(history: pd.DataFrame) -> Figure:
    """Draw the curves of a training.

    Args:
        history: A row for each epoch in order: `stage`, `loss`, `val_log_loss`, `accuracy`, `val_accuracy`,
            `learning_rate` (NaN where the head was solved).

    Returns:
        Three plots side by side: log loss, accuracy and learning rate. A line stands where a
        stage begins, with its name.
    """
    from matplotlib.ticker import MaxNLocator

    from tlearn.plotting.shown import Shown

    drawn = Shown(figsize=_SIZE, layout="constrained")
    losses, accuracies, rates = drawn.subplots(1, 3)
    epochs = range(1, len(history) + 1)
    for axes, pair in (
        (losses, ("loss", "val_log_loss")),
        (accuracies, ("accuracy", "val_accuracy")),
    ):
        for column, colour, name in zip(
            pair, (canvas.QUIET, canvas.PLAIN), ("training", "validation"), strict=True
        ):
            axes.plot(epochs, history[column], color=colour, marker="o", markersize=3, label=name)
        axes.legend(frameon=False)
    rates.plot(epochs, history["learning_rate"], color=canvas.PLAIN, marker="o", markersize=3)
    positive = history["learning_rate"][history["learning_rate"] > 0]
    if len(positive) and positive.max() > _MOST_LINEAR * positive.min():
        rates.set_yscale("log", nonpositive="mask")
    canvas.percent(accuracies.yaxis)
    titles = ("Loss", "Accuracy", "Learning rate")
    for axes, title in zip((losses, accuracies, rates), titles, strict=True):
        axes.set_title(title, loc="left", fontsize=10.5, pad=16)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        canvas.plain(axes)
        _stages(axes, list(history["stage"]))
    return drawn


def _stages(axes: Axes, stages: list[str]) -> None:
    begins = [place for place, one in enumerate(stages) if not place or one != stages[place - 1]]
    for place in begins:
        axes.axvline(place + 0.5, color=canvas.QUIET, linewidth=0.8, linestyle=":")
        axes.annotate(
            stages[place], (place + 0.5, 1), xycoords=("data", "axes fraction"), xytext=(2, 2),
            textcoords="offset points", fontsize=8, color=canvas.QUIET,
        )  # fmt: skip
    axes.set_xlim(0.5, len(stages) + 0.5)
