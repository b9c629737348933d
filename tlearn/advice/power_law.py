"""Errors that fall with the number of photos, and what becomes of them with more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PowerLaw", "fit"]

Array = NDArray[Any]

# How fast errors fall: measured exponents are 0.05 to 0.5 (Hestness et al. 2017), theory ends at 1.
_EXPONENTS = np.geomspace(0.05, 1.0, 40)


@dataclass(frozen=True)
class PowerLaw:
    """Curves `error = floor + slope * photos ** -exponent`, one for each row that was fitted.

    Args:
        floor: What no number of photos takes away, float64 `(curves,)`, 0 and above.
        slope: float64 `(curves,)`, 0 and above.
        exponent: float64 `(curves,)`, 0.05 to 1.
    """

    floor: Array
    slope: Array
    exponent: Array

    def __call__(self, photos: float) -> Array:
        """The error of each curve with so many photos, float64 `(curves,)`."""
        found: Array = self.floor + self.slope * photos**-self.exponent
        return found

    def reduction(self, photos: float, factor: float) -> Array:
        """The share of the errors that `factor` times the photos take away, `(curves,)`, 0 to 1."""
        now = self(photos)
        return np.divide(now - self(factor * photos), now, out=np.zeros_like(now), where=now > 0)

    def factor(self, photos: float, reduction: float) -> Array:
        """How many times the photos it takes to be rid of a share of the errors.

        Returns:
            float64 `(curves,)`, 1 and above; infinite where no number of photos does.
        """
        falling = self.slope * photos**-self.exponent
        left = (1 - reduction) * self(photos) - self.floor
        ratio = np.divide(left, falling, out=np.zeros_like(left), where=falling > 0)
        with np.errstate(over="ignore", divide="ignore"):
            return np.where(ratio > 0, np.maximum(ratio, 1e-12) ** (-1 / self.exponent), np.inf)


def fit(photos: Array, errors: Array) -> PowerLaw:
    """Fit curves by least squares.

    For each exponent of a fine row the best floor and slope follow in closed form, which makes it a
    search along one number (variable projection, Golub and Pereyra 1973): quick enough for
    thousands of resampled curves.
    Sources: C. Cortes, L. D. Jackel, S. A. Solla, V. Vapnik, J. S. Denker, "Learning curves:
    asymptotic values and rate of convergence", NIPS 6 (1993), 327-334; J. Hestness et al., "Deep
    learning scaling is predictable, empirically" (2017), arXiv:1712.00409.

    Args:
        photos: Numbers of training photos, `(sizes,)`, three or more, above 0.
        errors: The errors with so many, `(curves, sizes)`, 0 to 1.

    Returns:
        The curves.

    Example:

    ```python
    curve = fit(np.array([100, 200, 400]), np.array([[0.30, 0.24, 0.20]]))
    curve.reduction(400, 2)  # what twice the photos would take away
    ```
    """
    count = np.asarray(photos, np.float64)
    given = np.asarray(errors, np.float64)
    best = np.full(len(given), np.inf)
    floor, slope, exponent = (np.zeros(len(given)) for _ in range(3))
    for power in _EXPONENTS:
        falling = count**-power
        spread = falling - falling.mean()
        steep = (given - given.mean(axis=1, keepdims=True)) @ spread / (spread @ spread)
        steep = np.maximum(steep, 0)
        base = given.mean(axis=1) - steep * falling.mean()
        through = np.maximum(given @ falling / (falling @ falling), 0)
        steep, base = np.where(base < 0, through, steep), np.maximum(base, 0)
        left = given - base[:, None] - steep[:, None] * falling
        loss = np.square(left).sum(axis=1)
        better = loss < best
        best = np.where(better, loss, best)
        floor, slope = np.where(better, base, floor), np.where(better, steep, slope)
        exponent = np.where(better, power, exponent)
    return PowerLaw(floor, slope, exponent)
