"""How far two classifiers differ on the same photos: tests and intervals for pairs."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from tlearn.evaluation.cells import METRICS, figures_of
from tlearn.evaluation.intervals import resample, wilson
from tlearn.evaluation.summary import PRIOR

__all__ = ["Difference", "differences", "holm", "mcnemar", "newcombe"]

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Difference:
    """One figure of two classifiers on the same photos.

    Args:
        first: Of the first, 0 to 1.
        second: Of the second, 0 to 1.
        low: Lower end of the 95 % interval of `second - first`.
        high: Its upper end.
        p: How likely a difference as large is by chance, by the same standard error, two-sided.
    """

    first: float
    second: float
    low: float
    high: float
    p: float


def differences(
    true: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    size: int,
    *,
    resamples: int = 500,
    seed: int = 0,
) -> list[Difference]:
    """The paired bootstrap of accuracy, balanced accuracy and macro F1.

    Photos are drawn, each with both answers, so that what makes a photo hard for both falls out of
    the difference. As counts of (class, first answer, second answer) the draws are multinomial.
    The interval is the bootstrap's standard error to both sides, widened by what few changed photos
    hide: each class is given `PRIOR` photos besides its own, that change as often as all do. So it
    does not shrink to nothing where no photo changed. `benchmarks/intervals.py` measures how well it
    holds.
    Sources: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 6 and 13;
    for the photos added D. G. Bonett, R. M. Price, "Adjusted Wald confidence interval for a difference
    of binomial proportions based on paired data", Journal of Educational and Behavioral Statistics 37
    (2012), 479-488.

    Args:
        true: Class numbers of the photos, int64 `(photos,)`, each below `size`.
        first: Those that the first classifier answers.
        second: Those that the second answers.
        size: Number of classes.
        resamples: How often to draw.
        seed: The same seed draws the same.

    Returns:
        A `Difference` for each of `tlearn.evaluation.cells.METRICS`, in their order.
    """
    triples = (true * size + first) * size + second
    found, counts = np.unique(triples, return_counts=True)
    of_true, of_first, of_second = found // size**2, found // size % size, found % size

    def figures(cells: NDArray[np.int64]) -> NDArray[np.float64]:  # (draws, which, metric)
        both = [figures_of(cells, of_true, answers, size) for answers in (of_first, of_second)]
        return np.stack(both, axis=1)

    value = figures(counts[None])[0]
    drawn = [figures(draw) for draw in resample(counts, resamples=resamples, seed=seed)]
    moved = np.concatenate([one[:, 1] - one[:, 0] for one in drawn])
    fixed = np.bincount(true[(first != true) & (second == true)], minlength=size)
    broken = np.bincount(true[(first == true) & (second != true)], minlength=size)
    photos = np.bincount(true, minlength=size)
    answers = []
    for metric, (before, now), spread in zip(METRICS, value.T, moved.var(axis=0), strict=True):
        by_class = metric != "accuracy"
        plain, steady = _variances(fixed, broken, photos, by_class=by_class)
        variance = float(spread) * steady / plain if plain > 0 and spread > 0 else steady
        reach = _NORMAL.inv_cdf(0.975) * variance**0.5
        difference = float(now - before)
        p = 2 * _NORMAL.cdf(-abs(difference) / variance**0.5)
        answers.append(
            Difference(
                float(before),
                float(now),
                max(difference - reach, -1),
                min(difference + reach, 1),
                p,
            )
        )
    return answers


def _variances(
    fixed: NDArray[np.int64],
    broken: NDArray[np.int64],
    photos: NDArray[np.int64],
    *,
    by_class: bool,
) -> tuple[float, float]:
    """Of a difference in accuracy, or in balanced accuracy: as counted, and with `PRIOR` photos more."""
    there = photos > 0
    fixed, broken, photos = fixed[there], broken[there], photos[there]
    total = photos.sum() + PRIOR
    shares = (fixed.sum() + PRIOR / 2) / total, (broken.sum() + PRIOR / 2) / total
    if not by_class:
        fixed, broken, photos = (np.array([one.sum()]) for one in (fixed, broken, photos))
    steady = [
        (one + PRIOR * share) / (photos + PRIOR)
        for one, share in zip((fixed, broken), shares, strict=True)
    ]
    up, down = fixed / photos, broken / photos
    classes = len(photos) ** 2
    return (
        float(((up + down - (up - down) ** 2) / photos).sum() / classes),
        float(((sum(steady) - (steady[0] - steady[1]) ** 2) / photos).sum() / classes),
    )


def mcnemar(fixed: int, broken: int) -> tuple[float, float]:
    """Whether two classifiers differ in accuracy, by the photos on which one is right and one wrong.

    Were they equally good, each such photo would go either way with even chance. The exact p is
    conservative, since there are few outcomes: it stays below 0.05 in less than 5 % of comparisons of
    equals. The mid-p, in which the outcome at hand counts half, comes closer to 5 %.
    Sources: Q. McNemar, "Note on the sampling error of the difference between correlated proportions
    or percentages", Psychometrika 12 (1947), 153-157; M. W. Fagerland, S. Lydersen, P. Laake, "The
    McNemar test for binary matched-pairs data", BMC Medical Research Methodology 13 (2013), 91.

    Args:
        fixed: Photos that the first gets wrong and the second right.
        broken: Photos that the first gets right and the second wrong.

    Returns:
        The exact p and the mid-p, two-sided, 0 to 1; both 1 where there is no such photo.

    Example:

    ```python
    mcnemar(8, 13)  # 0.383, 0.286
    ```
    """
    both = fixed + broken
    if not both:
        return 1.0, 1.0
    exact = float(stats.binomtest(fixed, both).pvalue)
    return exact, exact - float(stats.binom.pmf(fixed, both, 0.5))


def newcombe(
    both: ArrayLike, broken: ArrayLike, fixed: ArrayLike, neither: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % interval of a difference of two proportions on the same photos.

    It is made from the Wilson intervals of both and their correlation, and holds with few photos,
    also where no photo changed: the bootstrap has nothing to draw from there.
    Source: R. G. Newcombe, "Improved confidence intervals for the difference between binomial
    proportions based on paired data", Statistics in Medicine 17 (1998), 2635-2650, method 10.

    Args:
        both: Photos that both get right, any shape.
        broken: Photos that only the first gets right.
        fixed: Photos that only the second gets right.
        neither: Photos that none gets right.

    Returns:
        The lower and the upper end of second less first, -1 to 1; NaN without a photo.

    Example:

    ```python
    low, high = newcombe(both=36, broken=12, fixed=2, neither=0)  # -0.340, -0.057
    ```
    """
    one, two, three, four = (
        np.asarray(count, np.float64) for count in (both, fixed, broken, neither)
    )
    photos = one + two + three + four
    total = np.where(photos > 0, photos, np.nan)
    second, first = (one + two) / total, (one + three) / total
    low_second, high_second = wilson(one + two, photos)
    low_first, high_first = wilson(one + three, photos)
    margins = (one + two) * (three + four) * (one + three) * (two + four)
    crossed = one * four - two * three
    # Edwards' correction for continuity, where the correlation is positive.
    crossed = np.where(crossed > 0, np.maximum(crossed - photos / 2, 0), crossed)
    phi = np.divide(crossed, np.sqrt(margins), out=np.zeros_like(margins), where=margins > 0)

    def reach(up: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sqrt(np.maximum(up**2 - 2 * phi * up * down + down**2, 0))

    low = second - first - reach(second - low_second, high_first - first)
    high = second - first + reach(high_second - second, first - low_first)
    return low, high


def holm(values: ArrayLike) -> NDArray[np.float64]:
    """p-values of several comparisons, so corrected that 5 % holds for all of them together.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979), 65-70.

    Args:
        values: The p-values, `(comparisons,)`.

    Returns:
        The corrected ones in the same order, 0 to 1.

    Example:

    ```python
    holm([0.01, 0.04])  # 0.02, 0.04
    ```
    """
    given = np.asarray(values, np.float64)
    order = np.argsort(given, kind="stable")
    steps = given[order] * np.arange(len(given), 0, -1)
    found = np.empty_like(given)
    found[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return found
