"""A finished run that can show itself: what `tlearn.finetune` gives and `tlearn.load_run` finds."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from tlearn import reporting, runs
from tlearn.reporting.plots import Plots

__all__ = ["Run", "load_run"]


class Run(runs.Run):
    """A finished run, its files as tables, and what can be shown of them.

    It is a `tlearn.runs.Run`, which knows the folder's files, with a report and plots.

    Attributes:
        path: The folder.

    Example:

    ```python
    run = tlearn.load_run("clothing-efficientnet_lite0")
    run.report()  # shows itself in a notebook
    run.report().per_class.sort_values("recall")
    run.plot.confusion()
    ```
    """

    def report(self) -> reporting.Report:
        """The figures of this run; see `tlearn.report`.

        Returns:
            A `Report`. In a notebook it shows itself; each of its tables is a DataFrame.
        """
        return self._report

    @property
    def plot(self) -> Plots:
        """The plots of this run, each a matplotlib figure: `run.plot.confusion()`."""
        return self._report.plot

    @cached_property
    def _report(self) -> reporting.Report:
        return reporting.report(self)


def load_run(run: runs.Run | str | Path | None = None, *, root: str | Path = runs.ROOT) -> Run:
    """Find a finished run.

    Args:
        run: The name of a run in `root`, or the path of a run folder. `None` takes the latest run in
            `root`.
        root: The folder that holds the run folders.

    Returns:
        The `Run`.

    Raises:
        RunError: When there is no such run, or it is unfinished or damaged.

    Example:

    ```python
    tlearn.load_run().plot.learning_curves()
    ```
    """
    found = runs.load(run, root)
    return Run(found.path)
