"""A stage that trains the head alone, solved instead of trained."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tlearn.progress import Progress
from tlearn.stages import freezing, linear_head
from tlearn.stages.material import HeadMaterial
from tlearn.stages.stage import Stage
from tlearn.stages.watching import Best

__all__ = ["dense_of", "solve"]


def dense_of(model: keras.Model) -> keras.layers.Dense | None:
    """The one layer with weights of a model's head, where the head is a softmax regression.

    Args:
        model: A classifier.

    Returns:
        The layer, or `None` where the head has more to it.
    """
    _, head = freezing.split_head(model)
    weighted = [layer for layer in head if layer.weights]
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
        given = head()
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
    }
    if not math.isfinite(found.log_loss):
        return None, [row]
    return Best(found.accuracy, found.log_loss, 1, model.get_weights()), [row]
