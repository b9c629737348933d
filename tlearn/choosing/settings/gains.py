"""What a search gained, and whether that is more than chance gives the best of so many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

__all__ = ["Gain", "between"]

_ERROR = 0.05
_FEWEST = 30  # of fewer, a mean's law is not the normal one


@dataclass(frozen=True)
class Gain:
    """How much lower the log loss of the best trial is than the default's, photo by photo.

    Args:
        mean: The mean difference of the log losses, default less best; above 0 is better.
        margin: Half the width of its interval.
        photos: Validation photos.
        others: The trials among which the best was chosen.
    """

    mean: float
    margin: float
    photos: int
    others: int

    @property
    def is_beyond_noise(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.mean > self.margin


def between(default: Sequence[float], best: Sequence[float], others: int) -> Gain:
    """Compare the two on the same photos.

    The interval is that of a paired difference, by the normal law. It is widened by the number of
    trials that were compared with the default (Bonferroni), so that it holds with 95 % for all of
    them at once, and so for the one that happened to look best. It knows of the photos' chance
    alone: what another seed would change comes on top.

    Args:
        default: Log loss of each photo with the recipe as it was.
        best: Likewise with the best settings, in the same order.
        others: How many trials were compared with the default, at least 1.

    Returns:
        The gain. Of fewer than 30 photos the margin is infinite: so few cannot tell.

    Example:

    ```python
    gain = between(default_log_losses, best_log_losses, others=19)
    print(gain.mean, gain.margin, gain.is_beyond_noise)
    ```
    """
    differences = np.subtract(default, best, dtype=np.float64)
    count = len(differences)
    margin = math.inf
    if count >= _FEWEST:
        quantile = NormalDist().inv_cdf(1 - _ERROR / (2 * max(1, others)))
        margin = quantile * float(differences.std(ddof=1)) / math.sqrt(count)
    return Gain(float(differences.mean()) if count else 0.0, margin, count, others)
