"""From what the user names to a data set whose every photo can be read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tlearn.datasets import archives, folders, tables, tfds_source
from tlearn.datasets.corrections import corrected
from tlearn.datasets.dataset import Dataset, Listing, in_order, short_list, table_of, two_faced
from tlearn.datasets.loose import is_photo
from tlearn.datasets.scan import scan
from tlearn.errors import DatasetError
from tlearn.progress import SILENT, Progress

__all__ = ["Survey", "load", "survey"]

_FEW = 5
_TAKEN = (
    "a folder with one sub-folder per class; a folder with train/ and, if wanted, validation/ and "
    "test/ of such folders; a .csv or .parquet table with the columns path,label[,split,group]; a "
    ".zip or .tar(.gz) of any of these; or the name of a TFDS data set, such as tf_flowers"
)


def load(
    source: str | Path,
    *,
    data_dir: str | Path | None = None,
    strict: bool = False,
    corrections: str | Path | None = None,
    progress: Progress = SILENT,
) -> Dataset:
    """Load a data set from anywhere it may be, and look at every photo once.

    ```
    my_photos/          my_photos/              photos.csv
    ├── cat/1.jpg       ├── train/cat/1.jpg     path,label,split,group
    └── dog/2.png       └── test/dog/2.png      img/1.jpg,cat,train,
    ```

    Classes are natural-sorted over all splits together, once. A photo that cannot be read, and
    one that stands in no class, is left out and named in `skipped`.

    Args:
        source: A folder, a `.csv` or `.parquet` table, a `.zip` or `.tar` archive, or the name of
            a TFDS data set. What exists as a file or folder is taken as such.
        data_dir: Where TFDS keeps its data sets; its own default when `None`.
        strict: Make a file that would be left out an error.
        corrections: A table of corrections, see `corrections.corrected`.
        progress: Told of what is read, left out, and worth a look.

    Returns:
        The data set. Its `split` column holds the given splits only; `splits.make` fills it.

    Raises:
        DatasetError: When there is no such source; when it has fewer than two classes or a class
            without a readable photo; when a table contradicts itself; when a TFDS data set cannot
            be had here; with `strict`, when anything would be left out; when the corrections
            cannot be applied.

    Example:

    ```python
    dataset = tlearn.datasets.load("my_photos/")
    dataset.class_names  # ("cat", "dog")
    dataset.examples["label"].value_counts()
    ```
    """
    listing = _listing(source, data_dir, progress)
    _refuse_unusable_names(source, listing)
    _refuse_too_few_classes(source, listing)
    found = _read(source, listing, progress)
    dataset = found.dataset
    unreadable = zip(found.unreadable["path"], found.unreadable["reason"], strict=True)
    skipped = [*found.left_out, *unreadable]
    _report_skipped(source, skipped, strict, progress)
    _check_classes(source, listing, dataset.examples, skipped, progress)
    if corrections is not None:
        dataset = corrected(dataset, corrections, progress=progress)
    _report_two_faced(dataset.examples, progress)
    return dataset


@dataclass(frozen=True)
class Survey:
    """A data set as it is, with what is wrong with it.

    Args:
        dataset: The photos that can be read. A class may have none, and there may be only one.
        unreadable: Files that stand in a class and cannot be read. Columns: `path`, `label`,
            `reason`.
        left_out: Files and folders that stand in no class, as `(path, reason)`.
    """

    dataset: Dataset
    unreadable: pd.DataFrame
    left_out: list[tuple[str, str]]


def survey(
    source: str | Path, *, data_dir: str | Path | None = None, progress: Progress = SILENT
) -> Survey:
    """Look at every photo once, and refuse nothing that can be looked at.

    Args:
        source: As for `load`.
        data_dir: Where TFDS keeps its data sets; its own default when `None`.
        progress: Told of what is read.

    Returns:
        What there is.

    Raises:
        DatasetError: There is no such source, or it is arranged so that nothing says which class
            its photos are.
    """
    return _read(source, _listing(source, data_dir, progress), progress)


def _read(source: str | Path, listing: Listing, progress: Progress) -> Survey:
    usable, nameless = _printable(listing.examples)
    found = scan(usable["path"], progress=progress)
    bad = found["reason"].notna()
    unreadable = usable[bad][["path", "label"]].assign(reason=found["reason"][bad])
    left_out = [*listing.skipped, *nameless]
    skipped = [*left_out, *zip(unreadable["path"], unreadable["reason"], strict=True)]
    usable = usable.assign(digest=found["digest"], decoder=found["decoder"])
    dataset = Dataset(
        name=listing.name,
        source=os.fspath(source),
        examples=in_order(usable[~bad], listing.class_names),
        class_names=listing.class_names,
        skipped=table_of(
            {
                "path": (_legible(path) for path, _ in skipped),
                "reason": (reason for _, reason in skipped),
            }
        ),
    )
    return Survey(dataset, unreadable.reset_index(drop=True), left_out)


def _listing(source: str | Path, data_dir: str | Path | None, progress: Progress) -> Listing:
    text = os.fspath(source)
    path = Path(os.path.expanduser(text))  # noqa: PTH111 - "~x" may be a name, and pathlib fails
    try:
        if text and path.is_dir():
            return folders.listing(path)
        if text and path.is_file():
            if path.suffix.lower() in tables.SUFFIXES:
                return tables.listing(path)
            if archives.is_archive(path):
                return archives.listing(path, progress=progress)
    except OSError as error:
        raise DatasetError(
            f"{text} cannot be read: {error.strerror or error}. Expected something that you may "
            f"read. Give yourself permission to it. Received: dataset={text!r}"
        ) from error
    if text and path.exists():
        what = "a single photo" if is_photo(path) else "neither a folder nor a table nor an archive"
        raise DatasetError(f"{text} is {what}. {_mend(text)}")
    if not tfds_source.is_name(text):
        raise DatasetError(f"There is no file or folder {text!r}. {_mend(text)}")
    try:
        return tfds_source.listing(text, data_dir=data_dir, progress=progress)
    except tfds_source.UnknownName as error:
        raise DatasetError(f"{error} {_mend(text)}") from None


def _mend(text: str) -> str:
    return f"Expected {_TAKEN}. Give one of these. Received: dataset={text!r}"


def _refuse_unusable_names(source: str | Path, listing: Listing) -> None:
    for name in listing.class_names:
        if len(name.splitlines()) != 1 or _legible(name) != name:
            raise DatasetError(
                f"The class {_legible(name)!r} has a line break or letters that are not UTF-8 in "
                "its name. Expected a name that can stand in a list of classes. Rename it. "
                f"Received: dataset={os.fspath(source)!r}"
            )


def _refuse_too_few_classes(source: str | Path, listing: Listing) -> None:
    if len(listing.class_names) > 1 and not listing.examples.empty:
        return
    if listing.class_names and not listing.examples.empty:
        what = f"There is only one class, {listing.class_names[0]!r}, so there is nothing to learn."
    elif listing.class_names:
        what = "There are no photos in it."
    else:
        what = "It has no class folders, nor photos that are named in a table."
    raise DatasetError(f"{what} {_ended(listing.advice)}Received: dataset={os.fspath(source)!r}")


def _printable(examples: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Part the files whose names no table, and TensorFlow, could hold."""
    fine = pd.Series([_legible(path) == path for path in examples["path"]], dtype=bool)
    reason = "its name is not in UTF-8; rename it"
    return (
        examples[fine].reset_index(drop=True),
        [(path, reason) for path in examples["path"][~fine]],
    )


def _report_skipped(
    source: str | Path, skipped: list[tuple[str, str]], strict: bool, progress: Progress
) -> None:
    if not skipped:
        return
    files = "1 file" if len(skipped) == 1 else f"{len(skipped)} files"
    named = short_list(f"{_legible(path)} ({reason})" for path, reason in skipped)
    if strict:
        raise DatasetError(
            f"{files} cannot be used: {named}. Expected every photo to be readable and in a class. "
            "Mend or remove them, or go without --strict to have them left out. "
            f"Received: dataset={os.fspath(source)!r}"
        )
    progress.warn(f"{files} left out: {named}")


def _check_classes(
    source: str | Path,
    listing: Listing,
    examples: pd.DataFrame,
    skipped: list[tuple[str, str]],
    progress: Progress,
) -> None:
    counts = examples["label"].value_counts()
    without = [name for name in listing.class_names if name not in counts]
    if examples.empty or without:
        first = f" For example, {_legible(skipped[0][0])}: {skipped[0][1]}." if skipped else ""
        who = "No photo can be read" if examples.empty else _none_in(without)
        advice = _ended(listing.advice) if examples.empty else ""
        raise DatasetError(
            f"{who}.{first} Expected at least one photo that can be read in every class. Add some, "
            f"or remove what is no class. {advice}Received: dataset={os.fspath(source)!r}"
        )
    few = [f"{name} ({counts[name]})" for name in listing.class_names if counts[name] < _FEW]
    if few:
        progress.warn(
            f"Classes with fewer than {_FEW} photos, which is too few to learn or to judge by: "
            f"{short_list(few, 10)}"
        )


def _none_in(without: list[str]) -> str:
    if len(without) == 1:
        return f"The class {without[0]!r} has no photo that can be read"
    return f"{len(without)} classes have no photo that can be read: {short_list(without)}"


def _report_two_faced(examples: pd.DataFrame, progress: Progress) -> None:
    rows = two_faced(examples)
    if len(rows):
        pairs = [" = ".join(paths) for _, paths in rows.groupby("digest", sort=False)["path"]]
        photos = "1 photo stands" if len(pairs) == 1 else f"{len(pairs)} photos stand"
        progress.warn(
            f"{photos} under more than one class, byte for byte the same: {short_list(pairs, 3)}"
        )


def _ended(advice: str) -> str:
    return f"{advice} " if advice else ""


def _legible(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
