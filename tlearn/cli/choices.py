"""Options of which one of a few words is taken."""

from __future__ import annotations

from enum import Enum

__all__ = ["Augmentation", "Balance", "Head", "Precision", "Resize"]


class Resize(str, Enum):
    """How a photo becomes a square."""

    crop = "crop"
    pad = "pad"
    stretch = "stretch"


class Head(str, Enum):
    """What the classifier's head looks at."""

    last = "last"
    depths = "depths"


class Precision(str, Enum):
    """The numbers that training computes in."""

    auto = "auto"
    float32 = "float32"
    mixed_bfloat16 = "mixed_bfloat16"
    mixed_float16 = "mixed_float16"


class Augmentation(str, Enum):
    """How much training photos are varied."""

    none = "none"
    light = "light"
    strong = "strong"


class Balance(str, Enum):
    """What is done against imbalanced classes."""

    none = "none"
    weights = "weights"
    sampling = "sampling"
