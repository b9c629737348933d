"""From what is asked for to a group that trains."""

from __future__ import annotations

import json
import os
from typing import Any

import keras

from tlearn.devices.asking import CLUSTER, Asked, asked
from tlearn.devices.group import ONE, Group
from tlearn.errors import DeviceError
from tlearn.hushing import hushed

__all__ = ["open_for", "open_group"]


def open_for(devices: str | int | Asked, precision: str, policy: str) -> tuple[Group, str]:
    """Make the replicas that train together in a dtype policy.

    Args:
        devices: Which devices and workers; of text or a number, those that `asked` reads from it.
        precision: What the user has asked for.
        policy: The dtype policy that was chosen for that.

    Returns:
        The group, and the policy that it trains in.

    Raises:
        DeviceError: As `open_group` does, or several devices were to train in mixed_float16.
    """
    group = open_group(devices if isinstance(devices, Asked) else asked(devices))
    if group.replicas == 1 or policy != "mixed_float16":
        return group, policy
    if precision == "auto":
        return group, "float32"
    raise DeviceError(
        "Several devices cannot train in mixed_float16: Keras's loss scaling looks whether the gradients "
        "of the first device are finite, and takes those of the others as they come. Use "
        "mixed_bfloat16 or float32, or train on one device with --devices 1. "
        f"Received: precision={precision!r}, replicas={group.replicas}"
    )


def open_group(wanted: Asked) -> Group:
    """Make the replicas that train together.

    Before TensorFlow has computed anything in this process: parts of a CPU, and what connects
    workers, can be set up only then. With several workers it waits until all of them are there.

    Args:
        wanted: Which devices and workers.

    Returns:
        The group; `ONE` where a single device trains.

    Raises:
        DeviceError: There are no such devices, Keras's backend is another one than TensorFlow, or the
            replicas do not train as one.
    """
    several = len(wanted.addresses) > 1
    if keras.backend.backend() != "tensorflow":
        if several or wanted.devices not in ("auto", 1):
            raise DeviceError(
                "Several devices are TensorFlow's work. Unset KERAS_BACKEND, or train on one device "
                f"with --devices 1. Received: KERAS_BACKEND={keras.backend.backend()!r}, "
                f"devices={wanted.devices!r}, workers={len(wanted.addresses) or 1}"
            )
        return ONE
    names = _devices(wanted.devices, several)
    if not several and len(names) < 2:
        return ONE
    from tlearn.devices import mending, proof

    if several:
        mending.mend()
    group = _joined(wanted, names) if several else Group(_mirrored(names), names=names)
    proof.prove(group)
    return group


def _devices(wanted: str | int, several: bool) -> tuple[str, ...]:
    """The devices of this process by name; only the first where `auto` finds nothing but a CPU."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if wanted == "all" and not gpus:
        raise DeviceError(
            "No GPU is seen here. `nvidia-smi` lists those of the machine; TensorFlow needs "
            "`pip install 'tensorflow[and-cuda]'` for them. Or give --devices auto. "
            "Received: devices='all'"
        )
    if wanted in ("auto", "all"):
        return tuple(f"GPU:{place}" for place in range(len(gpus))) or ("CPU:0",)
    count = int(wanted)
    if gpus:
        if count > len(gpus):
            raise DeviceError(
                f"There are {len(gpus)} GPUs here. CUDA_VISIBLE_DEVICES may hide others. "
                f"Received: devices={count}"
            )
        return tuple(f"GPU:{place}" for place in range(count))
    if count > 1:
        if several:
            raise DeviceError(
                "Of several workers without a GPU each trains on its whole CPU: more parts of it "
                f"would be slower. Leave out --devices. Received: devices={count}"
            )
        _divide_cpu(count)
    return tuple(f"CPU:{place}" for place in range(count))


def _divide_cpu(count: int) -> None:
    import tensorflow as tf

    (cpu, *_) = tf.config.list_physical_devices("CPU")
    there = tf.config.get_logical_device_configuration(cpu)
    if there is not None and len(there) == count:
        return
    try:
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
        tf.config.set_logical_device_configuration(cpu, parts)
    except (RuntimeError, ValueError) as error:
        raise DeviceError(
            "The CPU is divided when TensorFlow starts, and here it has computed already. Do this "
            f"first in a process of its own. Received: devices={count}"
        ) from error


def _mirrored(names: tuple[str, ...]) -> Any:
    import tensorflow as tf

    with hushed():
        return tf.distribute.MirroredStrategy(list(names))


def _joined(wanted: Asked, names: tuple[str, ...]) -> Group:
    """The strategy over all workers; it waits for those that are not there yet."""
    import tensorflow as tf

    if not names[0].startswith("CPU") and wanted.devices not in ("auto", "all"):
        gpus = tf.config.list_physical_devices("GPU")
        tf.config.set_visible_devices(gpus[: len(names)], "GPU")
    task = {"type": "worker", "index": wanted.worker}
    # TensorFlow reads it when the strategy is made, and what was told by arguments is not in it.
    os.environ[CLUSTER] = json.dumps({"cluster": {"worker": list(wanted.addresses)}, "task": task})
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        raise DeviceError(
            f"This worker cannot join the others: {str(error).strip().partition(chr(10))[0]} "
            "Each must reach the others at their HOST:PORT, and its own port must be free. "
            f"Received: workers={','.join(wanted.addresses)!r}, worker={wanted.worker}"
        ) from error
    return Group(strategy, len(wanted.addresses), wanted.worker, names)
