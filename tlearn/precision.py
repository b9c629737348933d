"""Which dtype policy on which device, and a policy that holds for one piece of work only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras

__all__ = ["PRECISIONS", "choose", "exact", "policy"]

PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")

_BFLOAT16_SINCE = (8, 0)  # NVIDIA Ampere
_FLOAT16_SINCE = (7, 0)  # NVIDIA Volta, the first with tensor cores


def choose(precision: str, capabilities: list[tuple[int, int]] | None = None) -> str:
    """Choose the dtype policy to train in.

    `auto` takes bfloat16 on GPUs that have it, float16 (with loss scaling, which Keras adds by
    itself) on older GPUs with tensor cores, and float32 on everything else. On a CPU the mixed
    policies are slower than float32, four times in bfloat16, so they are never chosen there.

    Args:
        precision: `"auto"`, or a policy's name, which is taken as it is.
        capabilities: Compute capability of each GPU; by default those of this machine.

    Returns:
        `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`.

    Raises:
        ValueError: There is no such precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(
            f"There is no such precision. Use one of {', '.join(PRECISIONS)}. "
            f"Received: precision={precision!r}"
        )
    if precision != "auto":
        return precision
    found = _gpu_capabilities() if capabilities is None else capabilities
    if found and min(found) >= _BFLOAT16_SINCE:
        return "mixed_bfloat16"
    if found and min(found) >= _FLOAT16_SINCE:
        return "mixed_float16"
    return "float32"


@contextmanager
def policy(name: str) -> Iterator[None]:
    """Build models in a dtype policy, and put the old one back afterwards.

    Args:
        name: A Keras dtype policy, such as `"mixed_bfloat16"`.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def exact() -> Iterator[None]:
    """Compute float32 as float32: with TensorFloat-32 off, which GPUs round products to.

    For numbers that are reported and compared. On a CPU it changes nothing.
    """
    if keras.backend.backend() == "jax":
        import jax

        with jax.default_matmul_precision("highest"):
            yield
        return
    import tensorflow as tf

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def _gpu_capabilities() -> list[tuple[int, int]]:
    if keras.backend.backend() == "jax":
        import jax

        gpus = [device for device in jax.devices() if device.platform == "gpu"]
        numbers = (str(gpu.compute_capability).partition(".") for gpu in gpus)
        return [(int(major), int(minor or 0)) for major, _, minor in numbers]
    import tensorflow as tf

    details = (
        tf.config.experimental.get_device_details(gpu)
        for gpu in tf.config.list_physical_devices("GPU")
    )
    return [detail.get("compute_capability", (0, 0)) for detail in details]
