"""Holding back what native code writes to the screen."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["hushed"]


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hold back what native code writes to file descriptor 2; show it only if the work fails.

    TensorFlow's C++ libraries log lines on oneDNN and CUDA while they are loaded, before they
    read `TF_CPP_MIN_LOG_LEVEL`, and LiteRT says which delegate it made; nothing but the file
    descriptor stops those.
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
