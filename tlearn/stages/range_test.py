"""The range test of learning rates (Smith 2017, arXiv:1506.01186): a rate that rises every step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import pandas as pd

from tlearn.errors import TrainingError
from tlearn.progress import SILENT, Progress
from tlearn.stages import compiling, optimizer
from tlearn.stages.material import Batches, Material
from tlearn.stages.stage import Stage

__all__ = ["range_test", "unchanged"]

Array = np.ndarray[Any, Any]

# How many times the lowest the mean loss must be for the test to end, as fastai has it.
_DIVERGED = 4.0
# What a loss counts in the smoothed one for each step that it is away.
_NEARNESS = 0.8


def range_test(
    model: keras.Model,
    stage: Stage,
    material: Material,
    *,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    progress: Progress = SILENT,
) -> pd.DataFrame:
    """Train a stage at rates that rise by the same factor with each step, and note the loss.

    Each step is one of the stage: its batches, its AdamW with rates by layer, its decay, clipping
    and label smoothing. The model is the same afterwards, whatever happens.

    Args:
        model: The classifier, with the weights that the stage would begin with and `trainable` set
            as the stage wants it.
        stage: What is tested.
        material: What the stage is fitted on.
        lowest: The rate of the first step, above 0.
        highest: The rate of the last step, above `lowest`.
        steps: Steps from the lowest to the highest rate, at least 10.
        progress: Who watches.

    Returns:
        One row for each step until the mean loss is four times its lowest or no number: step (from
        1), learning_rate, loss (of the step's photos before the step, natural logarithm, label
        smoothing included) and smoothed (the mean of the losses around it, near ones counting more;
        unlike a running mean it does not lag behind).

    Raises:
        ValueError: The range or the number of steps is out of order.
        TrainingError: The loss is not finite at the first step.
    """
    if not (0 < lowest < highest and steps >= 10):
        raise ValueError(
            "A range test goes from a rate above 0 to a higher one in at least 10 steps. "
            f"Received: lowest={lowest}, highest={highest}, steps={steps}"
        )
    fitted, losses = material.model, list[float]()
    batches = _endless(compiling.one_hot(material.batches, int(model.output_shape[-1])))
    rates = np.geomspace(lowest, highest, steps)
    rising = optimizer.rising(model, stage, lowest=lowest, highest=highest, steps=steps)
    fitted.compile(optimizer=rising, loss=compiling.loss_of(model, stage))
    with (
        unchanged(model),
        progress.task(f"Range test of stage {stage.name}", total=steps, unit="steps") as task,
    ):
        mean = lowest_mean = math.inf
        for rate, batch in zip(rates, batches, strict=False):
            fitted.reset_metrics()
            loss = float(fitted.train_on_batch(*batch))
            if not math.isfinite(loss):
                break
            losses.append(loss)
            mean = loss if mean == math.inf else _NEARNESS * mean + (1 - _NEARNESS) * loss
            lowest_mean = min(mean, lowest_mean)
            task.advance()
            task.note(f"rate {rate:.1e}  loss {mean:.3f}")
            if mean > _DIVERGED * lowest_mean:
                break
    if not losses:
        raise TrainingError(
            f"The stage {stage.name!r} has no finite loss before its first step. Train in float32. "
            f"Received: loss={loss}"
        )
    return pd.DataFrame(
        {
            "step": np.arange(1, len(losses) + 1),
            "learning_rate": rates[: len(losses)],
            "loss": losses,
            "smoothed": _smoothed(losses),
        }
    )


def _smoothed(losses: list[float]) -> Array:
    places = np.arange(len(losses))
    shares = _NEARNESS ** np.abs(places[:, None] - places)
    found: Array = shares @ losses / shares.sum(axis=1)
    return found


def _endless(batches: Batches) -> Iterator[tuple[Any, ...]]:
    """Epoch after epoch."""
    while True:
        yield from batches


@contextmanager
def unchanged(model: keras.Model) -> Iterator[None]:
    """A block after which all variables of a model have their values back, dropout's dice as well.

    Args:
        model: Any built Keras model.
    """
    variables = list(model.variables)
    before = [np.array(variable) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
