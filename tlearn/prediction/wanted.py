"""What is asked of a classifier, beyond the photos. No TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Wanted"]


@dataclass(frozen=True)
class Wanted:
    """What is asked of a classifier, beyond the photos.

    Attributes:
        top: How many classes to name per photo, at most as many as there are.
        flip: Answer with the mean of a photo and of its mirror image.
        threshold: Below which probability an answer is unsure, 0..1; `None` for what the SavedModel
            holds.
    """

    top: int = 5
    flip: bool = False
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ValueError(f"Expected a number of 1 or more. Received: top={self.top}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(
                f"A threshold is a number from 0 to 1. Received: threshold={self.threshold}"
            )
