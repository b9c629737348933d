"""What probabilities are worth: the reliability diagram, and accuracy against coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlearn.plotting import canvas

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["coverage", "reliability"]

_TOP = 1.02
_SIZE = (5.6, 4.2)
_MOST_STEPS = 200  # of the curve: more cannot be seen


def reliability(tables: dict[str, pd.DataFrame]) -> Figure:
    """Draw how often answers are right against how sure they are (Guo et al. 2017, figure 1).

    Args:
        tables: By what they are of, such as `"as trained"` and `"calibrated"`, the bins that
            `calibration.reliability` gives: `confidence`, `accuracy` (fractions 0..1), `photos`.
            The last is drawn strongest.

    Returns:
        The figure. Below the diagram stands how many photos each bin has.
    """
    from tlearn.plotting.shown import Shown

    drawn = Shown(figsize=_SIZE, layout="constrained")
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    above.plot([0, 1], [0, 1], color=canvas.QUIET, linestyle="--", linewidth=1)
    above.annotate("as sure as right", (0.04, 0.09), rotation=38, color=canvas.QUIET, fontsize=8.5)
    for place, (name, table) in enumerate(tables.items()):
        last = place == len(tables) - 1
        colour = canvas.PLAIN if last else canvas.HIGHLIGHT
        filled = table[table["photos"] > 0]
        above.plot(
            filled["confidence"], filled["accuracy"], color=colour, linewidth=1.8 if last else 1.2,
            label=name,
        )  # fmt: skip
        # As large as the bin has photos: a bin of three photos says little.
        sizes = 5 + 60 * (filled["photos"] / filled["photos"].max()) ** 0.5
        above.scatter(
            filled["confidence"], filled["accuracy"], s=sizes, color=colour, zorder=3, linewidths=0
        )
        if last:
            middle = (table["low"] + table["high"]) / 2
            width = 0.9 * (table["high"] - table["low"])
            below.bar(middle, table["photos"], width=width, color=colour)
    above.set(ylim=(0, _TOP), xlim=(0, _TOP), ylabel="share that is right")
    below.set(xlabel="probability of the answer", ylabel="photos")
    for axes in (above, below):
        canvas.plain(axes)
    if len(tables) > 1:
        above.legend(frameon=False, loc="lower right")
    canvas.percent(above.xaxis, above.yaxis)
    return drawn


def coverage(table: pd.DataFrame) -> Figure:
    """Draw how accurate the surest answers are, for each share of photos that is answered.

    Args:
        table: As `calibration.coverage` gives it: `coverage`, `accuracy`, `low`, `high`, fractions 0..1.

    Returns:
        The figure, with the 95 % interval as a band.
    """
    from tlearn.plotting.shown import Shown

    drawn = Shown(figsize=_SIZE, layout="constrained")
    axes = drawn.add_subplot()
    step = max(1, len(table) // _MOST_STEPS)
    # From the end, so that all photos answered is among what is drawn.
    thin = table.iloc[::-1].iloc[::step]
    axes.fill_between(
        thin["coverage"], thin["low"], thin["high"], color=canvas.PLAIN, alpha=0.18, linewidth=0
    )
    axes.plot(thin["coverage"], thin["accuracy"], color=canvas.PLAIN, linewidth=1.8)
    lowest = float(thin["low"][thin["coverage"] > 0.1].min()) if len(thin) else 0.0
    axes.set(xlim=(0, 1), ylim=(max(0.0, lowest - 0.05), 1.005))
    axes.set(xlabel="share of photos answered, the surest first", ylabel="accuracy of those")
    canvas.plain(axes)
    canvas.percent(axes.xaxis, axes.yaxis)
    return drawn
