"""The folder of a search, and the record by which it goes on after a kill.

```
saved_models/NAME-tune/
├── study.json   what is searched, and every finished trial: what the search goes on from
├── trials.csv   the same as a table, a row per trial
├── best.toml    the best settings as a recipe, for `tlearn finetune --recipe`
├── trials.png   log loss by trial
└── .lock        held by the process that is searching
```

Every file is whole or not there. A trial is recorded when it has ended, so that a kill loses the one
under way and nothing else. The record is tlearn's own and not a storage of Optuna's: a journal
whose last line a kill has cut short could not be read again (Optuna 5.0), and this one a person can.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tlearn.datasets import Dataset
from tlearn.errors import TuningError
from tlearn.files import atomic, tables
from tlearn.files.locking import InUse, locked

__all__ = ["BEST", "PLOT", "Study", "TABLE", "Trial", "digest", "opened"]

BEST = "best.toml"
TABLE = "trials.csv"
PLOT = "trials.png"
_RECORD = "study.json"
_LOCK = ".lock"
_FORMAT = 2  # since log losses are calibrated
_FOR_READERS = ("photos",)  # told in what is written, and no matter when two are compared


@dataclass(frozen=True)
class Trial:
    """One trial that has ended.

    Args:
        number: From 1; the first is the recipe itself.
        state: `"finished"`, `"pruned"` (stopped early, as worse than most) or `"failed"` (its loss
            was not finite).
        parameters: What Optuna chose.
        settings: The same as a recipe takes it.
        validation_accuracy: Of what was kept, 0 to 1; of a pruned trial, of its last epoch.
        validation_log_loss: Likewise, after temperature scaling.
        epochs: Epochs run, over all stages.
        seconds: Wall seconds of the whole trial.
        computed: Photos whose frozen features were computed for it; the others were kept.
        log_losses: Calibrated validation log loss after each epoch that pruning looks at.
        by_photo: Log loss of each validation photo, where it is still known.
    """

    number: int
    state: str
    parameters: Mapping[str, Any]
    settings: Mapping[str, Any]
    validation_accuracy: float
    validation_log_loss: float
    epochs: int
    seconds: float
    computed: int
    log_losses: tuple[float, ...] = ()
    by_photo: tuple[float, ...] = field(default=(), repr=False)


class Study:
    """The record of a search; `opened` gives one.

    Args:
        folder: Where it is kept.
        about: What is searched on what: all that trials must share to be compared.
        trials: Those that have ended, in order.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], trials: list[Trial]) -> None:
        self.folder = folder
        self.about = about
        self.trials = trials

    @property
    def best(self) -> Trial | None:
        """The finished trial of the lowest log loss; of equals the first."""
        finished = [trial for trial in self.trials if trial.state == "finished"]
        return min(finished, key=lambda trial: trial.validation_log_loss, default=None)

    def add(self, trial: Trial) -> None:
        """Record a trial that has ended, at once and for good.

        Raises:
            RunError: The disk is full or the place cannot be written to.
        """
        self.trials.append(trial)
        compared = {id(self.trials[0]), id(self.best)}
        # The losses by photo are needed of the two that are compared; of all they would be long.
        self.trials = [
            one if id(one) in compared else replace(one, by_photo=()) for one in self.trials
        ]
        self.save()

    def save(self) -> None:
        """Write the record."""
        text = tables.to_json(
            {"format": _FORMAT, "about": self.about, "trials": [asdict(one) for one in self.trials]}
        )
        with atomic.replacing(self.folder / _RECORD) as file:
            file.write_text(text, encoding="utf-8")


@contextmanager
def opened(folder: Path, about: Mapping[str, Any]) -> Iterator[Study]:
    """Begin a search, or go on with the one that is in the folder.

    Args:
        folder: The search's folder; made where it is not there.
        about: What is searched on what, as plain values.

    Returns:
        A context manager that gives the study, and holds its lock until it is left.

    Raises:
        TuningError: The folder is in use, damaged, or of another search.
        RunError: The place cannot be written to.
    """
    # As it will be read back, so that the two can be compared.
    about = json.loads(tables.to_json(about))
    try:
        with locked(folder / _LOCK):
            study = Study(folder, about, _trials(folder, about))
            if not study.trials:
                study.save()
            yield study
    except InUse:
        raise TuningError(
            f"Another process is searching in {folder}. Wait until it has ended, or give this one "
            f"another --name. Received: name={folder.name!r}"
        ) from None


def digest(data: Dataset) -> str:
    """Tells data sets apart by what their photos hold, their labels and their splits.

    Args:
        data: The photos, divided.

    Returns:
        A SHA-256 in hexadecimal; where the photos lie and what they are called counts for nothing.
    """
    photos = data.examples[["digest", "label", "split"]].sort_values(["digest", "label", "split"])
    rows = photos.itertuples(index=False, name=None)
    text = repr((tuple(data.class_names), [tuple(map(str, row)) for row in rows]))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _trials(folder: Path, about: Mapping[str, Any]) -> list[Trial]:
    """The trials of the search in the folder, which must be this one."""
    path = folder / _RECORD
    if not path.exists():
        if others := sorted(one.name for one in folder.iterdir() if one.name != _LOCK):
            raise TuningError(
                f"{folder} is no folder of a search: it holds {', '.join(others[:5])} but no "
                f"{_RECORD}. Give another --name. Received: name={folder.name!r}"
            )
        return []
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != _FORMAT:
            raise ValueError(f"its format is {record['format']!r}, not {_FORMAT}")
        there = record["about"]
        found = [_trial(one) for one in record["trials"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TuningError(
            f"The record of the search cannot be read: {error}. Remove the folder to begin anew, or "
            f"give another --name. Received: {path}"
        ) from error
    compared = [name for name in about if name not in _FOR_READERS]
    if differing := [name for name in compared if there.get(name) != about[name]]:
        told = "; ".join(
            f"{name} was {_short(there.get(name))} and is now {_short(about[name])}"
            for name in differing
        )
        raise TuningError(
            f"{folder} holds a search on something else, and trials of the two cannot be compared: "
            f"{told}. Give what it was begun with, or another --name. "
            f"Received: name={folder.name!r}"
        )
    return found


def _trial(record: Mapping[str, Any]) -> Trial:
    numbers = {
        name: np.nan if record[name] is None else float(record[name])
        for name in ("validation_accuracy", "validation_log_loss")
    }
    lists = {
        name: tuple(np.nan if one is None else float(one) for one in record[name])
        for name in ("log_losses", "by_photo")
    }
    return Trial(**{**record, **numbers, **lists})


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:24]}...{text[-8:]}"
