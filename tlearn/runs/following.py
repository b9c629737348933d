"""One unfinished run that several workers know: the chief's, which writes it, and what others see of it."""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tlearn.devices.group import Group
from tlearn.devices.losing import told_as_lost
from tlearn.errors import DeviceError
from tlearn.files import cache
from tlearn.runs.work import RUN, Work
from tlearn.runs.writing import RunFolder

__all__ = ["Following", "Leading", "aside", "awaited", "finished", "together"]

# Seconds until what the chief has written must be seen on a shared disk, and between two looks.
_PATIENCE = 30.0
_PAUSE = 0.2


class Leading(Work):
    """The chief's unfinished run.

    Args:
        work: It, as a process alone knows it.
        group: Who trains together.
        output: The folder of run folders.
    """

    def __init__(self, work: Work, group: Group, output: Path) -> None:
        self.__dict__.update(work.__dict__)
        self._group = group
        token = cache.directory() / f".shared-{uuid.uuid4().hex}"
        token.parent.mkdir(parents=True, exist_ok=True)
        token.touch()
        try:
            _agree_on_places(group, output, group.text(self.folder.name), group.text(token.name))
        finally:
            token.unlink(missing_ok=True)

    def decided(self, what: str, decide: Callable[[], Any]) -> Any:
        """What was decided before, or is decided now and kept; all workers must ask."""
        known = self.known(what)
        if json.loads(self._group.text(json.dumps(known))) is None:
            known = super().decided(what, decide)
            self._group.text(json.dumps(known))
        return known


class Following(Work):
    """The chief's unfinished run, as another worker sees it. What this one writes is thrown away.

    Args:
        folder: A folder of its own.
        group: Who trains together.
        output: The folder of run folders.
    """

    def __init__(self, folder: Path, group: Group, output: Path) -> None:
        super().__init__(folder)
        self._group = group
        self._output = output
        name, token = group.text(""), group.text("")
        _agree_on_places(group, output, name, token)
        self._chiefs = output / name
        (folder / RUN).mkdir()

    @property
    def checkpoints(self) -> Path:
        """Where the chief keeps how far training is."""
        return self._chiefs / super().checkpoints.name

    def decided(self, what: str, decide: Callable[[], Any]) -> Any:
        """What the chief has decided; it may need this worker for that."""
        known = json.loads(self._group.text(""))
        if known is None:
            decide()
            known = json.loads(self._group.text(""))
        return known

    def awaited(self) -> Path:
        """The finished run, when the chief has finished it."""
        path = self._output / self._group.text("")
        _seen(path)
        return path


def awaited(folder: RunFolder) -> Path:
    """The run that the chief has finished, when it has.

    Args:
        folder: What another worker than the chief was given to write into.

    Returns:
        The run's folder.
    """
    if not isinstance(folder.work, Following):
        raise ValueError(f"The chief waits for nobody. Received: work={folder.work!r}")
    return folder.work.awaited()


def finished(work: Work, name: str) -> None:
    """Tell the other workers, if there are any, that the run has its name."""
    if isinstance(work, Leading):
        with suppress(Exception):  # the run is whole, whoever hears of it
            work._group.text(name)


@contextmanager
def together(group: Group) -> Iterator[None]:
    """A block in which the loss of another worker is told as that.

    Raises:
        WorkerLost: Another worker was lost.
    """
    try:
        yield
    except Exception as error:
        lost = told_as_lost(error, group)
        if lost is None:
            raise
        raise lost from error


@contextmanager
def aside() -> Iterator[Path]:
    """A folder for what is thrown away."""
    with tempfile.TemporaryDirectory(prefix="tlearn-worker-") as folder:
        yield Path(folder)


def _agree_on_places(group: Group, output: Path, name: str, token: str) -> None:
    """All workers see the chief's folders, or all end here."""
    here = {
        "--output": (output, _seen(output / name)),
        "TLEARN_CACHE": (cache.directory(), _seen(cache.directory() / token)),
    }
    for option, (place, seen) in here.items():
        if not group.all(seen):
            raise DeviceError(
                f"The workers do not share the folder that {option} names. Features and checkpoints go "
                "from one to the other by the disk: give each the same folder on a disk that all of "
                f"them see. Received: {option.strip('-')}={str(place)!r}, worker={group.worker}"
            )


def _seen(path: Path) -> bool:
    until = time.monotonic() + _PATIENCE
    while not path.exists():
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
    return True
