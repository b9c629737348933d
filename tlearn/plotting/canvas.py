"""How all plots look."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tlearn.files import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "GRID", "HIGHLIGHT", "PLAIN", "QUIET", "make", "percent", "plain", "save"]

PLAIN = "#30638e"
HIGHLIGHT = "#d1495b"
QUIET = "#808a96"
GRID = "#dddddd"
# For several lines. Told apart with any colour vision, and on both themes by other tones of them.
COLOURS = (PLAIN, HIGHLIGHT, "#b7791f", "#2f855a", "#805ad5", "#0e7490")
_INCHES = (8.0, 4.8)
_DOTS_PER_INCH = 150


def make(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """An empty plot.

    Args:
        title: What it shows, in a sentence.
        x: What is along the horizontal axis, with its unit.
        y: What is along the vertical axis, with its unit.

    Returns:
        The figure and its axes. It belongs to no window.
    """
    from tlearn.plotting.shown import Shown

    drawn = Shown(figsize=_INCHES, layout="constrained")
    axes = drawn.add_subplot()
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    plain(axes)
    return drawn, axes


def plain(axes: Axes) -> None:
    """Take away what says nothing: the frame's upper and right side, dark grid lines.

    Args:
        axes: Changed in place.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(QUIET)
    axes.tick_params(color=QUIET)
    axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def percent(*axes: Axis) -> None:
    """Write fractions along axes in percent.

    Args:
        axes: Such as `axes.xaxis`, changed in place.
    """
    from matplotlib.ticker import PercentFormatter

    for one in axes:
        one.set_major_formatter(PercentFormatter(1, symbol=" %"))


def save(drawn: Figure, path: Path) -> None:
    """Write a plot, whole or not at all.

    Args:
        drawn: The figure.
        path: The file; its suffix says the format, such as `.png` or `.svg`.

    Raises:
        RunError: The place cannot be written to.
    """
    with atomic.replacing(path) as file:
        drawn.savefig(file, dpi=_DOTS_PER_INCH, format=path.suffix.removeprefix(".") or "png")
