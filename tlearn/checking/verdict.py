"""What a check says: tables, and the page that shows them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tlearn.checking.finding import Finding, files_of, name_of, table
from tlearn.files.atomic import filling, replacing
from tlearn.files.tables import to_csv

__all__ = ["Check", "TABLES"]

TABLES = (
    "findings",
    "files",
    "photos",
    "pairs",
    "leaks",
    "shortcuts",
    "skipped",
    "suspects",
    "outliers",
    "label_next",
)


@dataclass(frozen=True)
class Check:
    """The answer to "what is wrong with these photos?".

    Args:
        dataset: The data set's name.
        source: What was given.
        class_names: All classes, also those without a photo.
        found: The findings as values, in no order.
        photos: A row for each photo that can be read: `path`, `label`, `split`, `group`,
            `digest`, `bundle` (photos of one bundle belong together), and what it is like:
            `format`, `suffix_fits`, `bytes`, `width`, `height`, `aspect_ratio`, `brightness`,
            `contrast`, `sharpness`, `colourfulness`, `border`, `orientation`, `taken`, `camera`,
            `hash`; see docs/check.md for each.
        pairs: Photos that belong together: `first` and `second` (paths), `first_label`,
            `second_label`, `kind` (`"exact"`, `"near"`, `"mirrored"`, `"burst"`), `similarity`.
        leaks: Photos of given splits that are known from another split: `path`, `split`, `label`,
            `known_as`, `known_from`, `known_label`, `kind`, `similarity`.
        shortcuts: What tells the class without being it: `property`, `class`, `auc`, `low`,
            `found`, `mistaken`, `of_the_file`, `typical`; see `checking.shortcuts.find`.
        skipped: Files that cannot be used: `path`, `reason`.
        suspects: Labels that look wrong, the surest first, as `labelling.judging.Suspects.table`
            has them; empty unless they were asked for.
        outliers: Photos that are like no other, as `Suspects.outliers` has them; likewise.
        label_next: Photos to label next, as `labelling.next_photos.rank` has them; likewise.
    """

    dataset: str
    source: str
    class_names: tuple[str, ...]
    found: tuple[Finding, ...]
    photos: pd.DataFrame
    pairs: pd.DataFrame
    leaks: pd.DataFrame
    shortcuts: pd.DataFrame
    skipped: pd.DataFrame
    suspects: pd.DataFrame = field(default_factory=pd.DataFrame)
    outliers: pd.DataFrame = field(default_factory=pd.DataFrame)
    label_next: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def findings(self) -> pd.DataFrame:
        """What was found, the worst first.

        Columns: `finding` (an id of `checking.kinds.KINDS`), `severity` (`"error"`, `"warning"`
        or `"note"`), `count` (int64: of photos, of groups that are the same, or of classes),
        `about` (str), `files` (list of absolute paths), `advice` (str).
        """
        return table(self.found)

    @property
    def files(self) -> pd.DataFrame:
        """A row for each file of each finding: `finding`, `severity`, `group`, `path`, `note`."""
        return files_of(self.found)

    def table(self, name: str) -> pd.DataFrame:
        """One of the tables, as a file can hold it.

        Args:
            name: One of `TABLES`.

        Returns:
            The table; the lists of `findings` are JSON.
        """
        found: pd.DataFrame = getattr(self, name)
        if name == "findings":
            texts = [json.dumps(files, ensure_ascii=False) for files in found["files"]]
            found = found.assign(files=pd.Series(texts, index=found.index, dtype=object))
        return found

    def as_dict(self) -> dict[str, Any]:
        """The answer as plain values: `dataset`, `photos`, `classes` (numbers), `findings`."""
        return {
            "dataset": self.dataset,
            "photos": len(self.photos),
            "classes": len(self.class_names),
            "findings": self.findings,
        }

    def write(self, folder: str | Path) -> Path:
        """Write all tables that are not empty, each as a CSV file; `findings.csv` always.

        ```
        clothing-check/
        ├── findings.csv    a row for each finding
        ├── files.csv       a row for each file of each
        ├── photos.csv      a row for each photo: size, light, sharpness, camera...
        └── pairs.csv leaks.csv shortcuts.csv skipped.csv suspects.csv outliers.csv label_next.csv
        ```

        Args:
            folder: The folder; files of these names that are there are replaced.

        Returns:
            The folder.

        Raises:
            RunError: It cannot be written.
        """
        folder = Path(folder)
        with filling(folder) as hidden:
            for name in TABLES:
                found = self.table(name)
                if len(found) or name == "findings":
                    (hidden / f"{name}.csv").write_text(to_csv(found), encoding="utf-8")
        return folder

    def gallery(self, path: str | Path) -> Path:
        """Write the gallery: each finding with its photos, and suspect labels to decide on.

        Args:
            path: The file, such as `"check.html"`. It needs no other file and no network.

        Returns:
            The file.

        Raises:
            RunError: It cannot be written.
        """
        from tlearn.checking.gallery import page

        suspects = self.suspects
        text = page.html(
            self.dataset,
            self.found,
            root=self.root,
            photos=self.photos.set_index("path")[["label", "split", "width", "height"]].to_dict(
                "index"
            ),
            suspects=suspects,
            class_names=self.class_names,
        )
        path = Path(path)
        with replacing(path) as file:
            file.write_text(text, encoding="utf-8")
        return path

    @property
    def root(self) -> str:
        """The folder that all photos are below; paths are shown relative to it."""
        source = Path(self.source).expanduser().absolute()
        return str(source if source.is_dir() else source.parent)

    def name_of(self, path: str) -> str:
        """A photo's path as it is shown: relative to `root` where it is below it."""
        return name_of(path, self.root)

    def named(self, kinds: Sequence[str] | frozenset[str]) -> list[str]:
        """Which of some kinds of findings there are.

        Args:
            kinds: Ids, such as `("leak", "unreadable")`.

        Returns:
            Those that were found, the worst first.
        """
        return [kind for kind in dict.fromkeys(self.findings["finding"]) if kind in kinds]
