"""Backbones whose weights come as Python packages, so that they need no download of their own."""

from __future__ import annotations

from pathlib import Path

import keras

from tlearn.backbones.efficientnet_lite import assign, efficientnet_lite
from tlearn.backbones.presence import bundled_file
from tlearn.backbones.table import Backbone
from tlearn.backbones.torch_checkpoint import load_state_dict

__all__ = ["build_bundled"]


def build_bundled(
    row: Backbone, *, weights: str | Path, image_size: int | None, include_top: bool
) -> keras.Model:
    """Build a bundled backbone; see `tlearn.backbones.build`.

    A weights file may be a PyTorch state dict with the names that the packages use.
    """
    model = efficientnet_lite(row.name, image_size=image_size, include_top=include_top)
    if weights == "imagenet":
        assign(model, load_state_dict(bundled_file(row)))
    elif weights != "random":
        assign(model, load_state_dict(Path(weights).expanduser()))
    return model
