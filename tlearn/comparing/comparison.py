"""`compare(run, run)`: on the same photos, is one better, or is it luck?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlearn import runs as run_folders
from tlearn.comparing import paired
from tlearn.comparing.classwise import per_class
from tlearn.comparing.matching import match
from tlearn.errors import RunError
from tlearn.evaluation.cells import METRICS

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["Comparison", "SIGNIFICANT", "compare"]

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Comparison:
    """How runs differ from the first of them, on photos that all were tested on.

    Attributes:
        runs: The runs that were compared, the first of them first.
        names: What each is called in the tables: its name, or its folder where names are the same.
        split: The split that is measured.
        photos: How many photos there are.
        notes: What a reader must know of the choice of photos, a sentence each.
        differences: A row per run but the first, and per metric (`accuracy`, `balanced_accuracy`,
            `macro_f1`). Columns `run`, `against`, `metric`, `first`, `second` (fractions 0..1),
            `difference` (second less first) with its paired bootstrap interval `low`, `high`, `p`
            (of accuracy McNemar's exact one, of the others the bootstrap's), `p_holm` (corrected for
            the number of runs), `verdict`: `better`, `worse` or `within noise`.
        mcnemar: A row per run but the first: `run`, `against`, `photos`, `both_right`, `fixed`,
            `broken`, `both_wrong`, `p` (exact), `mid_p`, `p_holm` (of the exact one).
        per_class: See `tlearn.comparing.classwise.per_class`.
        changes: Each photo that two runs answer differently, see `tlearn.comparing.classwise`.

    Example:

    ```python
    found = tlearn.compare("clothing-efficientnet_lite0", "clothing-mobilenet")
    print(found)
    found.differences[["metric", "difference", "low", "high", "verdict"]]
    ```
    """

    runs: tuple[run_folders.Run, ...]
    names: tuple[str, ...]
    split: str
    photos: int
    notes: tuple[str, ...]
    differences: pd.DataFrame
    mcnemar: pd.DataFrame
    per_class: pd.DataFrame
    changes: pd.DataFrame

    @cached_property
    def text(self) -> Group:
        """The comparison for a console, as a rich renderable; good at 80 columns."""
        from tlearn.comparing.text import layout

        return layout(self)

    def write(
        self, form: str, output: str | Path | TextIO | None = None, *, table: str | None = None
    ) -> Path | None:
        """Write the comparison.

        Args:
            form: `"csv"`, `"json"`, `"markdown"`, `"parquet"` or `"text"`.
            output: As for `Report.write`.
            table: Only this table: `"differences"`, `"mcnemar"`, `"per_class"` or `"changes"`. By
                default one CSV or Parquet file holds `"differences"`, and all else all of them.

        Returns:
            The file or folder that was written, or `None`.

        Raises:
            RunError: When there is no such form or table, or the output cannot be written.
        """
        from tlearn.comparing.files import write

        return write(self, form, output, table=table)

    def __str__(self) -> str:
        from tlearn.comparing.text import rendered

        return rendered(self)


def compare(
    *runs: run_folders.Run | str | Path,
    root: str | Path = run_folders.ROOT,
    intersect: bool = False,
    seed: int = 0,
    resamples: int = 500,
) -> Comparison:
    """Compare runs with the first of them, on the photos that all were tested on.

    Args:
        runs: Two or more: a `Run`, the name of a run in `root`, or the path of a run folder.
        root: The folder that holds the run folders.
        intersect: Go on where the runs were tested on different photos, know different classes or
            give photos different labels, with the photos and classes that they share.
        seed: For the bootstrap.
        resamples: How often the bootstrap draws.

    Returns:
        A `Comparison`.

    Raises:
        RunError: There is no such run, there are fewer than two, or their test photos differ and
            `intersect` is not given.

    Example:

    ```python
    tlearn.compare("clothing-efficientnet_lite0", "clothing-efficientnet_lite0-2").mcnemar
    ```
    """
    found = [run_folders.load(run, root) for run in runs]
    places = {run.path.resolve() for run in found}
    if len(found) < 2 or len(places) < len(found):
        raise RunError(
            "A comparison is of two different runs or more. Name them one after the other, the one "
            "that the others are set against first; `tlearn runs` lists them. "
            f"Received: compare={[str(run) for run in runs]}"
        )
    names = _names(found)
    matched = match(found, names, intersect=intersect)
    codes = pd.Index(matched.all_names, dtype=object)
    true = codes.get_indexer(pd.Index(matched.photos["label"], dtype=object))
    answers = []
    for place, run in enumerate(found):
        given = codes.get_indexer(pd.Index(matched.photos[f"predicted_{place}"], dtype=object))
        if (given < 0).any():
            raise run.damaged("its predictions name classes that it does not have")
        answers.append(given)
    figures, tests = [], []
    for name, other in zip(names[1:], answers[1:], strict=True):
        about = {"run": name, "against": names[0]}
        tests.append(about | _mcnemar(true, answers[0], other))
        rows = paired.differences(
            true, answers[0], other, len(codes), resamples=resamples, seed=seed
        )
        for metric, one in zip(METRICS, rows, strict=True):
            p = tests[-1]["p"] if metric == "accuracy" else one.p
            figures.append(
                about
                | {"metric": metric, "first": one.first, "second": one.second}
                | {"difference": one.second - one.first, "low": one.low, "high": one.high, "p": p}
            )
    classes, changes = per_class(matched, names, true, answers)
    return Comparison(
        runs=tuple(found),
        names=tuple(names),
        split=matched.split,
        photos=len(matched.photos),
        notes=matched.notes,
        differences=_judged(pd.DataFrame(figures)),
        mcnemar=_corrected(pd.DataFrame(tests)),
        per_class=classes,
        changes=changes,
    )


def _names(runs: Sequence[run_folders.Run]) -> list[str]:
    names = [run.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def _mcnemar(
    true: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> dict[str, float]:
    right, also = first == true, second == true
    fixed, broken = int((~right & also).sum()), int((right & ~also).sum())
    p, mid_p = paired.mcnemar(fixed, broken)
    return {
        "photos": len(true),
        "both_right": int((right & also).sum()),
        "fixed": fixed,
        "broken": broken,
        "both_wrong": int((~right & ~also).sum()),
        "p": p,
        "mid_p": mid_p,
    }


def _corrected(tests: pd.DataFrame) -> pd.DataFrame:
    return tests.assign(p_holm=paired.holm(tests["p"]))


def _judged(figures: pd.DataFrame) -> pd.DataFrame:
    """With the corrected p, over the runs and for each metric by itself, and what to make of it."""
    corrected = figures.groupby("metric", sort=False)["p"].transform(
        lambda values: pd.Series(paired.holm(values), index=values.index)
    )
    sure = corrected < SIGNIFICANT
    verdict = np.where(sure, np.where(figures["difference"] > 0, "better", "worse"), "within noise")
    return figures.assign(p_holm=corrected, verdict=verdict)
