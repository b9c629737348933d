"""What a range test of learning rates says: the curve, the suggestion, the plot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tlearn.files import atomic, tables
from tlearn.plotting import canvas

__all__ = ["CURVE", "PLOT", "RateFinding", "edge", "suggestion", "valley", "written"]

CURVE = "curve.csv"
PLOT = "curve.png"

# The loss has fallen where the lowest is so many times that of the beginning, or less.
_FALLEN = 0.8
# It has risen where so much is lost of what was learnt, which is what the beginning is better than a
# guess; where that is next to nothing, so many times the beginning's.
_LOST = 0.25
_RISEN = 1.1
# In the first quarter of the steps the rate is so low that nothing is learnt.
_BEGINNING = 0.25


@dataclass(frozen=True)
class RateFinding:
    """What a range test of learning rates found.

    Args:
        table: The curve, one row for each step: step, learning_rate, loss and smoothed; see
            `tlearn.stages.range_test`.
        suggested: The rate to train with, to one digit.
        how: `"valley"` or `"edge"`, what it was read from; see `suggestion`.
        valley: What the valley rule says, whether or not it was followed.
        by_rule: The rate that `finetune` takes unless it is told another.
        stage: The name of the stage that was tested.
        seconds: Wall seconds of the test, without the features and the stages before it.
        about: The data set's and the backbone's name, as a plain folder name.

    Example:

    ```python
    found = tlearn.lr_find("my_photos/")
    found.suggested, found.by_rule
    found.plot("curve.png")
    ```
    """

    table: pd.DataFrame
    suggested: float
    how: str
    valley: float
    by_rule: float
    stage: str
    seconds: float
    about: str

    @property
    def info(self) -> dict[str, Any]:
        """What is kept of it in numbers and words, without the curve."""
        return {
            "suggested": self.suggested,
            "how": self.how,
            "valley": self.valley,
            "by_rule": self.by_rule,
            "stage": self.stage,
            "steps": len(self.table),
            "seconds": round(self.seconds, 3),
        }

    def plot(self, path: str | Path) -> None:
        """Draw the curve: the loss of each step and smoothed, with the rates in question.

        Args:
            path: The file to write; its suffix says the format, such as `.png` or `.svg`.

        Raises:
            RunError: The place cannot be written to.
        """
        drawn, axes = canvas.make(
            f"{self.about}: rates that rise, in the stage {self.stage}",
            "learning rate",
            "training loss (natural logarithm)",
        )
        rates, smoothed = self.table["learning_rate"], self.table["smoothed"]
        axes.plot(rates, self.table["loss"], ".", color="#aaaaaa", markersize=4, label="each step")
        axes.plot(rates, smoothed, color=canvas.PLAIN, label="smoothed")
        for rate, label, style in (
            (self.suggested, "suggested", {"color": canvas.HIGHLIGHT}),
            (self.by_rule, "by rule", {"color": "black", "linestyle": "--", "linewidth": 1.0}),
            (self.valley, "valley", {"color": "black", "linestyle": ":", "linewidth": 1.0}),
        ):
            axes.axvline(rate, label=f"{label}: {written(rate)}", **style)
        axes.set_xscale("log")
        # What follows once it diverges would press the rest flat.
        most = min(float(smoothed.max()), 2.5 * float(smoothed.iloc[0]))
        axes.set_ylim(0, 1.1 * most)
        axes.legend(frameon=False)
        canvas.save(drawn, Path(path))

    def write(self, folder: str | Path) -> None:
        """Write the curve as a plot and as a table, both or neither.

        Args:
            folder: The folder that gets them; what an earlier call wrote there is replaced:

                ```
                folder/
                ├── curve.png
                └── curve.csv
                ```

        Raises:
            RunError: The place cannot be written to.
        """
        with atomic.filling(folder) as hidden:
            self.plot(hidden / PLOT)
            (hidden / CURVE).write_text(tables.to_csv(self.table), encoding="utf-8")


def suggestion(table: pd.DataFrame, classes: int) -> tuple[float, str]:
    """Read a rate off a curve.

    Where the loss falls by a fifth or more, as that of a new head does, by the `valley`. But a stage
    that begins with a solved head has next to nothing to gain in so few steps: its loss stays where
    it is until the rate tears up what was learnt, so that a valley is made of noise, ten to a hundred
    times too low. What such a curve does show is that upper end, the highest rate of a cycle in
    Smith 2017 (arXiv:1506.01186): the `edge`.

    Args:
        table: The curve.
        classes: The number of classes.

    Returns:
        The rate, to one digit, and `"valley"` or `"edge"`.
    """
    fallen = table["smoothed"].min() <= _FALLEN * _beginning(table)
    return (valley(table), "valley") if fallen else (edge(table, classes), "edge")


def valley(table: pd.DataFrame) -> float:
    """The middle of the longest valley: the longest row of smoothed losses that only fall.

    Source: fastai 2, `fastai.callback.schedule.valley`.

    Args:
        table: The curve.

    Returns:
        A rate of the curve, to one digit.
    """
    losses = table["smoothed"].to_numpy()
    lengths = np.ones(len(losses), int)
    for step in range(1, len(losses)):
        above = losses[:step] > losses[step]
        lengths[step] = 1 + max(lengths[:step][above], default=0)
    end = int(lengths.argmax())
    middle = max(0, end - int(lengths[end]) // 2)
    return _one_digit(float(table["learning_rate"].iloc[middle]))


def edge(table: pd.DataFrame, classes: int) -> float:
    """The rate from which on a quarter of what was learnt is lost again.

    What was learnt is the difference between the loss at the beginning and that of a guess, the
    logarithm of the number of classes. So it matters little how the labels are smoothed.

    Args:
        table: The curve.
        classes: The number of classes.

    Returns:
        A rate within those of the curve, to one digit; the last where the loss never rises so far.
    """
    rates = np.log(table["learning_rate"].to_numpy())
    losses = table["smoothed"].to_numpy()
    beginning = _beginning(table)
    limit = max(beginning + _LOST * (math.log(classes) - beginning), _RISEN * beginning)
    below = np.flatnonzero(losses < limit)
    last = int(below[-1]) if len(below) else 0
    if last + 1 >= len(losses):
        return _one_digit(float(np.exp(rates[-1])))
    share = (limit - losses[last]) / (losses[last + 1] - losses[last])
    share = min(1.0, max(0.0, float(share)))
    return _one_digit(float(np.exp(rates[last] + share * (rates[last + 1] - rates[last]))))


def written(rate: float) -> str:
    """A rate as people write it, such as `8e-4` or `1.5e-3`."""
    digits, power = f"{rate:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(power)}"


def _beginning(table: pd.DataFrame) -> float:
    """The loss while the rate is still too low to change it."""
    count = max(1, round(_BEGINNING * len(table)))
    return float(table["loss"].iloc[:count].mean())


def _one_digit(rate: float) -> float:
    return float(f"{rate:.0e}")
