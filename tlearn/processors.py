"""How many processors this process may use."""

from __future__ import annotations

import os

__all__ = ["count"]


def count() -> int:
    """Say how many threads can work at the same time.

    Returns:
        The processors that this process may run on, at least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
