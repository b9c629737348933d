"""Which class needs more photos, and roughly how many: from the learning curve."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlearn.advice import power_law
from tlearn.advice.advice import Advice, Numbers, percent
from tlearn.evaluation.intervals import percentile

__all__ = ["errors", "of_all", "of_classes", "resampled"]

Array = NDArray[Any]

_RESAMPLES = 1000
_WANTED = 0.25  # of the mistakes of a class, to be rid of
# Beyond, a curve of what is at hand says nothing.
_FARTHEST = 4
_FLAT = 0.08  # of the mistakes: less than this by twice the photos is not worth the work
_FEWEST_PHOTOS = 20  # of a class, to foresee anything
_CLASSES = 3


def of_all(numbers: Numbers) -> Iterator[Advice]:
    """What twice the photos of every class would give."""
    curve = numbers.run.learning_curve
    if curve is None:
        yield Advice(
            "photos",
            "How many photos would help is not known: this run has no learning curve, which "
            "finetune measures where it keeps features. Train again to have one.",
        )
        return
    trained_on = int(numbers.trained_on.sum())
    curves = resampled(*errors(curve))
    gain = curves.reduction(trained_on, 2)
    low, high = percentile(gain)
    wrong = 1 - numbers.metrics["accuracy"]
    reached = [1 - wrong * (1 - end) for end in (low, high)]
    evidence = {
        "training_photos": trained_on,
        "mistakes_fewer_by_twice": {"low": low, "median": float(np.median(gain)), "high": high},
        "accuracy_by_twice": {"low": reached[0], "high": reached[1]},
    }
    if not numbers.mistakes:
        return
    if high < _FLAT:
        yield Advice(
            "photos",
            "More photos of the same kind will hardly help: twice as many of every class would take "
            f"away at most {percent(high)} of the mistakes.",
            evidence,
        )
        return
    yield Advice(
        "photos",
        f"Twice the photos of every class ({trained_on:,} more to train on) would take away roughly "
        f"{_range(low, high)} of the mistakes: accuracy would go from "
        f"{100 * (1 - wrong):.1f} % to between {100 * reached[0]:.1f} and {100 * reached[1]:.1f} %.",
        evidence,
    )


def of_classes(numbers: Numbers) -> Iterator[Advice]:
    """How many more photos the weakest classes need to be rid of a quarter of their mistakes."""
    curve = numbers.run.learning_curve
    if curve is None:
        return
    per_class = numbers.evaluation.per_class
    weak = per_class[per_class["recall"] < numbers.metrics["accuracy"]]
    weak = weak.sort_values(["recall", "support"], ascending=[True, False], kind="stable")
    for name, recall in weak[["class", "recall"]].head(_CLASSES).itertuples(index=False):
        found = _of_class(
            curve[curve["class"] == name],
            str(name),
            float(recall),
            int(numbers.trained_on[name]),
        )
        if found is not None:
            yield found


def _of_class(curve: pd.DataFrame, name: str, recall: float, photos: int) -> Advice | None:
    about = f"{name} (recall {percent(recall)}, {photos:,} training photos)"
    evidence: dict[str, Any] = {"class": name, "recall": recall, "training_photos": photos}
    held_out = int(curve[curve["share"] == curve["share"].max()]["held_out"].sum())
    if photos < _FEWEST_PHOTOS or held_out < _FEWEST_PHOTOS:
        return Advice(
            "photos",
            f"{about} has too few photos to foresee what more would give. Twice as many are a start.",
            evidence,
        )
    sizes, wrong = errors(curve)
    if not wrong[:, -1].any():
        return None  # frozen features tell it without a mistake already
    curves = resampled(sizes, wrong)
    factors = curves.factor(photos, _WANTED)
    low, high = (float(end) for end in np.quantile(factors, [0.1, 0.9], method="nearest"))
    gain = percentile(curves.reduction(photos, 2))
    more = [_rounded(photos * (end - 1)) if math.isfinite(end) else None for end in (low, high)]
    evidence |= {
        "wanted": _WANTED,
        "more_photos": {"low": more[0], "high": more[1], "confidence": 0.8},
        "mistakes_fewer_by_twice": {"low": gain[0], "high": gain[1]},
    }
    if low > _FARTHEST:
        far = percentile(curves.reduction(photos, _FARTHEST))[1]
        sentence = (
            f"{about}: even {_FARTHEST} times the photos would take away at most {percent(far)} of its "
            "mistakes. Rather look at what it is taken for."
        )
    elif high > _FARTHEST:
        sentence = (
            f"{about}: with all classes growing alike, at least {more[0]:,} more photos would take away "
            f"a quarter of its mistakes, maybe several times that; twice as many {_range(*gain)}."
        )
    else:
        sentence = (
            f"{about}: with all classes growing alike, roughly {more[0]:,} to {more[1]:,} more photos "
            "would take away a quarter of its mistakes."
        )
    return Advice("photos", sentence, evidence)


def errors(curve: pd.DataFrame) -> tuple[Array, Array]:
    """The errors of a learning curve.

    Args:
        curve: The table `learning_curve`, or its rows of one class.

    Returns:
        The mean number of photos in each part `(parts,)`, the smallest first, and the share of wrong
        answers of each draw `(draws, parts)`.
    """
    sums = curve.groupby(["draw", "share"])[["photos", "held_out", "wrong"]].sum()
    wrong = (sums["wrong"] / sums["held_out"].where(sums["held_out"] > 0)).unstack("share")
    return sums["photos"].unstack("share").mean().to_numpy(), wrong.dropna().to_numpy()


def resampled(photos: Array, wrong: Array, *, seed: int = 0) -> power_law.PowerLaw:
    """Curves through resamples of the draws, which differ as much as the curve is uncertain.

    One draw fewer is taken than there are, so that the resamples vary as a mean of all does and not
    less (P. J. McCarthy, C. B. Snowden, "The bootstrap and finite population sampling", Vital and
    Health Statistics 2-95 (1985)).

    Args:
        photos: As `errors` gives them.
        wrong: Likewise.
        seed: The same seed draws the same.

    Returns:
        1,000 curves.
    """
    draws = len(wrong)
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, draws, (_RESAMPLES, max(1, draws - 1)))
    return power_law.fit(photos, wrong[rows].mean(axis=1))


def _rounded(photos: float) -> int:
    """To one figure, or to two that begin with 1: it is rough."""
    if photos < 10:
        return max(1, round(photos))
    step = 10 ** math.floor(math.log10(photos))
    step = step // 10 if photos / step < 2 and step >= 100 else step
    return int(max(step, round(photos / step) * step)) if step > 1 else round(photos)


def _range(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f} %"
