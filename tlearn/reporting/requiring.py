"""What a run must reach to be let through: `accuracy>=0.9`, `recall[dress]>=0.8`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tlearn.errors import RequirementError
from tlearn.evaluation.cells import METRICS
from tlearn.evaluation.intervals import f1_interval

if TYPE_CHECKING:
    from tlearn.reporting import Report

__all__ = ["Requirement", "check", "parse"]

OF_CLASSES = ("precision", "recall", "f1")
CALIBRATION = ("ece", "adaptive_ece", "nll", "brier")
_OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
# The class reaches to the last bracket before the operator: its name may hold any of these signs.
_WORDS = re.compile(
    r"\s*(?P<metric>\w+)(?:\[(?P<class>.*)\])?\s*(?P<operator>>=|<=|>|<)\s*(?P<value>[^<>=\[\]]+)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Requirement:
    """A requirement, and what a run has to say to it.

    Args:
        text: As it was given.
        metric: The metric's name.
        class_name: The class, or `None`.
        operator: `">="`, `"<="`, `">"` or `"<"`.
        wanted: The number it is compared with.
        value: What the run reached; NaN where it is not known.
        low: The lower end of its 95 % interval; NaN where there is none.
        high: The upper end.
        with_confidence: Whether an end of the interval was compared in place of the value.
        met: Whether it is met.
    """

    text: str
    metric: str
    class_name: str | None
    operator: str
    wanted: float
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    with_confidence: bool = False
    met: bool = False

    @property
    def compared(self) -> float:
        """The number that was compared: the value, or the end of the interval that is worse."""
        if not self.with_confidence:
            return self.value
        return self.low if self.operator in (">=", ">") else self.high

    @property
    def sentence(self) -> str:
        """What came of it, in words."""
        if math.isnan(self.value):
            return f"{self.text}: not met, since it is not known: there is no photo to tell it by."
        reached = f"{self.value:.4f}"
        if not math.isnan(self.low):
            reached += f" ({self.low:.4f} to {self.high:.4f})"
        which = ""
        if self.with_confidence:
            which = ", by the lower end" if self.operator in (">=", ">") else ", by the upper end"
        return f"{self.text}: {'met' if self.met else 'not met'}{which}, it is {reached}."


def parse(text: str) -> Requirement:
    """Read a requirement.

    Args:
        text: A metric, in brackets a class where it is one of `OF_CLASSES`, an operator and a number.

    Returns:
        The requirement, not yet checked.

    Raises:
        RequirementError: It is none.

    Example:

    ```python
    parse("recall[dress]>=0.8")
    ```
    """
    found = _WORDS.fullmatch(text)
    try:
        wanted = float(found["value"]) if found else math.nan
    except ValueError:
        wanted = math.nan
    if found is None or not math.isfinite(wanted):
        raise RequirementError(
            "A requirement is a metric, one of >=, <=, > and <, and a number, such as "
            "accuracy>=0.9 or recall[dress]>=0.8. Put it in quotes, so that the shell leaves it "
            f"alone. Received: require={text!r}"
        )
    metric, name = found["metric"], found["class"]
    whole = (*METRICS, *CALIBRATION)
    if metric not in (whole if name is None else OF_CLASSES):
        allowed = (
            f"{', '.join(whole)}; of a class {', '.join(f'{one}[CLASS]' for one in OF_CLASSES)}"
        )
        raise RequirementError(
            f"There is no metric {metric if name is None else f'{metric}[...]'}; there are {allowed}. "
            f"Received: require={text!r}"
        )
    if metric != "nll" and not 0 <= wanted <= 1 + (metric == "brier"):
        raise RequirementError(
            f"The metric {metric} is a fraction, so that a number from 0 to 1 is expected: 0.9 for "
            f"90 %. Received: require={text!r}"
        )
    return Requirement(text, metric, name, found["operator"], wanted)


def check(
    report: Report, requirements: Sequence[str], *, with_confidence: bool = False
) -> tuple[Requirement, ...]:
    """See which requirements a run meets; see `Report.require`."""
    return tuple(_checked(report, parse(one), with_confidence) for one in requirements)


def _checked(report: Report, wanted: Requirement, with_confidence: bool) -> Requirement:
    value, low, high = _figure(report, wanted)
    if with_confidence and not math.isnan(value) and math.isnan(low):
        raise RequirementError(
            f"The metric {wanted.metric} has no interval, so that it cannot be required with "
            "confidence. Ask for it in a call of its own, without --with-confidence. "
            f"Received: require={wanted.text!r}"
        )
    asked = replace(wanted, value=value, low=low, high=high, with_confidence=with_confidence)
    # A figure that is not known meets nothing: no comparison with NaN is true.
    met = bool(_OPERATORS[wanted.operator](asked.compared, wanted.wanted))
    return replace(asked, met=met)


def _figure(report: Report, wanted: Requirement) -> tuple[float, float, float]:
    if wanted.metric in CALIBRATION:
        after = (report.run.info.get("calibration") or {}).get("after") or {}
        if after.get(wanted.metric) is None:
            raise RequirementError(
                f"The run {report.run.name} says nothing of {wanted.metric}: it was made by a "
                "version that did not calibrate. Train again, or leave it out. "
                f"Received: require={wanted.text!r}"
            )
        return float(after[wanted.metric]), math.nan, math.nan
    if wanted.class_name is None:
        row = report.summary.set_index("metric").loc[wanted.metric]
        return float(row["value"]), float(row["low"]), float(row["high"])
    rows = report.per_class[report.per_class["class"] == wanted.class_name]
    if rows.empty:
        raise RequirementError(
            f"The run {report.run.name} has no class {wanted.class_name!r}; its classes are "
            f"{', '.join(map(repr, report.run.class_names))}. Received: require={wanted.text!r}"
        )
    row = rows.iloc[0]
    if wanted.metric != "f1":
        ends = row[f"{wanted.metric}_low"], row[f"{wanted.metric}_high"]
        return float(row[wanted.metric]), float(ends[0]), float(ends[1])
    counts = report.confusion
    hits = int(counts.at[wanted.class_name, wanted.class_name])
    involved = int(counts.loc[wanted.class_name].sum() + counts[wanted.class_name].sum()) - hits
    low, high = f1_interval(hits, involved)
    return float(row["f1"]), float(low), float(high)
