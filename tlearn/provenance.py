"""What a run says of how it came about: its name, its data, its stages, its versions, its time."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from tlearn.datasets.dataset import SPLITS, Dataset
from tlearn.version import __version__, installed

__all__ = ["Clock", "asked", "in_words", "of_dataset", "of_stages", "rows", "run_name", "versions"]

# What a run can be repeated without.
_NOT_ASKED = ("progress", "output", "name", "resume", "after_epoch", "callbacks", "devices")
_RECORDED = ("tensorflow", "keras", "keras-hub", "tensorflow-datasets", "numpy", "pandas", "pillow")


def asked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was asked for, so that it can be asked for again.

    Args:
        arguments: Those of `finetune`, by name.

    Returns:
        Those that decide what comes out, as JSON can hold them.
    """
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in arguments.items()
        if name not in _NOT_ASKED
    }


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A small table, as JSON can hold it."""
    found: list[dict[str, Any]] = table.to_dict(orient="records")
    return found


class Clock:
    """Seconds of each part of a job, one after another.

    Attributes:
        laps: From a part's name to its wall seconds.
    """

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, part: str) -> None:
        """End the part that began when the last one ended."""
        now = time.perf_counter()
        self.laps[part] = round(now - self._last, 3)
        self._last = now


def run_name(dataset: str, backbone: str) -> str:
    """A run's name from its data set's and its backbone's, as a plain folder name.

    Args:
        dataset: The data set's name; may hold anything that a folder's name may.
        backbone: The backbone's name; a preset's may hold colons and slashes.

    Returns:
        Letters, digits, `_`, `.` and `-`, at most 60 of them.
    """
    plain = re.sub(r"[^\w.-]+", "-", f"{dataset}-{backbone}").strip("-.")
    return plain[:60] or "run"


def in_words(data: Dataset, asked: str, backbone: str, recipe: str, policy: str) -> str:
    """What has been decided before training begins, in two sentences."""
    counts = of_dataset(data)
    resolved = backbone if asked == backbone else f"{backbone} (for {asked!r})"
    return (
        f"{counts['photos']} photos in {counts['classes']} classes: {counts['train']} to train, "
        f"{counts['validation']} to validate, {counts['test']} to test. "
        f"Backbone {resolved}, recipe {recipe}, {policy}."
    )


def of_dataset(data: Dataset) -> dict[str, str | int]:
    """The data set's part of `run.json`."""
    counts = data.examples["split"].value_counts()
    return {
        "name": data.name,
        "source": data.source,
        "photos": len(data.examples),
        "classes": len(data.class_names),
        **{split: int(counts.get(split, 0)) for split in SPLITS},
        "skipped": len(data.skipped),
    }


def of_stages(stages: pd.DataFrame) -> dict[str, float]:
    """Validation accuracy of the frozen head, and of what was kept in the end."""
    accuracy = stages["validation_accuracy"]
    return {"head": float(accuracy.iloc[0]), "final": float(accuracy[stages["kept"]].iloc[0])}


def versions() -> dict[str, str]:
    """The versions of tlearn, Python and the packages that decide what comes out.

    With `backend`, what Keras computes by. A package that is not installed is not there.
    """
    found = {package: installed(package) for package in _RECORDED}
    return {
        "tlearn": __version__,
        "python": platform.python_version(),
        **{package: version for package, version in found.items() if version},
        "backend": keras.backend.backend(),
    }
