"""The same model once more, built where replicas of it are trained together."""

from __future__ import annotations

import keras

from tlearn.devices.group import Group
from tlearn.errors import DeviceError

__all__ = ["twin"]


def twin(model: keras.Model, group: Group) -> keras.Model:
    """A copy of a model whose variables are mirrored on all devices of a group.

    The model itself stays on one device, so that what only one process does, such as looking at
    features or writing, needs no other. Weights go from one to the other by `get_weights` and
    `set_weights`.

    Args:
        model: A functional or sequential model, or one that `get_config` tells all of.
        group: Who trains together.

    Returns:
        A model of the same layers with the same names, with the chief's weights.

    Raises:
        DeviceError: The model cannot be built again from its configuration.
    """
    try:
        with group.scope():
            found = keras.models.clone_model(model)
            found.set_weights(group.weights(model.get_weights()))
    except (TypeError, ValueError, NotImplementedError) as error:
        raise DeviceError(
            "The network cannot be built a second time, as several devices need it. Give its own "
            "layers a get_config(), or train on one device with --devices 1. "
            f"Received: backbone={model.name!r}"
        ) from error
    return found
