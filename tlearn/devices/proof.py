"""A fit so small that its answer is known, done by all replicas before anything else is."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from tlearn.devices.group import Group
from tlearn.devices.summing import SumsFirst
from tlearn.errors import DeviceError
from tlearn.version import installed

__all__ = ["prove"]

_CLIP = 0.5
_NEAR = 1e-5


@keras.saving.register_keras_serializable("tlearn")
class _Steps(SumsFirst, keras.optimizers.SGD):
    """Gradient descent, its gradients added up before they are clipped."""


def prove(group: Group) -> None:
    """Fit one weight on two batches, and compare weight, loss and metric with what they must be.

    The gradients of the replicas point in different directions and the first step is clipped, so that it
    shows as well whether clipping comes after adding up.

    Args:
        group: Who trains together; each worker must call this.

    Raises:
        DeviceError: `fit` fails or comes to another answer.
    """
    count = group.replicas
    inputs = np.arange(1, 2 * count + 1, dtype=np.float32).reshape(-1, 1)
    targets = np.where(np.arange(2 * count) % 2, 3.0, -1.0).astype(np.float32).reshape(-1, 1)
    weight, loss = _by_hand(inputs, targets, count)
    try:
        found = _by_fit(group, inputs, targets)
    except Exception as error:
        raise _unfit(group, f"{type(error).__name__}: {error}".partition("\n")[0]) from error
    wrong = max(abs(found[0] - weight), abs(found[1] - loss), abs(found[2] - loss))
    if not wrong <= _NEAR * max(1.0, abs(loss)):
        raise _unfit(group, f"{found} and not {(weight, loss, loss)}")


def _by_fit(group: Group, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, float, float]:
    with group.scope():
        model = keras.Sequential(
            [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")]
        )
        model.compile(
            optimizer=_Steps(0.1, global_clipnorm=_CLIP, name="steps"),
            loss="mse",
            metrics=[keras.metrics.MeanSquaredError(name="mse")],
        )
    batches = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(group.replicas)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    history = model.fit(batches.with_options(options), verbose=0, shuffle=False).history
    return (
        float(np.asarray(model.get_weights()[0]).item()),
        float(history["loss"][0]),
        float(history["mse"][0]),
    )


def _by_hand(inputs: np.ndarray, targets: np.ndarray, count: int) -> tuple[float, float]:
    """The weight after an epoch, and the mean of the losses before each step."""
    weight, losses = 0.0, []
    for start in (0, count):
        seen, wanted = inputs[start : start + count, 0], targets[start : start + count, 0]
        missed = weight * seen - wanted
        losses.append(float((missed**2).mean()))
        gradient = float((2 * missed * seen).mean())
        weight -= 0.1 * gradient * min(1.0, _CLIP / max(abs(gradient), 1e-12))
    return weight, float(np.mean(losses))


def _unfit(group: Group, found: str) -> DeviceError:
    return DeviceError(
        "Several devices do not train as one here: a fit whose answer is known came to another. "
        f"Train on one device with --devices 1, or use a Keras that tlearn knows (3.8 to 3.15). "
        f"Received: keras={installed('keras')}, replicas={group.replicas}, found={found!r}"
    )
