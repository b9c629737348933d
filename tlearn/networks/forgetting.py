"""Freeing what is kept of models that are not needed any more."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

__all__ = ["forgetting"]

_OF_ONE_CALL = "CustomGradient-"


@contextmanager
def forgetting() -> Iterator[None]:
    """Use models in a block that are not needed after it, and free all that is kept of them.

    Keras keeps their graphs for as long as a session lasts; the session is cleared, and the dtype
    policy, which Keras forgets with it, stays. Each training step that is traced with a gradient of
    its own, as that of the cross-entropy is, is put into a table of TensorFlow's and never leaves it,
    and with it stays the step's whole graph: https://github.com/tensorflow/tensorflow/issues/61791.
    Those of the block are taken out.

    Returns:
        A context manager. No function that was traced in the block may be differentiated after it.
    """
    before = set(_gradients())
    try:
        yield
    finally:
        known = _gradients()
        for name in set(known) - before:
            if name.startswith(_OF_ONE_CALL):
                del known[name]
        policy = keras.config.dtype_policy()
        keras.backend.clear_session()
        keras.config.set_dtype_policy(policy)
        gc.collect()


def _gradients() -> dict[str, Any]:
    """TensorFlow's table of gradients by name; an empty one where it keeps none that is known here."""
    if keras.backend.backend() != "tensorflow":
        return {}
    from tensorflow.python.framework import ops

    found = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
    return found if isinstance(found, dict) else {}
