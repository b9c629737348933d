"""Backbones from KerasHub's presets, `hub:PRESET`, with their image converter's scaling inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import keras_hub

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
from tlearn.errors import BackboneError

__all__ = ["build_hub_preset"]

_REMOTE = ("kaggle://", "hf://", "modelscope://")


def build_hub_preset(
    row: Backbone, *, weights: str | Path, image_size: int | None, include_top: bool
) -> keras.Model:
    """Build a KerasHub preset; see `tlearn.backbones.build`.

    A folder that holds a preset must hold its `image_converter.json` too: without it nobody knows
    what its network takes.
    """
    check_can_be_built(row, weights=weights, include_top=include_top)
    folder = local_preset(row.function)
    source = str(folder) if folder else row.function
    if folder:
        try:
            network, converter = _load(source, weights, image_size)
        # A folder can be broken in as many ways as it has files.
        except Exception as error:
            raise BackboneError(
                "The preset's folder cannot be read as a KerasHub backbone with an image "
                f"converter ({' '.join(str(error).split())[:300]}). Expected what "
                "backbone.save_to_preset and image_converter.save_to_preset write. "
                f"Received: preset={row.function!r}"
            ) from error
    else:
        known = keras_hub.models.Backbone.presets
        if row.function not in known and not row.function.startswith(_REMOTE):
            raise unknown_preset(row, known)
        with downloading(row):
            network, converter = _load(source, weights, image_size)
    size = image_size or _own_size(network, converter)
    return as_plain_backbone(network, image_size=size, scaling=_scaling_of(converter))


def _load(source: str, weights: str | Path, image_size: int | None) -> tuple[keras.Model, Any]:
    converter = keras_hub.layers.ImageConverter.from_preset(source)
    load_weights = weights == "imagenet"
    network = keras_hub.models.Backbone.from_preset(source, load_weights=load_weights)
    # Networks of patches have one size built in, and place their patches anew for another.
    if image_size and _fixed_size(network) not in (None, image_size):
        network = keras_hub.models.Backbone.from_preset(
            source, load_weights=load_weights, image_shape=(image_size, image_size, 3)
        )
    return network, converter


def _own_size(network: keras.Model, converter: Any) -> int:
    size = converter.image_size[0] if converter.image_size else None
    return _fixed_size(network) or size or DEFAULT_IMAGE_SIZE


def _fixed_size(network: keras.Model) -> int | None:
    (pixels,) = keras.tree.flatten(network.input)
    return pixels.shape[1]


def _scaling_of(converter: Any) -> scaling.Scaling:
    scale = 1.0 if converter.scale is None else converter.scale
    offset = 0.0 if converter.offset is None else converter.offset
    return scaling.linear(scale, offset)
