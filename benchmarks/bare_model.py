"""The model without tlearn around it: pixels in memory, and the frozen part by itself."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd

from tlearn.networks import cutting
from tlearn.photos import pipeline
from tlearn.stages import freezing

BATCH = 32

Array = np.ndarray[Any, Any]


def pixels(sample: pd.DataFrame, class_names: tuple[str, ...], size: int) -> Array:
    """float32 `(photos, size, size, 3)` in 0..255, as tlearn decodes them."""
    batches = pipeline.batches(sample, class_names, image_size=size)
    return np.concatenate([images for images, _ in batches.as_numpy_iterator()])


def trunk(model: keras.Model, cut: cutting.Cut) -> keras.Model:
    """A model from pixels to the cut, which shares the layers."""
    return keras.Model(model.inputs, cut.tensor)


def cut(model: keras.Model, unfreeze: float) -> cutting.Cut:
    """The last place before anything that trains where that share of the blocks does."""
    freezing.unfreeze(model, unfreeze)
    _, head = freezing.split_head(model)
    return cutting.cuts(model, head)[-1]


def cut_named(model: keras.Model, name: str) -> cutting.Cut:
    """The place behind the layer of that name."""
    freezing.unfreeze(model, 0.0)
    _, head = freezing.split_head(model)
    return next(found for found in cutting.cuts(model, head) if found.name == name)


def predict(model: keras.Model, images: Array) -> Array:
    """What a user would run."""
    return model.predict(images, batch_size=BATCH, verbose=0)
