"""One worker of a group as a process: its output, its signs of life, its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from tlearn.launching import heartbeat

__all__ = ["Hear", "Worker"]

# From the worker's number and whether it came by standard error to a line of its output.
Hear = Callable[[int, bool, str], None]


class Worker:
    """A worker that has been started.

    Args:
        number: Which one, from 0.
        command: Program and arguments.
        environment: Its environment variables.
        folder: Where its output is kept, as `worker-NUMBER.log`, behind that of earlier starts.
        hear: Told each line.
        cores: The cores that it keeps to; all by default.
    """

    def __init__(
        self,
        number: int,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        hear: Hear,
        cores: Sequence[int] = (),
    ) -> None:
        self.number = number
        self._hear = hear
        self._beat = folder / f".worker-{number}.beat"
        self._beat.touch()
        self._log = (folder / f"worker-{number}.log").open("a", encoding="utf-8")
        self._writing = threading.Lock()
        # A session of its own: Ctrl-C goes to the launcher alone, and what it starts ends with it.
        self._process = subprocess.Popen(
            list(command),
            env={**environment, heartbeat.VARIABLE: str(self._beat)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
            errors="backslashreplace",
        )
        if cores and hasattr(os, "sched_setaffinity"):
            # The threads that it starts later keep to them as well.
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(self._process.pid, cores)
        self._readers = [
            threading.Thread(target=self._read, args=(stream, is_error), daemon=True)
            for stream, is_error in ((self._process.stdout, False), (self._process.stderr, True))
        ]
        for reader in self._readers:
            reader.start()

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; `None` while it runs."""
        return self._process.poll()

    def silent_for(self) -> float:
        """Seconds since it last made progress."""
        return time.time() - self._beat.stat().st_mtime

    def end(self, how: signal.Signals) -> None:
        """Send a signal to it and to whatever it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, how)
            elif self.code is None:
                self._process.send_signal(how)

    def close(self) -> None:
        """Hear the rest of its output; it has ended."""
        self._process.wait()
        for reader in self._readers:
            reader.join(timeout=5)
        with self._writing:
            self._log.close()
        self._beat.unlink(missing_ok=True)

    def _read(self, stream: IO[str], is_error: bool) -> None:
        with stream:
            for line in stream:
                with self._writing:
                    if not self._log.closed:
                        self._log.write(line)
                        self._log.flush()
                self._hear(self.number, is_error, line.rstrip("\n"))
