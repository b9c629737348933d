"""What a run amounts to: `report(run)` gives its tables, prints them and writes them.

Needs neither TensorFlow nor the photos.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pandas as pd

from tlearn import runs
from tlearn.advice import Advice, of_run
from tlearn.files.atomic import replacing
from tlearn.plotting.classes import MOST_CURVES
from tlearn.reporting import curves
from tlearn.reporting.plots import Plots

if TYPE_CHECKING:
    from rich.console import Group

    from tlearn.reporting.requiring import Requirement

__all__ = ["Plots", "Report", "report"]


@dataclass(frozen=True)
class Report:
    """The tables of one run.

    Attributes:
        run: The run.
        split: The split that is measured: `"test"`, or `"validation"` when there is no test.
        summary: Columns `metric`, `value`, `low`, `high`; see `evaluation.Evaluation`.
        per_class: Precision, recall, F1 and support of each class, in class order.
        confusion: Counts of photos; index `true`, columns `predicted`.
        confused_pairs: The kinds of mistake, the most frequent first.
        stages: What each stage of the training reached on validation.
        history: Every epoch.
        skipped: Every file that was left out, and why.

    Example:

    ```python
    found = tlearn.report("clothing-efficientnet_lite0")
    print(found)
    found.per_class.sort_values("recall")
    found.write("json", "report.json")
    ```
    """

    run: runs.Run
    split: str
    summary: pd.DataFrame
    per_class: pd.DataFrame
    confusion: pd.DataFrame
    confused_pairs: pd.DataFrame
    stages: pd.DataFrame
    history: pd.DataFrame
    skipped: pd.DataFrame

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Every photo of the measured split, without the probabilities of all classes."""
        return curves.predictions(self)

    @cached_property
    def mistakes(self) -> pd.DataFrame:
        """Every photo that was taken for another class, the surest first."""
        return curves.mistakes(self)

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """How often answers are right, by how sure they are: 15 bins, before and after calibration."""
        return curves.reliability(self)

    @cached_property
    def coverage(self) -> pd.DataFrame:
        """How accurate the surest answers are, for each share of photos that is answered."""
        return curves.coverage(self)

    @cached_property
    def precision_recall(self) -> pd.DataFrame:
        """Precision-recall curves of the six classes with the lowest F1."""
        return curves.precision_recall(self, MOST_CURVES)

    @property
    def plot(self) -> Plots:
        """The plots, each a matplotlib figure."""
        return Plots(self)

    def page(self, path: str | Path) -> Path:
        """Write the report as a page: one HTML file that needs no other and no network.

        Args:
            path: The file, such as `"report.html"`.

        Returns:
            The file, which appears whole or not at all.

        Raises:
            RunError: It cannot be written.

        Example:

        ```python
        tlearn.report().page("report.html")
        ```
        """
        from tlearn.reporting import page

        path = Path(path)
        with replacing(path) as file:
            file.write_text(page.html(self), encoding="utf-8")
        return path

    @cached_property
    def advice(self) -> tuple[Advice, ...]:
        """What to do next, the most promising first; see `tlearn.advice.of_run`."""
        return of_run(self.run)

    @cached_property
    def text(self) -> Group:
        """The report for a console, as a rich renderable; good at 80 columns, needs no colour."""
        from tlearn.reporting.text import layout

        return layout(self)

    def write(
        self, form: str, output: str | Path | TextIO | None = None, *, table: str | None = None
    ) -> Path | None:
        """Write the report.

        Args:
            form: `"csv"`, `"json"`, `"markdown"`, `"parquet"` or `"text"`.
            output: `None` for the standard output, an open text file, or a path. With `"csv"` and
                `"parquet"` a path that ends so is one file, any other a folder with a file per
                table.
            table: Only this table: `"summary"`, `"per_class"`, `"confusion"`,
                `"confused_pairs"`, `"stages"`, `"history"`, `"skipped"`, `"predictions"`,
                `"suspects"`, `"outliers"`, `"leaks"` or `"learning_curve"`. By default one CSV or Parquet file holds
                `"per_class"`, a folder all of them, and the other forms hold all but the last
                three, which are long.

        Returns:
            The file or folder that was written, or `None`. Files appear whole or not at all.

        Raises:
            RunError: When there is no such form or table, or the output cannot be written.
        """
        from tlearn.reporting.files import write

        return write(self, form, output, table=table)

    def _repr_html_(self) -> str:
        from tlearn.reporting.notebook import html

        return html(self)

    def require(self, *requirements: str, with_confidence: bool = False) -> tuple[Requirement, ...]:
        """See whether the run is good enough.

        Args:
            requirements: Such as `"accuracy>=0.9"` or `"recall[dress]>=0.8"`: one of `accuracy`,
                `balanced_accuracy`, `macro_f1`, `ece`, `adaptive_ece`, `nll`, `brier`,
                `precision[CLASS]`, `recall[CLASS]` and `f1[CLASS]`; one of `>=`, `<=`, `>` and `<`;
                and a number.
            with_confidence: Compare the end of the 95 % interval that is worse, in place of the
                value.

        Returns:
            The requirements in their order, `met` or not. What is not known is not met.

        Raises:
            RequirementError: There is no such metric or class, or it has no interval.

        Example:

        ```python
        all(one.met for one in tlearn.report().require("accuracy>=0.9", "recall[dress]>=0.8"))
        ```
        """
        from tlearn.reporting.requiring import check

        return check(self, requirements, with_confidence=with_confidence)

    def __str__(self) -> str:
        from tlearn.reporting.text import rendered

        return rendered(self)


def report(run: runs.Run | str | Path | None = None, *, root: str | Path = runs.ROOT) -> Report:
    """Read a run and work out its figures from its predictions.

    The figures are computed again, photo by photo, and equal those the run stored.

    Args:
        run: A `Run`, the name of a run in `root`, or the path of a run folder. `None` takes the
            latest run in `root`.
        root: The folder that holds the run folders.

    Returns:
        A `Report`.

    Raises:
        RunError: When there is no such run, or it is unfinished or damaged.

    Example:

    ```python
    tlearn.report().per_class
    ```
    """
    found = runs.load(run, root)
    split, evaluation = found.measured.split, found.measured.evaluation
    return Report(
        run=found,
        split=split,
        summary=evaluation.summary,
        per_class=evaluation.per_class,
        confusion=evaluation.confusion,
        confused_pairs=evaluation.confused_pairs,
        stages=found.stages,
        history=found.history,
        skipped=found.skipped,
    )
