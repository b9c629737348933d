"""One piece of advice, and the numbers that all advice is drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from tlearn.evaluation import Evaluation
from tlearn.runs import Run

__all__ = ["Advice", "KINDS", "Numbers", "percent"]

KINDS = ("labels", "photos", "pairs", "fit", "resolution", "backbone", "metric", "certainty")


@dataclass(frozen=True)
class Advice:
    """What to do, and why.

    Args:
        kind: One of `KINDS`.
        sentence: In plain words, with its numbers. Names of classes are as they are: show them with
            care for what could steer a terminal or a page.
        evidence: The numbers that it is drawn from, by name; plain values.
    """

    kind: str
    sentence: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Numbers:
    """What a run amounts to.

    Args:
        run: The run.
    """

    run: Run

    @property
    def split(self) -> str:
        """The split that is measured."""
        return self.run.measured.split

    @property
    def predictions(self) -> pd.DataFrame:
        """Its photos: `path`, `label`, `predicted`."""
        return self.run.measured.predictions

    @property
    def evaluation(self) -> Evaluation:
        """Its figures."""
        return self.run.measured.evaluation

    @property
    def metrics(self) -> dict[str, float]:
        """The figures of the split by name."""
        return self.evaluation.metrics

    @property
    def mistakes(self) -> int:
        """How many photos of the split are answered wrong."""
        return int(self.evaluation.confused_pairs["count"].sum())

    @cached_property
    def trained_on(self) -> pd.Series:
        """Training photos of each class, in class order."""
        splits = self.run.read_splits(["label", "split"])
        train = splits[splits["split"] == "train"]
        return train["label"].value_counts().reindex(list(self.run.class_names), fill_value=0)


def percent(share: float) -> str:
    """A share in percent, whole but near the ends."""
    value = 100 * share
    return f"{value:.1f} %" if value > 90 and value < 100 else f"{value:.0f} %"
