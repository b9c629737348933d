"""From which probability on an answer is given, so that answers are as precise as is wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tlearn.calibration.covering import at, coverage

__all__ = ["DEFAULT_PRECISION", "Target", "Threshold", "choose"]

DEFAULT_PRECISION = 0.95


@dataclass(frozen=True)
class Target:
    """What is wanted of the answers.

    Args:
        kind: `"precision"`, the share of answers that is right, or `"coverage"`, the share of
            photos that is answered.
        wanted: Above 0; a precision below 1, a coverage at most 1.

    Raises:
        ValueError: It is something else.
    """

    kind: str
    wanted: float

    def __post_init__(self) -> None:
        most = self.wanted < 1 if self.kind == "precision" else self.wanted <= 1
        if self.kind not in ("precision", "coverage") or not (self.wanted > 0 and most):
            raise ValueError(
                "Expected a precision above 0 and below 1, which no number of photos proves to be "
                f"1, or a coverage above 0 and at most 1. Received: {self.kind}={self.wanted!r}"
            )

    @classmethod
    def of(cls, precision: float | None, coverage: float | None) -> Target:
        """The one that was given; a precision of 0.95 where none was.

        Args:
            precision: Such as 0.95, or `None`.
            coverage: Such as 0.9, or `None`.

        Raises:
            ValueError: Both are given, or one is out of its range.
        """
        if precision is not None and coverage is not None:
            raise ValueError(
                "A threshold can be chosen for a precision or for a coverage, not for both. "
                f"Received: target_precision={precision}, target_coverage={coverage}"
            )
        if coverage is not None:
            return cls("coverage", coverage)
        return cls("precision", DEFAULT_PRECISION if precision is None else precision)


@dataclass(frozen=True)
class Threshold:
    """What was chosen.

    Attributes:
        target: What is wanted.
        value: Answers of at least this probability are given, 0..1; `None` where validation does not
            show that any reaches the target.
        validation: What it does to the photos it was chosen on, see `covering.at`; where there is
            none, what the one that comes nearest to the target would do.
    """

    target: Target
    value: float | None
    validation: dict[str, Any]

    @property
    def sentence(self) -> str:
        """What came out, in words."""
        found = self.validation
        if self.value is None:
            return f"{self.shortfall} So every photo is answered, and none is unsure."
        if self.value == 0:
            return (
                f"Every photo is answered: on validation {_ends('precision', found)} of the "
                "answers are right."
            )
        return (
            f"Unsure below a probability of {self.value:.3f}: on validation "
            f"{_ends('coverage', found)} of the photos are answered, and "
            f"{_ends('precision', found)} of the answers are right."
        )

    @property
    def shortfall(self) -> str:
        """Why there is no threshold, in words."""
        found, wanted = self.validation, self.target.wanted
        told = f"No threshold shows a {self.target.kind} of {100 * wanted:.4g} % on validation"
        if not found["answered"]:
            return f"{told}."
        return (
            f"{told}. The nearest: {found['answered']} of {found['photos']} photos answered, "
            f"{_ends('precision', found)} of them right, where the lower end must reach "
            f"{100 * wanted:.4g} %; without any mistake that takes {_least(wanted)} photos."
        )


def choose(correct: ArrayLike, confidence: ArrayLike, target: Target) -> Threshold:
    """Choose the lowest threshold that reaches a target.

    For a precision, the lower end of the 95 % Wilson interval must reach it, not the estimate
    itself: chosen by the estimate, a threshold misses the target on other photos half of the time
    (docs/calibration.md has the numbers). For a coverage it is the highest threshold whose share of
    answered photos reaches it, which promises nothing about mistakes.

    Args:
        correct: Whether each answer is right, bool `(photos,)`. Photos of validation.
        confidence: The probability of each answer, 0..1, `(photos,)`.
        target: What is wanted.

    Returns:
        The threshold, half-way between two probabilities that occur, so that it does not hang on
        their last digits; 0 where all photos are answered.

    Example:

    ```python
    held_out = run.predictions.query("split == 'validation'")
    choose(held_out["correct"], held_out["probability"], Target("precision", 0.99)).value
    ```
    """
    table = coverage(correct, confidence)
    if target.kind == "coverage":
        reached = np.flatnonzero(table["coverage"] >= target.wanted - 1e-12)[:1]
    else:
        reached = np.flatnonzero(table["low"] >= target.wanted)[-1:]
    if not len(reached):
        nearest = float(table["threshold"][table["low"].idxmax()]) if len(table) else math.inf
        return Threshold(target, None, at(correct, confidence, nearest))
    row = int(reached[0])
    levels = table["threshold"].to_numpy()
    value = 0.0 if row + 1 == len(levels) else float(levels[row] + levels[row + 1]) / 2
    return Threshold(target, value, at(correct, confidence, value))


def _least(wanted: float) -> int:
    """How many photos without a mistake show a precision by the lower end of their interval."""
    z = NormalDist().inv_cdf(0.975)
    return math.ceil(wanted * z**2 / (1 - wanted))


def _ends(name: str, found: dict[str, Any]) -> str:
    value, low, high = (100 * found[key] for key in (name, f"{name}_low", f"{name}_high"))
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"
