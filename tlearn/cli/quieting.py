"""Keeping TensorFlow's chatter off the screen, unless `--debug` asks for it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

__all__ = ["hushed", "load_tensorflow", "quiet"]


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


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hold back what native code writes to file descriptor 2; show it only if the work fails.

    TensorFlow's C++ libraries log lines on oneDNN and CUDA while they are loaded, before they
    read `TF_CPP_MIN_LOG_LEVEL`; nothing but the file descriptor stops those.
    """
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # a process started without a standard error has nothing to hush
        yield
        return
    failed = True
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
            failed = False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            if failed:
                aside.seek(0)
                os.write(2, aside.read())


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
