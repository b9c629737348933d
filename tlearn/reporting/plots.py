"""The plots of a report: `report.plot.confusion()` and its like, each a matplotlib figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlearn.plotting import classes, probabilities, training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tlearn.reporting import Report

__all__ = ["Plots"]


class Plots:
    """Draws the tables of a report. A figure belongs to no window; a notebook shows it.

    Args:
        report: The report.

    Example:

    ```python
    run.plot.confusion().savefig("confusion.png")
    ```
    """

    def __init__(self, report: Report) -> None:
        self._report = report

    def confusion(self, *, normalised: bool = True) -> Figure:
        """Which class was taken for which.

        Args:
            normalised: Colour by the share of the true class's photos, and not by their number.
        """
        return classes.confusion(self._report.confusion, normalised=normalised)

    def per_class(self) -> Figure:
        """Precision and recall of each class with their 95 % Wilson intervals."""
        return classes.per_class(self._report.per_class)

    def precision_recall(self) -> Figure:
        """What precision costs in recall, for the classes with the lowest F1."""
        return classes.precision_recall(self._report.precision_recall)

    def reliability(self) -> Figure:
        """How often answers are right against how sure they are, before and after calibration."""
        table = self._report.reliability
        parts = table.groupby("probabilities", sort=False)
        return probabilities.reliability({str(name): part for name, part in parts})

    def coverage(self) -> Figure:
        """How accurate the surest answers are, for each share of photos that is answered."""
        return probabilities.coverage(self._report.coverage)

    def learning_curves(self) -> Figure:
        """Loss, accuracy and learning rate, epoch by epoch and stage by stage."""
        return training.learning_curves(self._report.history)
