"""What an unfinished run is made of: what was asked, what has been decided, where training stands.

```
.NAME.unfinished-4711/
├── run/              the run folder; it gets its name when it is whole, by one rename
├── call.json         what was asked for: the same words go on with it
├── decided.json      what was measured and decided, so that it is not decided otherwise
├── checkpoints/      where training stands
└── lock              held while a process works on it
```
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from tlearn.errors import RunError
from tlearn.files import atomic, locking
from tlearn.runs import layout

__all__ = ["PROBE", "RUN", "Work", "is_over", "left"]

RUN = "run"
PROBE = "probe"  # a file that is written to see whether a place can be written to
_CALL = "call.json"
_DECIDED = "decided.json"
_CHECKPOINTS = "checkpoints"
_NAMED = "named.json"
_LOCK = "lock"
# Seconds for which another process may look whether a folder that is only just made is anybody's.
_GLANCE = 1.0


class Work:
    """One unfinished run.

    Args:
        folder: Its hidden folder.
        call: What was asked for, as JSON can hold it; `None` where nothing shall be gone on with.

    Attributes:
        folder: Its hidden folder.
        goes_on: Whether another process has begun it.
    """

    def __init__(self, folder: Path, call: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self.goes_on = False
        self._call = call
        self._held = ExitStack()

    @property
    def checkpoints(self) -> Path:
        """Where training keeps how far it is."""
        return self.folder / _CHECKPOINTS

    @property
    def can_go_on(self) -> bool:
        """Whether anything was kept of it that the same call would go on from."""
        return self._call is not None and any(self.checkpoints.glob("*.npz"))

    def begin(self) -> None:
        """Make its folder, or empty what another process has half-written there.

        Raises:
            RunError: Another process works on it.
        """
        until = time.monotonic() + _GLANCE
        while True:
            self.folder.mkdir(exist_ok=True)
            try:
                self._held.enter_context(locking.locked(self.folder / _LOCK))
                atomic.remove(self.folder / RUN)
                (self.folder / RUN).mkdir()
                self.goes_on = self.can_go_on
                break
            except (locking.InUse, FileNotFoundError) as error:
                self._held.close()
                if time.monotonic() > until:
                    raise _busy(self.folder) from error
                time.sleep(_GLANCE / 20)
        if self._call is not None and not self.goes_on:
            _write(self.folder / _CALL, self._call)

    def decided(self, what: str, decide: Callable[[], Any]) -> Any:
        """What was decided before, or is decided now and kept.

        Args:
            what: Its name.
            decide: Decides; gives what JSON can hold.
        """
        known = self._decisions()
        if what not in known:
            known[what] = decide()
            if self._call is not None:
                _write(self.folder / _DECIDED, known)
        return known[what]

    def known(self, what: str) -> Any:
        """What was decided before; `None` where nothing was."""
        return self._decisions().get(what)

    def _decisions(self) -> dict[str, Any]:
        return _read(self.folder / _DECIDED) or {}

    def is_about_to_be(self, name: str) -> None:
        """Note the name that the run is about to get: once it has it, nothing is left to go on with."""
        _write(self.folder / _NAMED, name)

    def end(self, *, keep: bool) -> bool:
        """Let go of it.

        Args:
            keep: Whether it stays, so that the same call goes on with it.

        Returns:
            Whether its folder is gone.
        """
        self._held.close()
        return not keep and atomic.remove(self.folder)


def left(output: Path, call: Mapping[str, Any]) -> Work | None:
    """The unfinished run that the same call has left, the one that changed last.

    What other runs have left that nobody works on, and that nothing can be gone on from, is removed.

    Args:
        output: The folder of run folders.
        call: What is asked for.

    Returns:
        A `Work` that can go on, or `None`.

    Raises:
        RunError: Another process works on it.
    """
    same: list[tuple[float, Path]] = []
    busy: Path | None = None
    wanted = json.loads(json.dumps(call))
    for probe in output.glob(f".{PROBE}.unfinished-*"):
        if probe.is_file():
            atomic.remove(probe)
    for folder in output.glob(".*"):
        if layout.unfinished_name(folder) is None:
            continue
        asked = _read(folder / _CALL)
        if asked is None and not _is_hardly_begun(folder):
            continue
        try:
            with locking.locked(folder / _LOCK):
                over = is_over(folder, output) or not Work(folder, call).can_go_on
                left_over = over and not atomic.remove(folder)
        except locking.InUse:
            busy = folder if asked == wanted else busy
            continue
        if left_over:  # where no file is removed while it is open
            atomic.remove(folder)
        elif not over and asked == wanted:
            same.append((folder.stat().st_mtime, folder))
    if same:
        return Work(max(same)[1], call)
    if busy is not None:
        raise _busy(busy)
    return None


def _busy(folder: Path) -> RunError:
    return RunError(
        f"Another process works on this very run, in {folder}. Wait for it, or begin a second one "
        f"with --no-resume. Received: output={str(folder.parent)!r}"
    )


def _is_hardly_begun(folder: Path) -> bool:
    """Whether a hidden folder holds nothing of a run: its process was killed before it wrote the call."""
    try:
        there = {one.name for one in folder.iterdir() if layout.unfinished_name(one) != _CALL}
        return there <= {RUN, _LOCK} and not any((folder / RUN).glob("*"))
    except OSError:
        return False


def is_over(folder: Path, output: Path) -> bool:
    """Whether a hidden folder only waits to be removed: the run that was in it has its name.

    Args:
        folder: The hidden folder.
        output: The folder of run folders.
    """
    name = _read(folder / _NAMED)
    return name is not None and not (folder / RUN).exists() and (output / name).exists()


def _read(file: Path) -> Any:
    with suppress(OSError, ValueError):
        return json.loads(file.read_text(encoding="utf-8"))
    return None


def _write(file: Path, value: Any) -> None:
    with atomic.replacing(file) as hidden:
        hidden.write_text(json.dumps(value, indent=1), encoding="utf-8")
