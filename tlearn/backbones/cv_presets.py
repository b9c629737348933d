"""Backbones from KerasCV's presets, `keras_cv:PRESET`; needs the extra `keras-cv`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import keras

from tlearn.backbones import scaling
from tlearn.backbones.downloads import downloading
from tlearn.backbones.presence import local_preset
from tlearn.backbones.presets import (
    DEFAULT_IMAGE_SIZE,
    as_plain_backbone,
    check_can_be_built,
    unknown_preset,
)
from tlearn.backbones.table import Backbone
from tlearn.errors import BackboneError, MissingExtra

__all__ = ["build_cv_preset"]


def build_cv_preset(
    row: Backbone, *, weights: str | Path, image_size: int | None, include_top: bool
) -> keras.Model:
    """Build a KerasCV preset; see `tlearn.backbones.build`.

    KerasCV's networks take pixels in 0..255 when their preset says `include_rescaling`, and in
    0..1 when it does not.
    """
    check_can_be_built(row, weights=weights, include_top=include_top)
    keras_cv = _keras_cv(row)
    folder = local_preset(row.function)
    load_weights = None if weights == "imagenet" else False
    if folder:
        try:
            network = keras_cv.models.Backbone.from_preset(str(folder), load_weights=load_weights)
        # A folder can be broken in as many ways as it has files.
        except Exception as error:
            raise BackboneError(
                "The preset's folder cannot be read as a KerasCV backbone "
                f"({' '.join(str(error).split())[:300]}). Expected what KerasCV's save_to_preset "
                f"writes. Received: preset={row.function!r}"
            ) from error
    else:
        owner = _class_that_knows(keras_cv, row)
        with downloading(row):
            network = owner.from_preset(row.function, load_weights=load_weights)
    (pixels,) = keras.tree.flatten(network.input)
    size = image_size or pixels.shape[1] or DEFAULT_IMAGE_SIZE
    scaled_inside = bool(getattr(network, "include_rescaling", False))
    scale = scaling.linear(1.0 if scaled_inside else 1 / 255, 0.0)
    return as_plain_backbone(network, image_size=size, scaling=scale)


def _keras_cv(row: Backbone) -> Any:
    try:
        return importlib.import_module("keras_cv")
    except ModuleNotFoundError as error:
        raise MissingExtra("keras-cv", "keras-cv", f"The backbone {row.name}") from error


def _class_that_knows(keras_cv: Any, row: Backbone) -> Any:
    classes = [value for name, value in vars(keras_cv.models).items() if name.endswith("Backbone")]
    known = {preset for owner in classes for preset in owner.presets_with_weights}
    for owner in classes:
        if row.function in owner.presets:
            return owner
    raise unknown_preset(row, known)
