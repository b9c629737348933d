"""How many processors this process may use, and work shared out among them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead", "count", "in_threads"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Enough to outweigh what handing work to a thread costs, few enough for a bar that moves.
_ITEMS_PER_JOB = 8


def count() -> int:
    """Say how many threads can work at the same time.

    Returns:
        The processors that this process may run on, at least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def in_threads(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> Iterator[list[_Result]]:
    """Do the same work on every item in a pool of threads, a few items at a time.

    Only a few results for each thread are held at once, however many items there are.

    Args:
        work: Called with each item; it must be safe to call from many threads.
        items: The items.

    Returns:
        An iterator of lists of results, in the order of the items.

    Example:

    ```python
    for sizes in processors.in_threads(os.path.getsize, paths):
        task.advance(len(sizes))
    ```
    """
    if not items:
        return

    def work_on(job: Sequence[_Item]) -> list[_Result]:
        return [work(item) for item in job]

    threads = count()
    jobs = (items[at : at + _ITEMS_PER_JOB] for at in range(0, len(items), _ITEMS_PER_JOB))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="tlearn")
    try:
        waiting: deque[Future[list[_Result]]] = deque()
        for job in jobs:
            waiting.append(pool.submit(work_on, job))
            if len(waiting) >= 4 * threads:
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def ahead(
    work: Callable[[_Item], _Result], items: Iterable[_Item], *, threads: int, waiting: int
) -> Iterator[_Result]:
    """Do the same work on every item in threads, some way ahead of whoever takes the results.

    Args:
        work: Called with each item; it must be safe to call from so many threads.
        items: The items, taken one by one in the thread that takes the results.
        threads: How many items are worked on at the same time, 1 or more.
        waiting: How many items may be under way or done and not yet taken, `threads` or more.

    Returns:
        An iterator of results, in the order of the items. What `work` or `items` raises is raised there.

    Example:

    ```python
    for data in processors.ahead(Path.read_bytes, paths, threads=8, waiting=16):
        ...
    ```
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="tlearn-ahead")
    try:
        begun: deque[Future[_Result]] = deque()
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) >= waiting:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
