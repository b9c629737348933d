"""Keeping TensorFlow's chatter off the screen, unless `--debug` asks for it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings

import typer

from tlearn.hushing import hushed

__all__ = ["load_tensorflow", "load_tensorflow_for", "quiet"]


def quiet() -> None:
    """Ask every library below for errors only. Must run before TensorFlow is imported.

    What the user has set in `TF_CPP_MIN_LOG_LEVEL` or `PYTHONWARNINGS` is left as it is.
    """
    # 3 and not 2: without a GPU, TensorFlow reports "failed call to cuInit" as an error.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TFDS_LOGGING_LEVEL", "error")
    for name in ("tensorflow", "absl", "keras", "keras_hub", "h5py", "jax", "tensorflow_datasets"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def load_tensorflow(*, debug: bool = False) -> None:
    """Import TensorFlow and Keras and look for devices, without their chatter.

    It takes seconds, so a person at a terminal is told what the wait is for.

    Args:
        debug: Let everything through.
    """
    if "tensorflow" in sys.modules and "keras" in sys.modules:
        return
    told = sys.stderr.isatty() and not debug
    if told:
        sys.stderr.write("Loading TensorFlow...")
        sys.stderr.flush()
    try:
        with contextlib.nullcontext() if debug else hushed():
            import keras  # noqa: F401
            import tensorflow as tf

            tf.config.list_physical_devices()
    finally:
        if told:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def load_tensorflow_for(context: typer.Context) -> None:
    """Load TensorFlow, with its chatter where `--debug` was given."""
    load_tensorflow(debug=context.find_root().params["debug"])
