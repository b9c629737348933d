"""What is served under which name: runs, and folders with numbered versions. No TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from tlearn import runs
from tlearn.errors import RunError, ServingError

__all__ = ["Edition", "Source", "find"]

_GRAPH = "saved_model.pb"


@dataclass(frozen=True)
class Edition:
    """A version of a model, as it lies on the disk.

    Attributes:
        version: Its number; a higher one is newer.
        saved_model: The folder of the SavedModel.
        keras_model: The model for Keras, where there is one.
        stamp: What changes when its files do: size and time of each.
    """

    version: int
    saved_model: Path
    keras_model: Path | None
    stamp: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Source:
    """Where the versions of a model come from.

    ```
    saved_models/flowers/          a run: its version is the second in which it was made
    ├── run.json
    ├── model.keras
    └── saved_model/

    exports/flowers/               numbered versions, as TensorFlow Serving takes them
    ├── 1/
    │   └── saved_model.pb
    └── 2/
    ```

    Attributes:
        name: What the model is called in addresses.
        folder: A run, a folder with numbered versions, or a bare SavedModel.
    """

    name: str
    folder: Path

    def newest(self) -> Edition | None:
        """The newest version that lies there now; `None` where there is none, or only a part of it."""
        try:
            if runs.is_run(self.folder):
                run = runs.Run(self.folder)
                version, directory = _second(run.info["created"]), run.saved_model_path
                keras_model = run.model_path if run.model_path.is_file() else None
            elif (self.folder / _GRAPH).is_file():
                version, directory, keras_model = 1, self.folder, None
            else:
                numbers = _versions(self.folder)
                if not numbers:
                    return None
                version, directory, keras_model = max(numbers), numbers[max(numbers)], None
            if not (directory / _GRAPH).is_file():
                return None
            return Edition(version, directory, keras_model, _stamp(directory))
        except (OSError, RunError, ValueError):
            return None  # it is being written, moved or removed just now

    def present(self) -> Edition:
        """The newest version, which must be there.

        Raises:
            RunError: There is none.
        """
        edition = self.newest()
        if edition is None:
            raise RunError(
                f"The run {self.name} has no SavedModel to be served. Expected its folder "
                "saved_model, whole; train again, or export it. "
                f"Received: run={str(self.folder)!r}"
            )
        return edition


def find(given: Sequence[str], root: Path) -> tuple[Source, ...]:
    """Find what is to be served.

    Args:
        given: Names of runs in `root`, run folders, folders with numbered versions, or folders of a
            bare SavedModel; with none the latest run.
        root: The folder of run folders.

    Returns:
        A source for each, none of which has the name of another.

    Raises:
        RunError: There is no such run, or it has no SavedModel.
        ServingError: Two are of the same name.
    """
    sources = tuple(_source(one, root) for one in given or [""])
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise ServingError(
                "Two models of the same name cannot be told apart in an address. Expected folders "
                f"of different names; rename one. Received: name={name!r}"
            )
    for source in sources:
        source.present()
    return sources


def _source(given: str, root: Path) -> Source:
    folder = Path(given)
    if given and not runs.is_run(Path(root) / given) and not runs.is_run(folder):
        if (folder / _GRAPH).is_file():
            return Source(_name(folder), folder.absolute())
        if _versions(folder):
            return Source(folder.absolute().name, folder.absolute())
    run = runs.load(given or None, root)
    return Source(run.name or run.path.absolute().name, run.path.absolute())


def _name(saved_model: Path) -> str:
    """The name of a bare SavedModel: that of its run, where it lies in one."""
    folder = saved_model.absolute()
    return folder.parent.name if runs.is_run(folder.parent) else folder.name


def _versions(folder: Path) -> dict[int, Path]:
    """The numbered versions in a folder, whole enough to have a graph."""
    try:
        inside = list(folder.iterdir()) if folder.is_dir() else []
    except OSError:
        return {}
    return {
        int(one.name): one
        for one in inside
        if one.name.isascii() and one.name.isdigit() and (one / _GRAPH).is_file()
    }


def _second(created: str) -> int:
    moment = datetime.fromisoformat(created.replace("Z", "+00:00"))
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    files = sorted(one for one in folder.rglob("*") if one.is_file())
    states = [(one, one.stat()) for one in files]
    return tuple(
        (str(one.relative_to(folder)), state.st_size, state.st_mtime_ns) for one, state in states
    )
