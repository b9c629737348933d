"""Photos as pixels: training photos that set the ranges of int8, and the photos of the proof."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from tlearn.errors import ExportError
from tlearn.photos import decoding
from tlearn.runs import Run

__all__ = ["CALIBRATION_PHOTOS", "calibration", "decoded", "photos_of", "squares"]

CALIBRATION_PHOTOS = 200

Pixels = npt.NDArray[np.generic]


def photos_of(run: Run, split: str) -> pd.DataFrame:
    """The photos of a split, which must be where they were.

    Args:
        run: A finished run.
        split: `"train"`, `"validation"` or `"test"`.

    Returns:
        Columns `path`, `label`, `digest`, `decoder`, in the order of `splits.csv`.

    Raises:
        ExportError: A photo is gone.
    """
    return _present(run.splits[run.splits["split"] == split].reset_index(drop=True), split)


def _present(rows: pd.DataFrame, split: str) -> pd.DataFrame:
    gone = [path for path in rows["path"] if not Path(path).is_file()]
    if gone or rows.empty:
        raise ExportError(
            f"The photos that the run was made with are needed, and {len(gone):,} of "
            f"{len(rows):,} {split} photos are not there. Expected them where they were when it was "
            "trained: a file is not exported without its answers to the test photos, and int8 needs "
            f"training photos besides. Received: path={gone[:1]!r}"
        )
    return rows


def calibration(run: Run, count: int = CALIBRATION_PHOTOS) -> Pixels:
    """Training photos as squares; never one of those that judge.

    They are as many of each class as there are, up to an equal share, and the same in each call.

    Args:
        run: A finished run.
        count: About how many.

    Returns:
        float32 `(photos, size, size, 3)`, 0..255.

    Raises:
        ExportError: Training photos are gone, or changed.
    """
    train = run.splits[run.splits["split"] == "train"].sort_values("digest", kind="stable")
    share = max(1, -(-count // max(1, train["label"].nunique())))
    photos = _present(train.groupby("label", sort=False).head(share), "train")
    size, mode = int(run.info["image_size"]), str(run.info["resize_mode"])
    return np.stack([squares(pixels, size, mode) for pixels in decoded(photos, size)])


def decoded(photos: pd.DataFrame, size: int) -> Iterator[Pixels]:
    """Each photo by the one decoder, upright.

    Args:
        photos: Columns `path`, `decoder`, `digest`.
        size: The side of the squares that will be made of them.

    Returns:
        uint8 `(height, width, 3)`, one after another.

    Raises:
        ExportError: A photo is no longer the one that the run has seen.
    """
    smallest = decoding.smallest_for(size)
    load = tf.function(
        lambda path, decoder: decoding.load(path, decoder, smallest),
        input_signature=[tf.TensorSpec((), tf.string)] * 2,
        autograph=False,
    )
    for path, decoder, digest in zip(
        photos["path"], photos["decoder"], photos["digest"], strict=True
    ):
        try:
            data = Path(path).read_bytes()
            if hashlib.sha256(data).hexdigest() != digest:
                raise ExportError(
                    "A photo has changed since the run was trained. Expected the same bytes, since "
                    f"otherwise nothing is proven. Received: path={path!r}"
                )
            yield load(tf.constant(path), tf.constant(decoder)).numpy()
        except (OSError, tf.errors.OpError) as error:
            raise ExportError(
                "A photo that the run was made with can no longer be read. Expected the photos "
                f"where they were when it was trained. Received: path={path!r} ({error})"
            ) from error


def squares(pixels: Pixels, size: int, mode: str) -> Pixels:
    """One decoded photo as the network sees it: float32 `(size, size, 3)`."""
    resized: Pixels = decoding.resize(tf.constant(pixels), size, mode).numpy()
    return resized
