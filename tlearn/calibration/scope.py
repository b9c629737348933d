"""What is unlike anything that was seen: how far a photo's features are from those of training.

The distance is that to the nearest training photo, in the features that the head sees, each divided by
how much it varies and all then brought to length 1 (as Sun et al. 2022, "Out-of-distribution detection
with deep nearest neighbors", but for that division and with k = 1; docs/calibration.md compares it with
what else there is).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["FLAGGED", "Known", "METHOD", "Scope", "limit", "pick"]

METHOD = "nearest training photo, features scaled and normalised"
FLAGGED = 0.05
"""The share of photos like those of validation that is flagged, as is usual where methods are compared."""

_BANK_BYTES = 4 * 2**20
_AT_ONCE = 1024
_LEAST = 1e-3  # about what float16 rounds away of a direction


@dataclass(frozen=True)
class Known:
    """Training photos to compare with.

    Attributes:
        bank: Their directions, float16 `(kept photos, features)`, each row of length 1.
        spread: What features are divided by, float32 `(features,)`, above 0.
    """

    bank: NDArray[np.float16]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, features: ArrayLike) -> Known:
        """From what the head sees of training photos.

        Args:
            features: `(kept photos, features)`.
        """
        seen = np.asarray(features, dtype=np.float32)
        deviation = seen.std(axis=0)
        # A part of the mean, lest one that hardly varies decides alone; of one photo nothing varies.
        spread = (deviation + 0.1 * (deviation.mean() or 1.0)).astype(np.float32)
        return cls(_directions(seen, spread).astype(np.float16), spread)

    @cached_property
    def directions(self) -> NDArray[np.float32]:
        """The bank in float32, `(kept photos, features)`."""
        return self.bank.astype(np.float32)

    @cached_property
    def lengths(self) -> NDArray[np.float32]:
        """The squares of their lengths, which float16 leaves near 1, `(kept photos,)`."""
        squares: NDArray[np.float32] = (self.directions**2).sum(axis=1)
        return squares

    def nearest(self, features: ArrayLike) -> NDArray[np.float32]:
        """The distance of photos to the nearest of these.

        Args:
            features: What the head sees of them, `(photos, features)`.

        Returns:
            Euclidean distances between directions, float32 `(photos,)`, 0 to 2.
        """
        known, lengths = self.directions, self.lengths
        asked = np.asarray(features, dtype=np.float32)
        found = np.empty(len(asked), dtype=np.float32)
        for start in range(0, len(asked), _AT_ONCE):
            rows = _directions(asked[start : start + _AT_ONCE], self.spread)
            squares = (rows**2).sum(axis=1) + (lengths - 2 * rows @ known.T).min(axis=1)
            found[start : start + _AT_ONCE] = np.sqrt(np.maximum(squares, 0))
        return found


@dataclass(frozen=True)
class Scope:
    """What is needed to tell what is unlike anything seen.

    Attributes:
        known: Training photos to compare with.
        limit: The distance to the nearest of them above which a photo is unlike, above 0.
    """

    known: Known
    limit: float

    def distances(self, features: ArrayLike) -> NDArray[np.float32]:
        """How far photos are from the training photos.

        Args:
            features: What the head sees of them, `(photos, features)`.

        Returns:
            float32 `(photos,)`, 0 or more, as multiples of the limit: above 1 a photo is unlike.
        """
        return self.known.nearest(features) / np.float32(self.limit)


def pick(labels: ArrayLike, features: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Choose the training photos whose features are kept.

    Args:
        labels: The class of each training photo, `(photos,)`.
        features: How many numbers the head sees of a photo.
        seed: Decides which.

    Returns:
        Their places in order, int64: all, or as many as take 4 MiB, of each class equally many
        where there are so many.
    """
    most = max(1, _BANK_BYTES // (2 * features))
    labels = np.asarray(labels, dtype=object)
    order = np.random.default_rng(seed).permutation(len(labels))
    turn: dict[Any, int] = {}
    turns = np.empty(len(labels), dtype=np.int64)
    for place in order:
        turns[place] = turn[labels[place]] = turn.get(labels[place], -1) + 1
    rows: NDArray[np.int64] = np.sort(order[np.argsort(turns[order], kind="stable")][:most])
    return rows


def limit(distances: ArrayLike, *, share: float = FLAGGED) -> float:
    """The distance above which a photo is called unlike.

    It is chosen so that of new photos like these at most `share` is flagged on average: with n
    photos, the distance at place ceil((n + 1)(1 - share)), as in split conformal prediction (Vovk
    et al. 2005). Where that is beyond the last, the last: then 1 in n + 1 is flagged on average.

    Args:
        distances: Of the validation photos, `(photos,)`. Not those of training photos, which the
            network was fitted on and which lie nearer to each other than new ones do.
        share: The share of known photos that may be flagged, above 0 and below 1.

    Returns:
        A distance above 0.

    Raises:
        ValueError: There is no photo.
    """
    ordered = np.sort(np.asarray(distances, dtype=np.float64))
    if not len(ordered):
        raise ValueError("A limit needs validation photos. Received: distances of 0 photos")
    place = min(len(ordered), int(np.ceil((len(ordered) + 1) * (1 - share))))
    # Copies of training photos are at distance 0; what is then unlike must still be farther.
    return max(float(ordered[place - 1]), _LEAST)


def _directions(features: NDArray[np.float32], spread: NDArray[np.float32]) -> NDArray[np.float32]:
    scaled = features / spread
    lengths = np.sqrt((scaled**2).sum(axis=1, keepdims=True))
    directions: NDArray[np.float32] = scaled / np.maximum(lengths, np.float32(1e-6))
    return directions
