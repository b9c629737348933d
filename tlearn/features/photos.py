"""The photos of a run, as all that keeps features of them wants to know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Photos"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Photos:
    """Where photos come from and what is done to them, the same for all stages.

    Args:
        train: Table of the training photos: path, decoder, digest, label.
        validation: The same of the validation photos.
        class_names: All classes, in the run's order.
        image_size: Side of the square that the model sees, in pixels.
        resize_mode: How a photo becomes a square.
        batch_size: Photos per step of training.
        seed: Decides views and order.
        class_weights: What a photo of each class counts where a stage asks for weights.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    class_names: tuple[str, ...]
    image_size: int
    resize_mode: str
    batch_size: int
    seed: int
    class_weights: Array
