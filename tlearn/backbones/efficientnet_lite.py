"""EfficientNet-Lite 0 to 4, the EfficientNets for small devices.

The network is EfficientNet made fit for small devices: ReLU6 in place of swish, no squeeze and
excitation, a stem and a head of fixed width. It follows `efficientnet_lite_builder.py` of
https://github.com/tensorflow/tpu; pixels are scaled by `(pixel - 127) / 128`, as there. The weights
are put into it by `efficientnet_lite_weights`.

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
from collections.abc import Iterator
from dataclasses import dataclass

import keras

__all__ = ["VARIANTS", "efficientnet_lite"]


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
    "efficientnet_lite3": _Variant(width=1.2, depth=1.4, image_size=280, dropout=0.3),
    "efficientnet_lite4": _Variant(width=1.4, depth=1.8, image_size=300, dropout=0.3),
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
