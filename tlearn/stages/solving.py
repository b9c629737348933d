"""A stage that trains the head alone, solved instead of trained."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tlearn import heads
from tlearn.progress import Progress
from tlearn.stages import freezing, linear_head
from tlearn.stages.best import Best
from tlearn.stages.material import HeadMaterial
from tlearn.stages.stage import Stage

__all__ = ["dense_of", "solve"]


def dense_of(model: keras.Model) -> keras.layers.Dense | None:
    """The one layer with weights of a model's head, where the head is a softmax regression.

    Args:
        model: A classifier.

    Returns:
        The layer, or `None` where the head has more to it.
    """
    _, head = freezing.split_head(model)
    weighted = [layer for layer in head if layer.weights and layer.name != heads.SCALING]
    others = (keras.layers.Dropout, keras.layers.Activation, keras.layers.Softmax)
    rest = all(isinstance(layer, others) for layer in head if not layer.weights)
    if len(weighted) == 1 and isinstance(weighted[0], keras.layers.Dense) and rest:
        return weighted[0] if weighted[0].use_bias else None
    return None


def solve(
    model: keras.Model, stage: Stage, head: Callable[[], HeadMaterial], progress: Progress
) -> tuple[Best | None, list[dict[str, Any]]]:
    """Fit the head to convergence and put it into the model.

    Args:
        model: The whole model.
        stage: Its label smoothing.
        head: Gives the head's inputs.
        progress: Who watches.

    Returns:
        What it reached, and the one row of history.
    """
    dense = dense_of(model)
    assert dense is not None
    started = time.perf_counter()
    with progress.task(f"Stage {stage.name}, fitted to convergence", total=1, unit="fits") as task:
        given = _scaled(model, head())
        targets = linear_head.smoothed(given.labels, int(dense.units), stage.label_smoothing)
        weights = given.class_weights
        found = linear_head.fit(
            given.features,
            targets,
            given.validation_features,
            given.validation_labels,
            weights=None if weights is None else weights[given.labels],
        )
        dense.set_weights([found.kernel, found.bias])
        scores = given.features.astype(np.float32) @ found.kernel + found.bias
        accuracy, loss = linear_head.score(scores, given.labels)
        seconds = time.perf_counter() - started
        task.advance()
        task.note(f"validation accuracy {found.accuracy:.3f}, log loss {found.log_loss:.3f}")
    row = {
        "stage": stage.name,
        "epoch": 1,
        "loss": loss,
        "accuracy": accuracy,
        "val_loss": found.log_loss,
        "val_accuracy": found.accuracy,
        "val_log_loss": found.log_loss,
        "learning_rate": math.nan,
        "seconds": seconds,
        "photos_per_second": len(given.labels) * found.passes / max(seconds, 1e-9),
        "photos": len(given.labels),
    }
    if not math.isfinite(found.log_loss):
        return None, [row]
    return Best(found.accuracy, found.log_loss, 1, model.get_weights()), [row]


def _scaled(model: keras.Model, given: HeadMaterial) -> HeadMaterial:
    """Where the head looks at several depths, each with a mean square of 1 a feature, from here on."""
    if not any(layer.name == heads.SCALING for layer in model.layers):
        return given
    features = given.features.astype(np.float32)
    center = features.mean(axis=0)
    widths = [part.shape[-1] for part in model.get_layer(heads.JOINED).input]
    ends = np.cumsum(widths)[:-1]
    parts = np.split(((features - center) ** 2).mean(axis=0), ends)
    variance = np.concatenate([np.full(len(one), one.mean() or 1.0, np.float32) for one in parts])
    scaling = model.get_layer(heads.SCALING)
    scaling.set_weights([center, variance])
    factor = 1 / np.sqrt(variance + scaling.epsilon)
    return dataclasses.replace(
        given,
        features=(features - center) * factor,
        validation_features=(given.validation_features - center) * factor,
    )
