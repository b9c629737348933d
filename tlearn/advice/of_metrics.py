"""Which figure to watch, and whether there are enough photos to tell it."""

from __future__ import annotations

from collections.abc import Iterator

from tlearn.advice.advice import Advice, Numbers, percent

__all__ = ["certainty", "watch"]

_UNEVEN = 3  # times the photos of the rarest class
_WIDE = 0.04  # half of an interval: more says little


def watch(numbers: Numbers) -> Iterator[Advice]:
    """Accuracy where classes are even, macro F1 where they are not."""
    counts = numbers.trained_on
    counts = counts[counts > 0]
    if len(counts) < 2:
        return
    most, least = counts.idxmax(), counts.idxmin()
    ratio = float(counts[most] / counts[least])
    figures = numbers.metrics
    evidence = {"most": most, "least": least, "ratio": ratio, **figures}
    if ratio < _UNEVEN:
        yield Advice(
            "metric",
            f"Watch accuracy ({percent(figures['accuracy'])}): the classes are even enough, the "
            f"largest has {ratio:.1f} times the photos of the smallest.",
            evidence | {"watch": "accuracy"},
        )
        return
    support = numbers.evaluation.per_class.set_index("class")["support"]
    without = 1 - float(support[least]) / float(support.sum())
    yield Advice(
        "metric",
        f"Watch macro F1 ({percent(figures['macro_f1'])}) rather than accuracy "
        f"({percent(figures['accuracy'])}): {most} has {ratio:.0f} times the photos of {least}, and a "
        f"model that never answers {least} could still reach {percent(without)} accuracy.",
        evidence | {"watch": "macro_f1", "accuracy_without_the_rarest": without},
    )


def certainty(numbers: Numbers) -> Iterator[Advice]:
    """How far off the accuracy may be, where that is far."""
    row = numbers.evaluation.summary.set_index("metric").loc["accuracy"]
    half = float(row["high"] - row["low"]) / 2
    photos = len(numbers.predictions)
    if half <= _WIDE:
        return
    wanted = 10 * round(photos * (half / _WIDE) ** 2 / 10)
    yield Advice(
        "certainty",
        f"{photos:,} {numbers.split} photos tell accuracy to about {100 * half:.0f} points only. Before "
        f"you compare settings, hold back more: about {wanted:,} would tell it to "
        f"{100 * _WIDE:.0f}.",
        {"photos": photos, "half_width": half, "wanted_photos": wanted},
    )
