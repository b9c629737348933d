"""TFDS data sets, by name: their photos are written once, as files, into the cache folder."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tlearn.datasets import tfds_download
from tlearn.datasets.dataset import Listing, short_list, table_of
from tlearn.datasets.split_names import split_of
from tlearn.errors import DatasetError
from tlearn.files import cache
from tlearn.files.names import natural_sorted
from tlearn.progress import SILENT, Progress

__all__ = ["UnknownName", "is_name", "listing"]

_NAME = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z0-9_]*)(/(?P<config>[A-Za-z0-9_+.-]+))?"
    r"(:(?P<version>(\d+|\*)\.(\d+|\*)\.(\d+|\*)))?"
)
# What TFDS puts before the reason proper.
_CONTEXT = re.compile(r"^Failed to construct dataset .*?}\": ", re.DOTALL)
_INDEX = "examples.parquet"
_FILES_PER_FOLDER = 1000
_LAYOUT = 1  # to be raised when what is written changes


class UnknownName(DatasetError):
    """TFDS has no data set of this name, prepared or not."""


def is_name(source: str) -> bool:
    """Say whether a text could be the name of a TFDS data set.

    Args:
        source: Such as `"tf_flowers"`, `"oxford_flowers102:2.1.1"` or `"cmaterdb/bangla"`.

    Returns:
        True when it is written like one; whether there is one is another question.
    """
    return _NAME.fullmatch(source) is not None


def listing(
    source: str, *, data_dir: str | Path | None = None, progress: Progress = SILENT
) -> Listing:
    """List the photos of a TFDS data set, after writing them to the cache folder once.

    Its encoded photos are written as they are. The splits train, validation and test are kept.

    Args:
        source: Its name, with a config and a version where wanted.
        data_dir: Where TFDS keeps its data sets; its own default when `None`.
        progress: Told of the download, and of each photo that is written.

    Returns:
        The photos by class.

    Raises:
        UnknownName: When there is no such data set.
        DatasetError: When it cannot be had here, or it is not one of
            photos with one label each.

    Example:

    ```python
    listing("tf_flowers", data_dir="~/tensorflow_datasets").class_names
    ```
    """
    builder = _builder(source, data_dir)
    photo, label = _features(source, builder)
    builder = tfds_download.prepared(builder, source=source, progress=progress)
    splits = _splits(source, builder, progress)
    name = "-".join(filter(None, [builder.info.name, builder.info.config_name]))
    place = f"{name}-{builder.info.version}-{_fingerprint(builder)}"
    folder = cache.filled(
        cache.directory() / "tfds" / place,
        lambda partial: _write(partial, builder, splits, photo, label, progress),
    )
    examples = pd.read_parquet(folder / _INDEX)
    _warn_of_unlabelled(source, examples, builder.info.features[label].names, progress)
    examples = examples[examples["label"].notna()]
    return Listing(
        name,
        table_of(
            {
                "path": (str(folder / path) for path in examples["path"]),
                "label": examples["label"],
                "split": (splits[split] for split in examples["split"]),
                "group": [None] * len(examples),
            }
        ),
        tuple(natural_sorted(set(examples["label"]))),
    )


def _builder(source: str, data_dir: str | Path | None) -> Any:
    import tensorflow_datasets as tfds

    place = None if data_dir is None else str(Path(data_dir).expanduser())
    # Files first: a data set that was prepared elsewhere needs no code of its own here.
    for find in (tfds.core.read_only_builder.builder_from_files, tfds.builder):
        try:
            return find(source, data_dir=place)
        except tfds.core.registered.DatasetNotFoundError:
            continue
        except Exception as error:  # TFDS asserts, and imports whatever a data set needs
            reason = _CONTEXT.sub("", str(error).strip()).rstrip(".") or type(error).__name__
            raise DatasetError(
                f"TFDS cannot give {source!r}: {reason}. Expected a data set, config and version "
                "that TFDS has. See https://www.tensorflow.org/datasets/catalog. "
                f"Received: dataset={source!r}"
            ) from error
    wanted = source.partition("/")[0].partition(":")[0]
    known = sorted(set(tfds.list_builders(with_community_datasets=False)))
    close = difflib.get_close_matches(wanted, known)
    meant = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    where = f", and none of that name is prepared in {place}" if place else ""
    if place and (here := Path(place, wanted)).is_dir():
        where += f", where {wanted} has {short_list(sorted(path.name for path in here.iterdir()))}"
    raise UnknownName(
        f"There is no file or folder {source!r}, and no TFDS data set of that name{where}.{meant}"
    )


def _features(source: str, builder: Any) -> tuple[str, str]:
    import tensorflow_datasets as tfds

    features = builder.info.features
    top = dict(features) if isinstance(features, tfds.features.FeaturesDict) else {}
    photos = [name for name, kind in top.items() if type(kind) is tfds.features.Image]
    labels = [name for name, kind in top.items() if isinstance(kind, tfds.features.ClassLabel)]
    # Where there are several, the pair that the data set itself names is the one.
    pair = builder.info.supervised_keys
    if isinstance(pair, tuple) and len(pair) == 2 and pair[0] in photos and pair[1] in labels:
        photos, labels = [pair[0]], [pair[1]]
    if len(photos) != 1 or len(labels) != 1:
        listed = ", ".join(f"{name}: {type(kind).__name__}" for name, kind in sorted(top.items()))
        raise DatasetError(
            f"The TFDS data set {source!r} is not one of photos with one label each: it has "
            f"{listed or type(features).__name__}. Expected one Image and one ClassLabel. Write "
            "the photos to a folder per class, or name them in a CSV table. "
            f"Received: dataset={source!r}"
        )
    if np.dtype(top[photos[0]].np_dtype).kind == "f":
        raise DatasetError(
            f"The photos of the TFDS data set {source!r} hold floating-point values, which have "
            "no fixed range. Expected whole numbers. Write them to a folder per class with 8 "
            f"bits. Received: dataset={source!r}"
        )
    return photos[0], labels[0]


def _splits(source: str, builder: Any, progress: Progress) -> dict[str, str | None]:
    """The split of ours for each of theirs that is used."""
    theirs = list(builder.info.splits)
    known = {name: split for name in theirs if (split := split_of(name)) is not None}
    if "train" not in known.values() or len(set(known.values())) < len(known):
        if len(theirs) == 1:
            return {theirs[0]: None}
        raise DatasetError(
            f"The TFDS data set {source!r} has the splits {short_list(map(repr, theirs))}. "
            "Expected one named train and, if wanted, validation and test. Choose another, or "
            f"write its photos to a folder per class. Received: dataset={source!r}"
        )
    others = [name for name in theirs if name not in known]
    if others:
        progress.warn(
            f"These splits of {source} are not used, as they are none of train, validation and "
            f"test: {', '.join(others)}"
        )
    return dict(known)


def _fingerprint(builder: Any) -> str:
    """Changes when the data set is prepared anew, although its name and version stay."""
    import tensorflow as tf

    digest = hashlib.sha256(f"{_LAYOUT} {builder.data_path}".encode())
    for path in sorted(tf.io.gfile.glob(f"{builder.data_path}/*")):
        status = tf.io.gfile.stat(path)
        digest.update(f"\n{path} {status.length} {status.mtime_nsec}".encode())
    return digest.hexdigest()[:16]


def _write(
    folder: Path,
    builder: Any,
    splits: dict[str, str | None],
    photo: str,
    label: str,
    progress: Progress,
) -> None:
    names = builder.info.features[label].names
    rows: list[tuple[str, str | None, str]] = []
    total = sum(builder.info.splits[split].num_examples for split in splits)
    with progress.task(f"Writing the photos of {builder.info.name}", total=total) as task:
        for split in splits:
            for number, (data, index) in enumerate(_photos(builder, split, photo, label)):
                # A set without labels for its test photos has -1 there.
                name = names[index] if 0 <= index < len(names) else None
                part = folder / split / f"{number // _FILES_PER_FOLDER:05d}"
                part.mkdir(parents=True, exist_ok=True)
                file = part / f"{number:07d}{_suffix(data)}"
                file.write_bytes(data)
                rows.append((file.relative_to(folder).as_posix(), name, split))
                task.advance()
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    table = table_of(dict(zip(("path", "label", "split"), columns, strict=True)))
    table.to_parquet(folder / _INDEX, index=False)


def _photos(builder: Any, split: str, photo: str, label: str) -> Iterator[tuple[bytes, int]]:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    try:
        examples = builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders=tfds.decode.PartialDecoding(
                {photo: True, label: True}, decoders={photo: tfds.decode.SkipDecoding()}
            ),
            # One shard after the other, so that the same photo always has the same name.
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        for example in examples.as_numpy_iterator():
            yield example[photo], int(example[label])
    except (tf.errors.OpError, AssertionError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DatasetError(
            f"The TFDS data set {builder.info.name!r} is damaged: {reason}. Expected what TFDS "
            f"prepared, whole. Remove {builder.data_path} and prepare it again. "
            f"Received: split={split!r}"
        ) from error


def _suffix(data: bytes) -> str:
    if data.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    return ".png" if data.startswith(b"\x89PNG") else ""


def _warn_of_unlabelled(
    source: str, examples: pd.DataFrame, names: list[str], progress: Progress
) -> None:
    unlabelled = int(examples["label"].isna().sum())
    if unlabelled:
        progress.warn(f"{unlabelled} photos of {source} have no label and are left out")
    unused = natural_sorted(set(names) - set(examples["label"].dropna()))
    if unused:
        progress.warn(
            f"{source} names {len(unused)} classes that have no photo, which are left out: "
            f"{short_list(unused)}"
        )
