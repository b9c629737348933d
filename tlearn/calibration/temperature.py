"""One number that makes probabilities mean what they say: temperature scaling.

Source: C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks",
ICML 2017. All logits are divided by one temperature T, so that which class is the most probable
never changes: above 1 the probabilities become softer, below 1 sharper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tlearn.calibration import given

__all__ = ["Temperature", "calibrated", "fit", "uncalibrated"]

_COLDEST, _HOTTEST = 0.25, 10.0
# Temperatures that validation finds lie within a factor of two of 1, nearly always.
_SPREAD = math.log(2)
_LEAST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Temperature:
    """What was found.

    Attributes:
        value: What the logits are to be divided by, 0.25 to 10.
        photos: How many photos it was fitted on.
        mistakes: How many of them the model got wrong; without any, they cannot tell how sure is
            too sure.
        at_bound: Whether it is as low or as high as is allowed.
    """

    value: float
    photos: int
    mistakes: int
    at_bound: bool

    @property
    def sentence(self) -> str:
        """What came out, in words."""
        told = f"Temperature {self.value:.2f}, from {self.photos:,} validation photos"
        if not self.mistakes:
            return f"{told}; without a mistake among them they hardly tell how sure is too sure."
        if self.at_bound:
            return f"{told}; it is at the end of what is allowed: look at the reliability."
        return f"{told}."


def fit(logits: ArrayLike, labels: ArrayLike, *, spread: float = _SPREAD) -> Temperature:
    """Find the temperature under which the labels are the most likely.

    It minimises the negative log likelihood, as Guo et al. do, plus one weak term, `log(T)² / (2
    spread²)`, which says before any photo is seen that T is 1 within a factor of two or so. Hundreds
    of photos outvote it; with ten, or where the model makes no mistake on them and the likeliest T
    would be 0, it keeps T near 1 (docs/calibration.md has the numbers).

    Args:
        logits: What the model gives before its softmax, or the logarithms of its probabilities,
            which is the same but for a summand, `(photos, classes)`.
        labels: The true classes by number, int `(photos,)`. Photos of validation, never of the test.
        spread: How far log(T) may be expected from 0; infinite for the likelihood alone.

    Returns:
        The temperature. Of no photos it is 1.

    Example:

    ```python
    temperature = fit(np.log(probabilities), labels).value
    better = calibrated(probabilities, temperature)
    ```
    """
    scores, truth = given.rows("logits", logits, labels)
    if not len(scores):
        return Temperature(1.0, 0, 0, at_bound=False)
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    mistakes = int((scores.argmax(axis=1) != truth).sum())
    # Against the largest, so that nothing overflows, whatever it is divided by.
    scores = scores - scores.max(axis=1, keepdims=True)
    of_truth = scores[np.arange(len(scores)), truth]

    def loss(log_temperature: float) -> float:
        cold = math.exp(-log_temperature)
        fitting = float((logsumexp(scores * cold, axis=1) - of_truth * cold).sum())
        return fitting + log_temperature**2 / (2 * spread**2)

    low, high = math.log(_COLDEST), math.log(_HOTTEST)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    at_bound = min(found.x - low, high - found.x) < 1e-3
    return Temperature(math.exp(found.x), len(scores), mistakes, at_bound=bool(at_bound))


def calibrated(probabilities: ArrayLike, temperature: float) -> NDArray[Any]:
    """What a model would say if its logits were divided by a temperature.

    Args:
        probabilities: `(..., classes)`, 0..1, each row adding up to 1.
        temperature: Above 0.

    Returns:
        Probabilities of the same shape and, for floats, the same dtype.
    """
    return _powered(probabilities, 1 / temperature)


def uncalibrated(probabilities: ArrayLike, temperature: float) -> NDArray[Any]:
    """What a model would say had its logits not been divided by a temperature.

    The probabilities in a run's folder are calibrated; this gives those of before.

    Args:
        probabilities: `(..., classes)`, 0..1, each row adding up to 1.
        temperature: Above 0, such as `run.info["calibration"]["temperature"]`.

    Returns:
        Probabilities of the same shape and, for floats, the same dtype. What float32 had rounded to
        0 stays near 0.
    """
    return _powered(probabilities, temperature)


def _powered(probabilities: ArrayLike, power: float) -> NDArray[Any]:
    """The softmax of `power` times the logarithms."""
    values = np.asarray(probabilities)
    if not power > 0 or not math.isfinite(power):
        raise ValueError(f"A temperature is a number above 0. Received: power={power!r}")
    kind = values.dtype if np.issubdtype(values.dtype, np.floating) else np.dtype(np.float64)
    logits = power * np.log(np.maximum(values.astype(np.float64), _LEAST))
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(kind)
