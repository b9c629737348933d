"""How well each class is known: recall and precision, their trade, and what is taken for what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlearn.plotting import canvas

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["MOST_CURVES", "confusion", "per_class", "precision_recall"]

MOST_CURVES = len(canvas.COLOURS)  # more cannot be told apart
_SOLID = 3  # curves
_MOST_POINTS = 120
_MOST_NUMBERS = 20  # classes up to which each cell says its number
_ROW = 0.27  # inches


def per_class(table: pd.DataFrame) -> Figure:
    """Draw precision and recall of each class with their 95 % intervals.

    Args:
        table: As `Evaluation.per_class`; drawn in its order, from above.

    Returns:
        The figure, as high as the classes are many.
    """
    from tlearn.plotting.shown import Shown

    drawn = Shown(figsize=(7.0, 1.2 + _ROW * len(table)), layout="constrained")
    axes = drawn.add_subplot()
    rows = np.arange(len(table))
    for name, shift, colour in (
        ("recall", -0.15, canvas.PLAIN),
        ("precision", 0.15, canvas.HIGHLIGHT),
    ):
        axes.hlines(
            rows + shift, table[f"{name}_low"], table[f"{name}_high"], color=colour, alpha=0.6
        )
        axes.plot(table[name], rows + shift, "o", color=colour, markersize=4, label=name)
    axes.set_yticks(rows, [_short(name) for name in table["class"]], parse_math=False)
    axes.set(xlim=(0, 1.01), ylim=(len(table) - 0.5, -0.5))
    canvas.percent(axes.xaxis)
    axes.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    canvas.plain(axes)
    return drawn


def precision_recall(curves: pd.DataFrame) -> Figure:
    """Draw, for some classes, what precision costs in recall.

    Args:
        curves: Columns `class`, `recall`, `precision` (fractions 0..1), the points of each class in
            order; see `evaluation.ranked.precision_recall`.

    Returns:
        The figure, with the first `MOST_CURVES` classes.
    """
    from tlearn.plotting.shown import Shown

    drawn = Shown(figsize=(5.6, 4.2), layout="constrained")
    axes = drawn.add_subplot()
    names = list(dict.fromkeys(curves["class"]))[:MOST_CURVES]
    for place, (name, colour) in enumerate(zip(names, canvas.COLOURS, strict=False)):
        points = curves[curves["class"] == name]
        kept = np.unique(np.linspace(0, len(points) - 1, _MOST_POINTS).round().astype(int))
        points = points.iloc[kept]
        line = axes.plot(
            points["recall"],
            points["precision"],
            drawstyle="steps-post",
            color=colour,
            linewidth=1.5,
            # The later ones dashed: not everyone sees six colours.
            linestyle="-" if place < _SOLID else "--",
        )
        line[0].set_label(_plain_text(_short(name)))
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    if names:
        axes.legend(frameon=False, loc="lower left")
    canvas.percent(axes.xaxis, axes.yaxis)
    canvas.plain(axes)
    return drawn


def confusion(counts: pd.DataFrame, *, normalised: bool = True) -> Figure:
    """Draw a confusion matrix.

    Args:
        counts: Photos, index `true`, columns `predicted`.
        normalised: Colour by the share of the true class's photos, and not by their number.

    Returns:
        The figure. Up to 20 classes each cell says its number of photos.
    """
    from tlearn.plotting.shown import Shown

    values = counts.to_numpy(dtype="float64")
    support = values.sum(axis=1, keepdims=True)
    shares = np.divide(values, support, out=np.zeros_like(values), where=support > 0)
    shown = shares if normalised else values
    size = len(counts)
    inches = min(14.0, 2.5 + 0.42 * size)
    drawn = Shown(figsize=(inches, inches), layout="constrained")
    axes = drawn.add_subplot()
    top = float(shown.max()) or 1.0
    axes.imshow(shown, cmap="Blues", vmin=0, vmax=top)
    if size <= _MOST_NUMBERS:
        for true, predicted in zip(*np.nonzero(values), strict=True):
            colour = "white" if shown[true, predicted] > 0.6 * top else "black"
            axes.text(
                predicted, true, f"{int(values[true, predicted])}",
                ha="center", va="center", color=colour, fontsize=9,
            )  # fmt: skip
    if size <= 60:
        names = [_short(name) for name in counts.columns]
        axes.set_xticks(range(size), names, rotation=90, parse_math=False)
        axes.set_yticks(range(size), names, parse_math=False)
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.spines[:].set_visible(False)
    return drawn


def _short(name: object) -> str:
    text = " ".join(str(name).split()) or "?"
    return text if len(text) <= 24 else text[:23] + "…"


def _plain_text(name: str) -> str:
    """A label that is neither hidden, as one with `_` in front is, nor read as mathematics."""
    escaped = name.replace("$", r"\$")
    return f"\u200b{escaped}" if escaped.startswith("_") else escaped
