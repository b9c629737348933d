"""Freeing what is kept of models that are not needed any more."""

from __future__ import annotations

import gc

import keras

__all__ = ["forget_models"]


def forget_models() -> None:
    """Free what Keras and TensorFlow keep of models: their graphs, for as long as a session lasts.

    The dtype policy, which Keras forgets with them, stays.
    """
    policy = keras.config.dtype_policy()
    keras.backend.clear_session()
    keras.config.set_dtype_policy(policy)
    gc.collect()
