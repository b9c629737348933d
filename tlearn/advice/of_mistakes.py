"""Which labels to check, and which pairs of classes to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tlearn.advice.advice import Advice, Numbers, percent

__all__ = ["labels", "pairs"]

_PAIRS = 2
_FEWEST = 3  # mistakes between two classes, to be more than chance
_SHARE = 0.1  # of all mistakes


def labels(numbers: Numbers) -> Iterator[Advice]:
    """Labels that look wrong; those among the mistakes first."""
    if numbers.run.suspects is None:
        return
    suspects = numbers.run.suspects
    suspects = suspects[suspects["suspect"]]
    if suspects.empty:
        return
    test = numbers.predictions
    mistaken = test.loc[test["label"] != test["predicted"], "path"]
    both = int(mistaken.isin(set(suspects["path"])).sum())
    evidence: dict[str, Any] = {"suspects": len(suspects), "mistakes": len(mistaken), "both": both}
    count = "1 label looks" if len(suspects) == 1 else f"{len(suspects):,} labels look"
    sentence = f"Check labels: {count} wrong"
    if both:
        best = numbers.metrics["accuracy"] + both / len(test)
        evidence["accuracy_at_best"] = best
        sentence += (
            f", among them {both:,} of the {len(mistaken):,} {numbers.split} mistakes. Were these all "
            f"wrong labels, accuracy would be up to {percent(best)}"
        )
    sentence += ". tlearn report --format csv --table suspects lists them."
    yield Advice("labels", sentence, evidence)


def pairs(numbers: Numbers) -> Iterator[Advice]:
    """Classes that are taken for each other, both ways together."""
    counts = numbers.evaluation.confusion.to_numpy()
    both = np.triu(counts + counts.T, 1)
    wrong = numbers.mistakes
    names = numbers.run.class_names
    for place in np.argsort(-both, axis=None, kind="stable")[:_PAIRS]:
        first, second = np.unravel_index(place, both.shape)
        count = int(both[first, second])
        if count < _FEWEST or count < _SHARE * wrong:
            return
        yield Advice(
            "pairs",
            f"Look at {names[first]} and {names[second]}: {count:,} of the {wrong:,} mistakes are "
            "between them. Are they labelled by one rule, and can a person tell them apart in these "
            "photos?",
            {
                "classes": [names[first], names[second]],
                "mistakes": count,
                "of": wrong,
                "first_for_second": int(counts[first, second]),
                "second_for_first": int(counts[second, first]),
            },
        )
