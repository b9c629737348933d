"""The surest mistakes with what spoke for each class, as pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from tlearn.explaining.class_activation import ClassActivation, last_map
from tlearn.pages.thumbnails import jpeg
from tlearn.photos import pipeline

__all__ = ["COLUMNS", "MOST", "SIDE", "of_mistakes", "overlay"]

MOST = 24
COLUMNS = ("path", "crop", "for_predicted", "for_label")
SIDE = 160
_STRENGTH = 0.6  # of the colours over the photo, where a map is at its maximum
_COLOURS = "inferno"  # as bright as strong, also in grey and for every kind of colour vision


def of_mistakes(
    model: keras.Model,
    examples: pd.DataFrame,
    predictions: pd.DataFrame,
    class_names: Sequence[str],
    in_order: Callable[[pd.DataFrame], Any],
) -> pd.DataFrame:
    """Lay over the surest mistakes what spoke for the class predicted, and for the right one.

    Args:
        model: The classifier in float32.
        examples: The photos: columns `path`, `label`, `decoder`.
        predictions: What the classifier says of them, in the same order: columns `label`,
            `predicted`, `correct`, `probability`.
        class_names: The classes, in the model's order.
        in_order: From a table of photos to batches of what the model sees.

    Returns:
        A row for each of at most `MOST` mistakes, the surest first: `path`, and as JPEG of the very square
        that the model sees `crop`, `for_predicted` and `for_label`. No row for a network without
        a feature map before its head; see `ClassActivation`.
    """
    wrong = predictions[~predictions["correct"].to_numpy(dtype=bool)]
    wrong = wrong.sort_values("probability", ascending=False, kind="stable").head(MOST)
    if wrong.empty or last_map(model) is None:
        return pd.DataFrame({name: pd.Series([], dtype=object) for name in COLUMNS})
    photos = examples.loc[wrong.index].reset_index(drop=True)
    look = ClassActivation(model)
    predicted = pipeline.class_numbers(
        wrong[["predicted"]].set_axis(["label"], axis=1), class_names
    )
    rows, done = [], 0
    for images, labels in in_order(photos):
        pixels = np.asarray(images, dtype=np.float32)
        answered = predicted[done : done + len(pixels)]
        maps = zip(look(pixels, answered), look(pixels, labels), strict=True)
        for place, (for_predicted, for_label) in enumerate(maps):
            square = np.clip(np.rint(pixels[place]), 0, 255).astype(np.uint8)
            rows.append(
                (
                    photos["path"].iloc[done + place],
                    jpeg(_sized(square)),
                    jpeg(overlay(square, for_predicted)),
                    jpeg(overlay(square, for_label)),
                )
            )
        done += len(pixels)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def overlay(square: NDArray[np.uint8], map_: NDArray[np.float32]) -> Image.Image:
    """Lay a map over a photo: the stronger, the brighter and the less of the photo is left.

    Args:
        square: `(side, side, 3)`.
        map_: `(height, width)`, 0..1.

    Returns:
        The picture.
    """
    from matplotlib import colormaps

    photo = np.asarray(_sized(square), dtype=np.float32)
    grown = Image.fromarray(map_).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    strength = np.clip(np.asarray(grown), 0, 1)
    colours = 255 * colormaps[_COLOURS](strength)[..., :3]
    share = (_STRENGTH * strength)[..., None]
    # What the map passes over is darkened, so that what is bright stands out on bright photos too.
    mixed = (1 - share) * photo * (0.45 + 0.55 * strength[..., None]) + share * colours
    return Image.fromarray(np.clip(np.rint(mixed), 0, 255).astype(np.uint8))


def _sized(square: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(square).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
