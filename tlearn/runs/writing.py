"""Write a run folder so that it is whole or not there."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from tlearn.errors import RunError
from tlearn.evaluation import Evaluation
from tlearn.files import atomic, labels
from tlearn.files.tables import flat, readable, to_csv, to_json
from tlearn.runs import layout
from tlearn.runs.reading import Run
from tlearn.runs.work import PROBE, RUN, Work

__all__ = ["RunFolder", "check_writable"]

_TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR}


class RunFolder:
    """A run folder that is being written; `unfinished` gives one.

    Attributes:
        path: The hidden folder that holds the files for now.
        name: The name that it is to get.
        work: What this run is made of until it is finished.
        run: The finished `Run`, once the `with` block of `unfinished` has ended well.
    """

    def __init__(self, work: Work, name: str) -> None:
        self.path = work.folder / RUN
        self.name = name
        self.work = work
        self.run: Run | None = None
        self._info: dict[str, Any] | None = None

    @property
    def model_path(self) -> Path:
        """Where the model for Keras is to be saved."""
        return self.path / layout.MODEL

    @property
    def saved_model_path(self) -> Path:
        """Where the SavedModel is to be exported."""
        return self.path / layout.SAVED_MODEL

    def write_class_names(self, class_names: Sequence[str]) -> None:
        """Write the classes in the model's order."""
        self._write(layout.LABELS, labels.labels_to_text(class_names))

    def write_recipe(self, text: str) -> None:
        """Write the recipe as TOML."""
        self._write(layout.RECIPE, text)

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write one table.

        Args:
            name: `"splits"`, `"skipped"`, `"history"`, `"stages"`, `"predictions"`,
                `"suspects"`, `"outliers"`, `"leaks"`, `"learning_curve"`, `"thumbnails"`, `"overlays"`, or
                one of those that `write_evaluation` writes.
            table: Its columns, in any order; docs/run-folder.md lists them. Others may be added.
        """
        if name not in layout.TABLE_NAMES:
            raise ValueError(
                f"A run folder has the tables {layout.TABLE_NAMES}. Received: name={name!r}"
            )
        if name in layout.PARQUET:
            file = self.path / layout.table_file(name)
            readable(table).to_parquet(file, index=False, compression="zstd")
            return
        if name == layout.CONFUSION:
            table = flat(table)
        else:
            first = list(layout.TABLES[name])
            if missing := [column for column in first if column not in table.columns]:
                raise ValueError(f"The table {name} lacks columns. Received: missing={missing}")
            table = table[first + [column for column in table.columns if column not in first]]
        self._write(layout.table_file(name), to_csv(table))

    def write_evaluation(self, evaluation: Evaluation) -> None:
        """Write the four tables of the split that is reported."""
        self.write_table("summary", evaluation.summary)
        self.write_table("per_class", evaluation.per_class)
        self.write_table("confusion", evaluation.confusion)
        self.write_table("confused_pairs", evaluation.confused_pairs)

    def write_info(self, info: Mapping[str, Any]) -> None:
        """Give what `run.json` is to hold; it is written when everything else is on the disk.

        Args:
            info: The keys that docs/run-folder.md lists, less `format` and `name`. `created` is
                now unless it is given.
        """
        now = datetime.now(tz=timezone.utc).isoformat(timespec="milliseconds")
        info = {"format": layout.FORMAT, "name": "", "created": now, **info}
        self._info = layout.check_info(info)

    def finish(self, output: Path) -> None:
        """Put everything on the disk, then let the folder appear under its name.

        A name that is taken gets `-2`, `-3` and so on behind it.
        """
        there = {entry.name for entry in self.path.iterdir()}
        missing = [file for file in layout.REQUIRED if file not in there | {layout.INFO}]
        if missing or self._info is None:
            raise ValueError(
                "A run is finished when all its tables and its info have been written. "
                f"Received: missing={missing or [layout.INFO]}"
            )
        atomic.sync_tree(self.path)
        for number in itertools.count(1):
            final = output / (self.name if number == 1 else f"{self.name}-{number}")
            if os.path.lexists(final):
                continue
            self._write(layout.INFO, to_json(self._info | {"name": final.name}))
            atomic.sync(self.path / layout.INFO)
            atomic.sync(self.path)
            self.work.is_about_to_be(final.name)
            try:
                # Renaming onto a run that has appeared since fails: nothing is ever replaced.
                self.path.rename(final)
            except OSError as error:
                if error.errno in _TAKEN and os.path.lexists(final):
                    continue
                raise
            self.run = Run(final)
            atomic.sync(output)
            return

    def _write(self, file: str, text: str) -> None:
        (self.path / file).write_text(text, encoding="utf-8", newline="\n")


def check_writable(output: str | Path, *, room: int = 0) -> None:
    """Raise an error now if a run folder could not be written later.

    Args:
        output: The folder that is to hold the run folder; made when it is not there.
        room: How many bytes the run folder is going to need, if known.

    Raises:
        RunError: When the place is read-only, not permitted, no folder, or full.
    """
    output = Path(output)
    probe = atomic.hidden_sibling(output / PROBE)
    try:
        output.mkdir(parents=True, exist_ok=True)
        with probe.open("xb") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(output).free
    except OSError as error:
        raise atomic.in_clear_words(error, output / "a run folder") from error
    finally:
        atomic.remove(probe)
    if free < room:
        raise RunError(
            f"The disk that holds {output} has {free / 1e6:.0f} MB free, and this run needs "
            f"{room / 1e6:.0f} MB. Free some space or choose a place on another disk. "
            f"Received: output={str(output)!r}"
        )
