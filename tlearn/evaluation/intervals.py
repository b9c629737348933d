"""How far off a measured figure may be: Wilson intervals and the percentile bootstrap."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["f1_interval", "percentile", "resample", "wilson"]

_CELLS_AT_ONCE = 2_000_000  # 16 MB of counts, however many cells there are


def wilson(
    successes: ArrayLike, trials: ArrayLike, *, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The Wilson score interval of a proportion.

    It keeps close to its promise with few trials and near 0 and 1, where the usual
    `p ± 2 standard errors` fails: 10 of 10 gives 0.72 to 1, not 1 to 1.
    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical
    inference", Journal of the American Statistical Association 22 (1927), 209-212.

    Args:
        successes: Counts, any shape, each from 0 to its trials.
        trials: Counts of the same shape.
        confidence: How often such an interval holds the true proportion, above 0 and below 1.

    Returns:
        The lower and the upper ends, float64, each of the shape of `trials`, from 0 to 1; NaN
        where there was no trial.

    Example:

    ```python
    low, high = wilson(8, 10)  # 0.490, 0.943
    ```
    """
    hits = np.asarray(successes, dtype=np.float64)
    tried = np.asarray(trials, dtype=np.float64)
    count = np.where(tried > 0, tried, np.nan)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = hits / count
    middle = share + z**2 / (2 * count)
    reach = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    low, high = (middle - reach) / (1 + z**2 / count), (middle + reach) / (1 + z**2 / count)
    # Exact at the ends, where rounding would leave 1e-17.
    low = np.where(hits == 0, np.where(tried > 0, 0.0, np.nan), low)
    high = np.where(hits == tried, np.where(tried > 0, 1.0, np.nan), high)
    return low, high


def f1_interval(
    hits: ArrayLike, involved: ArrayLike, *, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The interval of a class's F1, which follows from that of a proportion.

    Of the photos that are of the class or were taken for it, the share J that is both is a proportion
    (Jaccard's index), and F1 is 2 J / (1 + J), which grows with J. So the ends of J's Wilson interval
    give those of F1, with few photos and without any mistake too.

    Args:
        hits: Photos of the class that were taken for it, any shape.
        involved: Photos that are of the class, or were taken for it, or both; of the same shape.
        confidence: How often such an interval holds the true F1, above 0 and below 1.

    Returns:
        The lower and the upper ends, 0 to 1; NaN where no photo is involved.

    Example:

    ```python
    low, high = f1_interval(8, 10)  # 0.658, 0.971
    ```
    """
    low, high = wilson(hits, involved, confidence=confidence)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def resample(
    counts: NDArray[np.int64], *, resamples: int = 1000, seed: int = 0
) -> Iterator[NDArray[np.int64]]:
    """Draw as many photos again, with replacement, and count them by cell; do that often.

    Each of the photos drawn is any of the old ones with equal chance, so the counts per cell
    are multinomial with the old shares. Drawing the counts is therefore exactly the bootstrap
    of the photos, at a cost that does not grow with their number.
    Source: B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7
    (1979), 1-26.

    Args:
        counts: How many photos each cell holds, int64 `(cells,)`, each above 0.
        resamples: How often to draw, at least 1.
        seed: The same seed draws the same.

    Returns:
        An iterator over int64 arrays `(some, cells)`, `resamples` rows in all.
    """
    generator = np.random.default_rng(seed)
    total = int(counts.sum())
    rows = max(1, _CELLS_AT_ONCE // len(counts))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        yield generator.multinomial(total, counts / total, size=size)


def percentile(values: NDArray[np.float64], *, confidence: float = 0.95) -> tuple[float, float]:
    """The percentile interval of a figure that was computed on each resample.

    Source: B. Efron, "Nonparametric standard errors and confidence intervals", Canadian Journal
    of Statistics 9 (1981), 139-158.

    Args:
        values: The figure on each resample, float64 `(resamples,)`.
        confidence: The share of `values` that the interval holds.

    Returns:
        The lower and the upper end.
    """
    outside = (1 - confidence) / 2
    low, high = np.quantile(values, [outside, 1 - outside])
    return float(low), float(high)
