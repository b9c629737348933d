"""Whether 95 % intervals hold the truth in 95 % of cases, and a p below 0.05 comes in 5 % of equals.

    python benchmarks/intervals.py
    python benchmarks/intervals.py --repeats 500 --only summary

Photos are drawn again and again from a population whose true figures are known, and judged as a
report does. `holds` is the share of repeats whose interval holds the true figure; with 2,000 repeats it
is known to about 1 point. JSON out, one object per line:

- `wilson`: a proportion such as the recall of a class; `f1`: of a class
- `summary`: accuracy, balanced accuracy and macro F1 of the report, beside the plain percentile
  bootstrap of the same
- `paired`: the difference of two classifiers on the same photos, beside the plain percentile bootstrap;
  `newcombe`: the same of one class
- `mcnemar`: how often p is below 0.01, 0.05, 0.1 and 0.5 where there is no difference, and how far the
  distribution of p is from an even one; exact and mid-p
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import stats

from tlearn.comparing import paired
from tlearn.evaluation.cells import METRICS, figures_of
from tlearn.evaluation.intervals import f1_interval, percentile, resample, wilson
from tlearn.evaluation.summary import summarise

Array = np.ndarray[Any, Any]

DRAWS = 400  # of a bootstrap; the 500 of a report move the ends by less than the repeats can tell
# classes, accuracy, how uneven the classes are (0 is even), photos
POPULATIONS = (
    (10, 0.95, 0.5, 100),
    (10, 0.95, 0.5, 372),
    (10, 0.95, 0.5, 1500),
    (10, 0.80, 0.5, 372),
    (6, 0.90, 0.8, 378),
    (3, 0.97, 0.0, 60),
    (10, 0.90, 1.5, 372),
    (50, 0.90, 0.8, 372),
    (50, 0.90, 0.8, 2000),
)
# classes, accuracy, gain of the second, share of photos on which both answer alike, photos
PAIRS = (
    (10, 0.95, 0.00, 0.7, 372),
    (10, 0.95, -0.05, 0.7, 372),
    (10, 0.80, 0.03, 0.5, 372),
    (10, 0.95, 0.00, 0.7, 1500),
    (6, 0.90, -0.03, 0.6, 378),
    (10, 0.95, 0.00, 0.7, 100),
    (6, 0.97, 0.00, 0.9, 300),
    (50, 0.90, 0.00, 0.6, 372),
    (50, 0.90, -0.02, 0.6, 2000),
)


def population(classes: int, accuracy: float, uneven: float, seed: int) -> Array:
    """The chance of each true class and answer, `(classes, classes)`: each class of its own recall."""
    random = np.random.default_rng(seed)
    prior = 1 / np.arange(1, classes + 1) ** uneven
    prior /= prior.sum()
    recall = np.clip(accuracy + random.normal(0, 0.04, classes), 0.5, 0.995)
    mistakes = random.dirichlet(np.full(classes, 0.3), classes)
    np.fill_diagonal(mistakes, 0)
    mistakes /= mistakes.sum(axis=1, keepdims=True)
    chances = mistakes * (1 - recall)[:, None]
    np.fill_diagonal(chances, recall)
    return chances * prior[:, None]


def truth(chances: Array) -> Array:
    """`METRICS` of a population."""
    right, true, given = np.diag(chances), chances.sum(axis=1), chances.sum(axis=0)
    return np.array([right.sum(), (right / true).mean(), (2 * right / (true + given)).mean()])


def holds(low: Array, high: Array, true: Array) -> Array:
    return (low <= true + 1e-12) & (true - 1e-12 <= high)


def shares(found: list[Array]) -> dict[str, float]:
    return {
        name: round(float(one), 3)
        for name, one in zip(METRICS, np.mean(found, axis=0), strict=True)
    }


def of_proportions(repeats: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    for photos in (10, 15, 30, 72, 372):
        for share in (0.7, 0.8, 0.9, 0.95, 0.99):
            hits = random.binomial(photos, share, 20 * repeats)
            held = holds(*wilson(hits, np.full(len(hits), photos)), np.array(share))
            yield {"photos": photos, "share": share, "holds": round(float(held.mean()), 3)}


def of_f1(repeats: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    for photos, of_class in ((100, 0.1), (372, 0.05), (372, 0.1), (372, 0.2), (2000, 0.02)):
        for recall, extra in ((0.8, 0.15), (0.95, 0.05)):
            chances = [of_class * recall, of_class * (1 - recall), of_class * extra]
            drawn = random.multinomial(photos, [*chances, 1 - sum(chances)], 20 * repeats)
            low, high = f1_interval(drawn[:, 0], drawn[:, :3].sum(axis=1))
            true = 2 * chances[0] / (2 * chances[0] + chances[1] + chances[2])
            held = holds(low, high, np.array(true))[drawn[:, :3].sum(axis=1) > 0]
            about = {"photos": photos, "of_the_class": round(photos * of_class, 1)}
            yield about | {"f1": round(true, 3), "holds": round(float(held.mean()), 3)}


def of_summary(repeats: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    for classes, accuracy, uneven, photos in POPULATIONS:
        chances = population(classes, accuracy, uneven, seed=0)
        true, ours, plain = truth(chances), [], []
        for repeat in range(repeats):
            counts = random.multinomial(photos, chances.ravel()).reshape(classes, classes)
            table = summarise(counts, seed=repeat, resamples=DRAWS)
            ours.append(holds(table["low"].to_numpy(), table["high"].to_numpy(), true))
            rows, columns = np.nonzero(counts)
            drawn = np.concatenate(
                [
                    figures_of(draw, rows, columns, classes)
                    for draw in resample(counts[rows, columns], resamples=DRAWS, seed=repeat)
                ]
            )
            low, high = np.array([percentile(column) for column in drawn.T]).T
            plain.append(holds(low, high, true))
        yield {
            "classes": classes,
            "accuracy": round(float(true[0]), 3),
            "photos": photos,
            "of_the_rarest_class": round(float(photos * chances.sum(axis=1).min()), 1),
            "holds": shares(ours),
            "percentile_bootstrap_holds": shares(plain),
        }


def two(classes: int, accuracy: float, gain: float, alike: float) -> Array:
    """The chance of each class and both answers, `(classes, classes, classes)`."""
    first = population(classes, accuracy, 0.5, seed=1)
    prior = first.sum(axis=1)
    second = population(classes, accuracy + gain, 0.5, seed=2 if gain else 1)
    first, second = (one / one.sum(axis=1, keepdims=True) for one in (first, second))
    return np.stack(
        [
            prior[true]
            * (alike * np.diag(first[true]) + (1 - alike) * np.outer(first[true], second[true]))
            for true in range(classes)
        ]
    )


def of_pairs(repeats: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    for classes, accuracy, gain, alike, photos in PAIRS:
        chances = two(classes, accuracy, gain, alike)
        true = truth(chances.sum(axis=1)) - truth(chances.sum(axis=2))
        numbers = np.arange(classes)
        right = numbers[:, None] == numbers
        apart = float(chances[(right[:, :, None] != right[:, None, :])].sum())
        ours, plain = [], []
        for repeat in range(repeats):
            counts = random.multinomial(photos, chances.ravel() / chances.sum())
            places = np.repeat(np.arange(classes**3), counts)
            label, first, second = (
                places // classes**2,
                places // classes % classes,
                places % classes,
            )
            found = paired.differences(label, first, second, classes, resamples=DRAWS, seed=repeat)
            ours.append(holds(*np.array([(one.low, one.high) for one in found]).T, true))
            filled = np.flatnonzero(counts)
            axes = filled // classes**2, filled // classes % classes, filled % classes
            moved = np.concatenate(
                [
                    figures_of(draw, axes[0], axes[2], classes)
                    - figures_of(draw, axes[0], axes[1], classes)
                    for draw in resample(counts[filled], resamples=DRAWS, seed=repeat)
                ]
            )
            low, high = np.array([percentile(column) for column in moved.T]).T
            plain.append(holds(low, high, true))
        yield {
            "classes": classes,
            "photos": photos,
            "changed_photos": round(apart * photos, 1),
            "difference": dict(zip(METRICS, true.round(3).tolist(), strict=True)),
            "holds": shares(ours),
            "percentile_bootstrap_holds": shares(plain),
        }


def of_newcombe(repeats: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    for photos in (15, 30, 72, 372):
        for fixed, broken, neither in ((0.05, 0.05, 0.05), (0.10, 0.02, 0.05), (0.02, 0.02, 0.01)):
            chances = [1 - fixed - broken - neither, broken, fixed, neither]
            drawn = random.multinomial(photos, chances, 20 * repeats)
            held = holds(*paired.newcombe(*drawn.T), np.array(fixed - broken))
            yield {
                "photos": photos,
                "fixed": fixed,
                "broken": broken,
                "holds": round(float(held.mean()), 3),
            }


def of_mcnemar(repeats: int, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    for changed in (5, 15, 40, 150, 1000):
        # How many photos differ is chance too, which makes the p less coarse than with a fixed number.
        both = random.poisson(changed, 10 * repeats)
        fixed = random.binomial(both, 0.5)
        found = np.array([paired.mcnemar(a, b - a) for a, b in zip(fixed, both, strict=True)])
        for name, values in (("exact", found[:, 0]), ("mid_p", found[:, 1])):
            below = {f"below_{one}": round(float((values < one).mean()), 3) for one in LEVELS}
            distance = float(stats.kstest(values, "uniform").statistic)
            yield {"p": name, "changed_photos": changed, **below, "distance": round(distance, 3)}


LEVELS = (0.01, 0.05, 0.1, 0.5)
PARTS = {
    "wilson": of_proportions,
    "f1": of_f1,
    "summary": of_summary,
    "paired": of_pairs,
    "newcombe": of_newcombe,
    "mcnemar": of_mcnemar,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--only", choices=PARTS, help="one part")
    given = parser.parse_args()
    for name, part in PARTS.items():
        if given.only in (None, name):
            for row in part(given.repeats, np.random.default_rng(0)):
                print(json.dumps({"of": name, **row}), flush=True)


if __name__ == "__main__":
    main()
