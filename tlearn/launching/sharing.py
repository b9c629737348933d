"""A machine's cores and GPUs divided among workers."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess

__all__ = ["cores", "visible_gpus"]

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def cores(workers: int) -> list[tuple[int, ...]]:
    """The cores of each worker, as equal as can be; of fewer cores than workers, one each in turn.

    Args:
        workers: How many share them.

    Returns:
        Numbers of cores for each worker; none where the system cannot pin.
    """
    if not hasattr(os, "sched_getaffinity"):
        return [()] * workers
    there = sorted(os.sched_getaffinity(0))
    if len(there) < workers:
        return [(there[number % len(there)],) for number in range(workers)]
    ends = [round(number * len(there) / workers) for number in range(workers + 1)]
    return [tuple(there[start:end]) for start, end in itertools.pairwise(ends)]


def visible_gpus(workers: int) -> list[dict[str, str]]:
    """The environment variable by which each worker sees GPUs of its own.

    Args:
        workers: How many share them.

    Returns:
        For each worker what to add to its environment; nothing where there are fewer GPUs than
        workers.
    """
    there = _gpus()
    share = len(there) // workers
    if workers == 1 or not share:
        return [{}] * workers
    return [
        {_VISIBLE: ",".join(there[number * share : (number + 1) * share])}
        for number in range(workers)
    ]


def _gpus() -> list[str]:
    given = os.environ.get(_VISIBLE)
    if given is not None:
        return [one.strip() for one in given.split(",") if one.strip() not in ("", "-1")]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    listed = subprocess.run([program, "-L"], capture_output=True, text=True)
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(lines))]
