"""Name what is on photos with a pretrained network's own head: ImageNet's classes, no training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from tlearn.backbones import build, imagenet_class_names
from tlearn.errors import DecodeError
from tlearn.photos.decoding import check, load, resize, route, smallest_for
from tlearn.prediction.answers import answers_table, tell_errors
from tlearn.prediction.finding import find
from tlearn.progress import SILENT, Progress

__all__ = ["classify"]

_BATCH_SIZE = 16
# How the networks were trained and measured: the middle of the photo.
_RESIZE_MODE = "crop"


def classify(
    paths: str | Path | Sequence[str | Path],
    *,
    backbone: str = "efficientnet",
    weights: str | Path = "imagenet",
    top: int = 5,
    progress: Progress = SILENT,
) -> pd.DataFrame:
    """Name ImageNet's classes on photos, the likeliest first.

    Args:
        paths: Files, folders and globs.
        backbone: A backbone with an ImageNet head: a bundled one or one of `keras.applications`.
        weights: `"imagenet"`, or the path of a weights file with the head.
        top: How many classes to name, 1 to 1000.
        progress: Who watches.

    Returns:
        One row per file: `path`, `label`, `probability`, `label_2`, `probability_2`, ..., `error`.
        A file that cannot be read has its reason there and nothing else.

    Raises:
        BackboneError: If there is no such backbone, or it has no ImageNet head.
        WeightsUnavailable: If its pretrained weights cannot be had on this machine.
        DatasetError: If `paths` names no file.
        DecodeError: If not one of the files can be read.

    Example:

    ```python
    classify(["photo.jpg"]).label[0]  # "Egyptian cat"
    ```
    """
    if not 1 <= top <= 1000:
        raise ValueError(f"Expected to name from 1 to 1000 classes. Received: top={top!r}")
    files = find(paths)
    model = build(backbone, weights=weights, include_top=True)
    parts = []
    with progress.task("Classifying", total=len(files)) as task:
        for start in range(0, len(files), _BATCH_SIZE):
            batch = files[start : start + _BATCH_SIZE]
            probabilities, errors = _answers(model, batch)
            # Only what will be shown is kept: of a thousand classes, five.
            parts.append(answers_table(batch, probabilities, imagenet_class_names(), errors, top))
            task.advance(len(batch))
    table = pd.concat(parts, ignore_index=True)
    tell_errors(table, progress)
    return table


def _answers(model: keras.Model, batch: Sequence[Path]) -> tuple[npt.NDArray, list[str | None]]:
    probabilities = np.zeros((len(batch), 1000), np.float32)
    errors: list[str | None] = [None] * len(batch)
    photos = {}
    for index, path in enumerate(batch):
        try:
            photos[index] = _read(path, model.input_shape[1])
        except DecodeError as error:
            errors[index] = str(error)
    if photos:
        probabilities[list(photos)] = model.predict_on_batch(np.stack(list(photos.values())))
    return probabilities, errors


def _read(path: Path, size: int) -> npt.NDArray:
    if not path.exists():
        raise DecodeError("there is no such file")
    if not path.is_file():
        raise DecodeError("not a regular file")
    try:
        data = path.read_bytes()
        decoder = check(data, route(data))
        image = load(tf.constant(str(path)), tf.constant(decoder), smallest_for(size))
    except OSError as error:
        raise DecodeError(error.strerror or str(error)) from error
    except tf.errors.OpError as error:
        raise DecodeError("it cannot be decoded") from error
    return resize(image, size, _RESIZE_MODE).numpy()
