"""What a trained classifier says of files: a table with one row each.

Every answer comes from a SavedModel, a run's own or a bare one, so that `tlearn predict` says
exactly what the exported model will say wherever it is served. With `flip` it is asked twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from tlearn import runs
from tlearn.calibration import Target
from tlearn.errors import DecodeError, RunError
from tlearn.photos.decoding import decode_batch, route
from tlearn.photos.photo_bytes import servable
from tlearn.prediction import thresholds
from tlearn.prediction.answers import answers_table, tell_errors, write
from tlearn.prediction.finding import find
from tlearn.progress import SILENT, Progress

__all__ = ["predict", "write"]

_BATCH_BYTES = 64 * 2**20
_FILE_BYTES = 2**30


@dataclass(frozen=True)
class _Photo:
    path: Path
    data: bytes = b""
    error: str | None = None
    resort: bool = False  # whether Pillow may still read what the graph could not


class _Classifier:
    """A SavedModel written by `export`. Holds the loaded object, whose variables die with it."""

    def __init__(self, directory: Path, *, flip: bool) -> None:
        try:
            self._loaded: Any = tf.saved_model.load(str(directory))
            about = self._loaded.signatures["about"]()
            self._answer = self._loaded.signatures["serving_default"]
            self._answer_pixels = self._loaded.signatures["pixels"]
        except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
            raise RunError(
                "The SavedModel cannot be used. Expected one that tlearn wrote, whole, with the "
                "signatures 'serving_default', 'pixels' and 'about'; export it again. "
                f"Received: run={str(directory)!r} ({type(error).__name__}: {error})"
            ) from error
        self.class_names = [name.decode() for name in about["class_names"].numpy()]
        # A SavedModel of before there were thresholds is never unsure.
        self.threshold = float(about["threshold"]) if "threshold" in about else 0.0
        size, mode = int(about["image_size"]), about["resize_mode"].numpy().decode()
        self._squares = tf.function(
            lambda photos: decode_batch(photos, size, mode),
            input_signature=[tf.TensorSpec((None,), tf.string)],
            autograph=False,
        )
        self._flip = flip

    def __call__(self, photos: Sequence[bytes]) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
        """Probabilities `(photos, classes)`, distances and whether each could be read `(photos,)`."""
        encoded = tf.constant(list(photos), tf.string)
        if self._flip:
            squares, readable = self._squares(encoded)
            both = [self._answer_pixels(pixels=one) for one in (squares, squares[:, :, ::-1])]
            plain, mirrored = (said["probabilities"].numpy() for said in both)
            distances = (_distances(both[0]) + _distances(both[1])) / 2
            return (plain + mirrored) / 2, distances, readable.numpy()
        said = self._answer(images=encoded)
        return said["probabilities"].numpy(), _distances(said), said["class_index"].numpy() >= 0


def _distances(said: dict[str, Any]) -> npt.NDArray:
    if "distance" in said:
        return said["distance"].numpy()
    return np.full(said["probability"].shape, np.nan, np.float32)


def predict(
    paths: str | Path | Sequence[str | Path],
    *,
    run: runs.Run | str | Path | None = None,
    top: int = 5,
    flip: bool = False,
    threshold: float | None = None,
    target_precision: float | None = None,
    target_coverage: float | None = None,
    batch_size: int = 32,
    root: str | Path = "saved_models",
    progress: Progress = SILENT,
) -> pd.DataFrame:
    """Classify photos.

    Files are read ahead in a thread while the model works; no more than two batches of them are
    in memory at a time.

    Args:
        paths: Files, folders (with all that is below them) and globs, mixed.
        run: A run, its folder, its name under `root`, or the folder of a bare SavedModel that
            `export` wrote; by default the latest finished run under `root`.
        top: How many classes to name per photo, at most as many as there are.
        flip: Answer with the mean of the probabilities of a photo and of its mirror image, for
            twice the time. Not where left and right matter, as in text.
        threshold: Below which probability an answer is unsure, 0..1; by default what the SavedModel
            holds.
        target_precision: In its place, the share of the answers that is to be right; the threshold
            then comes from the run's validation photos, see docs/calibration.md.
        target_coverage: In its place, the share of photos that is to be answered.
        batch_size: Photos per call of the model.
        root: The folder of run folders.
        progress: Who watches.

    Returns:
        One row per file, in the order found: `path`; `answer`, the most probable class or
        `"unsure"`; `label` and `probability` of the most probable class; `label_2`,
        `probability_2` and so on; `unsure`; `unlike`, whether it is unlike anything in training,
        and the `distance` that tells, above 1 where so (NaN in a SavedModel that cannot tell); and
        `error`, which is `None`, or why the file could not be read (then the other columns are
        empty).

    Raises:
        DatasetError: There is no file to look at.
        DecodeError: Not one of the files could be read.
        RunError: There is no such run, its SavedModel is damaged, or its validation photos do not
            show that a target is reached.

    Example:

    ```python
    table = predict(["photo.jpg", "more_photos/"], run="clothing-efficientnet_lite0", top=3)
    ```
    """
    for name, number in {"top": top, "batch_size": batch_size}.items():
        if number < 1:
            raise ValueError(f"Expected a number of 1 or more. Received: {name}={number}")
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"A threshold is a number from 0 to 1. Received: threshold={threshold}")
    files = find(paths)
    found = _found(run, Path(root))
    if target_precision is not None or target_coverage is not None:
        if threshold is not None:
            raise ValueError(
                "Expected either a threshold or a target to choose one for. Received: "
                f"threshold={threshold}, target_precision={target_precision}, "
                f"target_coverage={target_coverage}"
            )
        threshold = thresholds.of_run(found, Target.of(target_precision, target_coverage))
    directory = found.saved_model_path if isinstance(found, runs.Run) else found
    classifier = _Classifier(directory, flip=flip)
    threshold = classifier.threshold if threshold is None else threshold
    parts: list[pd.DataFrame] = []
    batches = _batches(files, batch_size)
    with (
        ThreadPoolExecutor(1, "read-ahead") as reader,
        progress.task("Predicting", total=len(files)) as task,
    ):
        following: Future[list[_Photo]] = reader.submit(next, batches, [])
        while batch := following.result():
            following = reader.submit(next, batches, [])
            probabilities, distances, errors = _answers(classifier, batch)
            # Only what will be shown is kept: of a thousand classes, five.
            part = answers_table(
                [photo.path for photo in batch],
                probabilities,
                classifier.class_names,
                errors,
                top,
                threshold=threshold,
                distances=distances,
            )
            parts.append(part)
            task.advance(len(batch))
    table = pd.concat(parts, ignore_index=True)
    tell_errors(table, progress)
    return table


def _found(run: runs.Run | str | Path | None, root: Path) -> runs.Run | Path:
    """A run, or the folder of a bare SavedModel."""
    if (
        run is not None
        and not isinstance(run, runs.Run)
        and (Path(run) / "saved_model.pb").is_file()
    ):
        return Path(run)
    return runs.load(run, root)


def _batches(files: Sequence[Path], batch_size: int) -> Iterator[list[_Photo]]:
    batch: list[_Photo] = []
    for file in files:
        batch.append(_read(file))
        if len(batch) == batch_size or sum(len(photo.data) for photo in batch) > _BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _read(path: Path) -> _Photo:
    try:
        if not path.exists():
            return _Photo(path, error="there is no such file")
        if not path.is_file():
            return _Photo(path, error="not a regular file")
        if path.stat().st_size > _FILE_BYTES:
            return _Photo(path, error="larger than 1 GiB, which no photo is")
        data = path.read_bytes()
        decoder = route(data)
        return _Photo(path, servable(data, decoder), resort=decoder == "graph")
    except DecodeError as error:
        return _Photo(path, error=str(error))
    except OSError as error:
        return _Photo(path, error=error.strerror or str(error))


def _answers(
    classifier: _Classifier, batch: Sequence[_Photo]
) -> tuple[npt.NDArray, npt.NDArray, list[str | None]]:
    errors = [photo.error for photo in batch]
    probabilities = np.zeros((len(batch), len(classifier.class_names)), np.float32)
    distances = np.full(len(batch), np.nan, np.float32)

    def ask(photos: dict[int, bytes]) -> None:
        """Fill in the rows of `photos`, with an error for those that could not be read."""
        if not photos:
            return
        places = list(photos)
        probabilities[places], distances[places], readable = classifier(list(photos.values()))
        for at, read in zip(places, readable, strict=True):
            errors[at] = None if read else "it cannot be decoded"

    asked = {at: photo.data for at, photo in enumerate(batch) if photo.error is None}
    ask(asked)
    resort = {}
    for at in asked:
        if errors[at] is not None and batch[at].resort:
            try:
                resort[at] = servable(batch[at].data, "pillow")
            except DecodeError as error:
                errors[at] = str(error)
    ask(resort)
    return probabilities, distances, errors
