"""What a stage is fitted on, once more, where replicas of it train together."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from tlearn.devices import twins
from tlearn.devices.group import Group
from tlearn.stages import freezing
from tlearn.stages.best import Best
from tlearn.stages.material import Material
from tlearn.stages.stage import Stage

__all__ = ["of_chief", "spread"]


def spread(
    model: keras.Model, stage: Stage, material: Material, group: Group
) -> tuple[keras.Model, Material]:
    """The model and what is fitted of it, on all devices of a group.

    Args:
        model: The whole classifier, `trainable` set.
        stage: The stage.
        material: What it is fitted on.
        group: Who trains together.

    Returns:
        The same two for one device; else twins of them, with the same weights.

    Raises:
        DeviceError: The model cannot be built a second time.
    """
    if group.strategy is None:
        return model, material
    whole = twins.twin(model, group)
    freezing.unfreeze(whole, stage.unfreeze)
    return whole, dataclasses.replace(material, model=material.part(whole))


def of_chief(found: Best | None, model: keras.Model, group: Group) -> Best | None:
    """What the chief has reached, in every worker: each has computed it, on processors that may differ.

    Args:
        found: What this worker has reached.
        model: The whole classifier; it gets the chief's weights.
        group: Who trains together.

    Returns:
        The same in all workers.
    """
    if group.workers == 1:
        return found
    scores = (found.accuracy, found.log_loss, found.epoch) if found else (np.nan,) * 3
    told, *weights = group.weights([np.array(scores, np.float32), *model.get_weights()])
    model.set_weights(weights)
    return (
        None if np.isnan(told[1]) else Best(float(told[0]), float(told[1]), int(told[2]), weights)
    )
