"""The networks that tlearn builds itself: their weights are PyTorch files, in packages or given."""

from __future__ import annotations

from pathlib import Path

import keras

from tlearn.backbones import alexnet, efficientnet_lite, efficientnet_lite_weights
from tlearn.backbones.presence import bundled_file
from tlearn.backbones.table import Backbone
from tlearn.backbones.torch_checkpoint import load_state_dict

__all__ = ["build_own"]


def build_own(
    row: Backbone, *, weights: str | Path, image_size: int | None, include_top: bool
) -> keras.Model:
    """Build a network of tlearn's own; see `tlearn.backbones.build`.

    A weights file is a PyTorch state dict with the names that the packages use, or those of
    torchvision and timm.
    """
    path = None
    if weights == "imagenet":
        path = bundled_file(row)
    elif weights != "random":
        path = Path(weights).expanduser()
    if row.family == "alexnet":
        model = alexnet.alexnet(image_size=image_size, include_top=include_top)
        assign = alexnet.assign
    else:
        model = efficientnet_lite.efficientnet_lite(
            row.name, image_size=image_size, include_top=include_top
        )
        assign = efficientnet_lite_weights.assign
    if path is not None:
        assign(model, load_state_dict(path))
    return model
