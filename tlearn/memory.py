"""How much: sizes as people write them, and how much memory there is to spare."""

from __future__ import annotations

import operator
import re
from pathlib import Path
from typing import SupportsIndex

from tlearn.errors import SizeError

__all__ = ["budget", "free", "parse_size"]

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(?:([kmgtp])(i?))?b?\s*", re.IGNORECASE)
_POWERS = "kmgtp"
_SHARE = 4
_OF_THREADS = 3_000_000_000
_CONTROL_GROUP = Path("/sys/fs/cgroup")
# The limit, what is used, the statistics and in them what is used but can be had back at once:
# of version 2, and of version 1.
_LIMITS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)


def parse_size(size: str | SupportsIndex) -> int:
    """Read a size of memory or of files.

    Args:
        size: Such as `"20GB"`, `"1.5 GiB"`, `"500 mb"`, `"2g"`, or a number of bytes. A GB has
            10^9 bytes, a GiB 2^30; upper and lower case are the same.

    Returns:
        The number of bytes.

    Raises:
        SizeError: When it is no such size.

    Example:

    ```python
    parse_size("1.5 GB")  # 1500000000
    ```
    """
    if isinstance(size, str):
        if found := _SIZE.fullmatch(size):
            number, prefix, binary = found.groups()
            base = 1024 if binary else 1000
            power = _POWERS.index(prefix.lower()) + 1 if prefix else 0
            return int(float(number) * base**power)
    elif not isinstance(size, bool) and operator.index(size) >= 0:
        return operator.index(size)
    raise SizeError(
        "A size must be a number with a unit, such as '20GB', '500 MB' or '1.5GiB', or a number "
        f"of bytes. Received: size={size!r}"
    )


def budget(memory: str | SupportsIndex | None = None) -> int:
    """Say how much memory may be filled with what could also stay on the disk.

    Args:
        memory: A size, as for `parse_size`, that is taken as it is. Without one: a quarter of
            what is free now, on the machine and within the limit of its container.

    Returns:
        The number of bytes.

    Raises:
        SizeError: When `memory` is no size.

    Example:

    ```python
    budget("2GiB")  # 2147483648
    ```
    """
    if memory is not None:
        return parse_size(memory)
    return free() // _SHARE


def free() -> int:
    """Say how many bytes of memory this process may still take.

    Returns:
        What is free on the machine, within the limit of its container and that of `ulimit -v`.
    """
    import psutil

    left = int(psutil.virtual_memory().available)
    for names in _LIMITS:
        left = min(left, _free_in_container(*names, otherwise=left))
    return max(min(left, _free_of_addresses(left)), 0)


def _free_of_addresses(otherwise: int) -> int:
    """What is left below `ulimit -v`, less what TensorFlow's threads reserve and never touch."""
    try:
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
    except (ImportError, AttributeError):  # Windows, macOS
        return otherwise
    if most == resource.RLIM_INFINITY:
        return otherwise
    import psutil

    return int(most - psutil.Process().memory_info().vms - _OF_THREADS)


def _free_in_container(limit: str, used: str, stat: str, idle: str, *, otherwise: int) -> int:
    """What is left below the limit of a control group; `otherwise` where there is none."""
    try:
        most = int((_CONTROL_GROUP / limit).read_text(encoding="ascii"))
        taken = int((_CONTROL_GROUP / used).read_text(encoding="ascii"))
    except (OSError, ValueError):  # no control groups, or the limit is "max"
        return otherwise
    try:
        # Files that were read count as used, yet make room when it is wanted.
        lines = (_CONTROL_GROUP / stat).read_text(encoding="ascii").splitlines()
        taken -= next(int(line.split()[1]) for line in lines if line.split()[0] == idle)
    except (OSError, ValueError, IndexError, StopIteration):
        pass
    return most - max(taken, 0)
