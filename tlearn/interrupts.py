"""Ctrl-C and SIGTERM, held back until what is under way can be kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Held", "Terminated", "held", "terminable"]


class Terminated(KeyboardInterrupt):
    """SIGTERM asked the process to end."""


class Held:
    """What has been asked for in the meantime.

    Attributes:
        signal: The first signal that came, or `None`.
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    def give(self) -> None:
        """Raise what has been asked for, if anything has.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed.
            Terminated: SIGTERM came.
        """
        if self.signal is not None:
            raise Terminated if self.signal == signal.SIGTERM else KeyboardInterrupt


@contextmanager
def held() -> Iterator[Held]:
    """Hold back the first Ctrl-C or SIGTERM of a block; a second one is raised at once.

    Returns:
        A context manager that gives what has been asked for. What nobody has raised by the end of
        the block is raised there. In another thread than the main one, which receives no signals,
        nothing is held.
    """
    found = Held()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return

    def note(number: int, frame: FrameType | None) -> None:
        if found.signal is not None:
            found.signal = number
            found.give()
        found.signal = number

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # Whoever ignores a signal, as what runs in the background does Ctrl-C, goes on ignoring it.
    ours = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    for number in ours:
        signal.signal(number, note)
    try:
        yield found
    finally:
        for number in ours:
            signal.signal(number, before[number] or signal.SIG_DFL)
    found.give()


def terminable() -> None:
    """From here on SIGTERM raises `Terminated`, so that what is half-written is put away."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
