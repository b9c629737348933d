"""Read a finished run folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from tlearn.errors import RunError
from tlearn.files import labels
from tlearn.files.tables import TRUE_BY_PREDICTED, from_csv
from tlearn.runs import layout
from tlearn.runs.measured import Measured, measure

__all__ = ["Run", "is_run"]


@dataclass(frozen=True)
class Run:
    """A finished run. Its files are read when they are first asked for.

    ```
    saved_models/clothing-efficientnet_lite0/
    ├── run.json              what was trained, on what, how, how well
    ├── labels.txt            the classes in the model's order
    ├── recipe.toml           the recipe with every number spelled out
    ├── splits.csv            every photo and the split it was in
    ├── skipped.csv           every file left out, and why
    ├── stages.csv            what each stage of the training reached
    ├── history.csv           every epoch
    ├── predictions.parquet   every validation and test photo with its probabilities
    ├── suspects.parquet      every photo, those first whose labels look wrong
    ├── outliers.parquet      photos that are far from all others
    ├── leaks.parquet         photos that can be known from another split
    ├── thumbnails.parquet    small pictures: all mistakes and a few that were right
    ├── overlays.parquet      what the model looked at in its surest mistakes
    ├── learning_curve.parquet  what frozen features get wrong with parts of the photos
    ├── summary.csv  per_class.csv  confusion.csv  confused_pairs.csv
    ├── model.keras           the model for Keras
    ├── saved_model/          the model for everything else
    └── exports/              what `tlearn export` has added, see docs/export.md
    ```

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def name(self) -> str:
        """The folder's name, which counts when someone has renamed it."""
        return self.path.name

    @cached_property
    def info(self) -> dict[str, Any]:
        """What `run.json` holds; docs/run-folder.md lists its keys."""
        try:
            return layout.check_info(json.loads(self._text(layout.INFO)))
        except ValueError as error:
            raise self.damaged(str(error)) from error

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the model's order."""
        try:
            return labels.labels_from_text(self._text(layout.LABELS))
        except ValueError as error:
            raise self.damaged(f"{layout.LABELS}: {error}") from error

    @property
    def versions(self) -> dict[str, str]:
        """The version of each package that took part, by name."""
        return dict(self.info.get("versions", {}))

    @cached_property
    def recipe_text(self) -> str:
        """The recipe as TOML, with every number spelled out."""
        return self._text(layout.RECIPE)

    @property
    def model_path(self) -> Path:
        """The model for Keras, which may have been removed to save space."""
        return self.path / layout.MODEL

    @property
    def saved_model_path(self) -> Path:
        """The SavedModel directory, which may have been removed to save space."""
        return self.path / layout.SAVED_MODEL

    @property
    def exports_path(self) -> Path:
        """Where exports to other formats go; absent before the first."""
        return self.path / layout.EXPORTS

    @cached_property
    def splits(self) -> pd.DataFrame:
        """Every photo: `path`, `label`, `split`, `group`, `digest`, `decoder`."""
        return self._table("splits")

    @cached_property
    def skipped(self) -> pd.DataFrame:
        """Every file that was left out: `path`, `reason`."""
        return self._table("skipped")

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch of each stage."""
        return self._table("history")

    @cached_property
    def stages(self) -> pd.DataFrame:
        """One row per stage, `kept` where the exported weights come from it."""
        return self._table("stages")

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The stored `Evaluation.summary`."""
        return self._table("summary")

    @cached_property
    def per_class(self) -> pd.DataFrame:
        """The stored `Evaluation.per_class`."""
        return self._table("per_class")

    @cached_property
    def confused_pairs(self) -> pd.DataFrame:
        """The stored `Evaluation.confused_pairs`."""
        return self._table("confused_pairs")

    @cached_property
    def confusion(self) -> pd.DataFrame:
        """The stored `Evaluation.confusion`."""
        table = self._table(layout.CONFUSION)
        counts = table.iloc[:, 1:].to_numpy(dtype="int64")
        try:
            return pd.DataFrame(
                counts,
                index=pd.Index(self.class_names, name="true"),
                columns=pd.Index(self.class_names, name="predicted"),
            )
        except ValueError as error:
            raise self.damaged(f"confusion.csv: {error}") from error

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Every validation and test photo; columns as `evaluation.make_predictions` gives them."""
        return self.read_predictions()

    @cached_property
    def measured(self) -> Measured:
        """The figures of the test photos, worked out from `predictions`."""
        return measure(self)

    @cached_property
    def suspects(self) -> pd.DataFrame | None:
        """Every photo, those first whose labels look wrong; `None` where none was checked."""
        return self._unless_absent("suspects")

    @cached_property
    def outliers(self) -> pd.DataFrame | None:
        """Photos that are far from all others; `None` where none was checked."""
        return self._unless_absent("outliers")

    @cached_property
    def leaks(self) -> pd.DataFrame | None:
        """Photos that can be known from another split; `None` in runs of before that was looked for."""
        return self._unless_absent("leaks")

    @cached_property
    def thumbnails(self) -> pd.DataFrame | None:
        """Small pictures: `path`, `jpeg`; `None` in runs of before they were kept."""
        return self._unless_absent("thumbnails")

    @cached_property
    def overlays(self) -> pd.DataFrame | None:
        """What the model looked at in its surest mistakes: `path`, and JPEGs; `None` as above."""
        return self._unless_absent("overlays")

    @cached_property
    def learning_curve(self) -> pd.DataFrame | None:
        """Errors with parts of the photos, see `prospects.learning_curve`; `None` where not measured."""
        return self._unless_absent("learning_curve")

    def read_splits(self, columns: Sequence[str]) -> pd.DataFrame:
        """Some columns of `splits`, which is quicker where there are many photos.

        Args:
            columns: Their names.

        Returns:
            One row per photo.
        """
        return self._table("splits", only=columns)

    def read_predictions(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Some columns of `predictions`, which is quicker where there are many classes.

        Args:
            columns: Their names, or `None` for all.

        Returns:
            One row per validation and test photo.
        """
        path = self.path / layout.PREDICTIONS
        try:
            return pd.read_parquet(path, columns=None if columns is None else list(columns))
        except (OSError, ValueError, KeyError) as error:
            raise self.damaged(f"{path.name}: {error}") from error

    def check(self) -> Run:
        """Raise `RunError` unless the folder is a whole finished run; give it back."""
        if layout.unfinished_name(self.path) is not None:
            raise RunError(
                f"{self.path} is what a run that was killed left behind; it holds "
                f"{_listing(self.path)}. Only a finished run can be read: the command that began it "
                f"goes on with it. Received: run={str(self.path)!r}"
            )
        missing = [name for name in layout.REQUIRED if not (self.path / name).is_file()]
        if layout.INFO in missing:
            raise RunError(
                f"{self.path} is no run folder: it has no {layout.INFO}; it holds "
                f"{_listing(self.path)}. `tlearn runs` lists the runs. "
                f"Received: run={str(self.path)!r}"
            )
        if missing:
            raise self.damaged(f"it lacks {', '.join(missing)}")
        _ = self.info
        return self

    def damaged(self, reason: str) -> RunError:
        """The error to raise when a file of this run says what it cannot say."""
        return RunError(
            f"The run folder {self.path} is damaged: {reason}. It holds {_listing(self.path)}. "
            "Copy it again from where it was made, or train again. "
            f"Received: run={str(self.path)!r}"
        )

    def _unless_absent(self, name: str) -> pd.DataFrame | None:
        path = self.path / layout.table_file(name)
        if not path.exists():
            return None
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise self.damaged(f"{path.name}: {error}") from error

    def _text(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self.damaged(f"{name}: {error}") from error

    def _table(self, name: str, *, only: Sequence[str] | None = None) -> pd.DataFrame:
        path = self.path / layout.table_file(name)
        try:
            if name == layout.CONFUSION:
                return from_csv(path, {TRUE_BY_PREDICTED: "text"}, rest="whole")
            # What versions have added to the history since is numbers.
            rest = "number" if name == "history" else "text"
            return from_csv(path, layout.TABLES[name], rest=rest, only=only)
        except (OSError, ValueError, csv.Error) as error:
            raise self.damaged(f"{path.name}: {error}") from error


def is_run(folder: str | Path) -> bool:
    """Whether `folder` is a finished run's, by the one file that is written last."""
    folder = Path(folder)
    return layout.unfinished_name(folder) is None and (folder / layout.INFO).is_file()


def _listing(folder: Path) -> str:
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        return f"nothing that can be read ({error.strerror})"
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more if names else "nothing"
