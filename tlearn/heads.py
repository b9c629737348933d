"""The head of a classifier: from a backbone's feature maps to the probabilities of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tlearn.errors import BackboneError

__all__ = ["DEPTH", "HEADS", "JOINED", "LOGITS", "SCALING", "attach", "check"]

# What the head looks at: the last feature map, or those of the last half of the blocks.
HEADS = ("last", "depths")

# Names of layers by which a head that looks at several depths is known again.
DEPTH = "head_depth_"
JOINED = "head_depths"
SCALING = "head_scaling"
# The last layer with weights: a dense one without an activation.
LOGITS = "logits"


def attach(
    backbone: keras.Model, num_classes: int, *, depths: Sequence[Any] = (), dropout: float = 0.2
) -> keras.Model:
    """Put pooling, dropout, logits and softmax on a backbone.

    The softmax works in float32 whatever the backbone works in: in float16 the small
    probabilities of many classes are rounded away.

    Args:
        backbone: A functional model from pixels to a feature map `(batch, height, width,
            channels)` or to features `(batch, features)`. Its layers and weights are shared, not
            copied.
        num_classes: Number of classes, 2 or more.
        depths: Feature maps of earlier blocks whose means the head sees as well, as `stages.freezing.depths`
            gives them (Head2Toe, Evci et al. 2022, with one mean for each channel). Where a stage solves
            the head, each map is brought to the same mean square first.
        dropout: Fraction of the features that is dropped in training, from 0 up to 1.

    Returns:
        A flat functional model from the same pixels to `(batch, num_classes)` float32
        probabilities. Its new layers are named `head_pooling`, `head_dropout`, `logits` and
        `probabilities`; with `depths` also `head_depth_0` and so on, `head_depths` and
        `head_scaling`.

    Raises:
        BackboneError: If the backbone's output has another shape.

    Example:

    ```python
    model = attach(tlearn.backbones.build("efficientnet_lite0"), num_classes=10)
    ```
    """
    if num_classes < 2:
        raise ValueError(
            f"A classifier tells at least 2 classes apart. Received: num_classes={num_classes!r}"
        )
    x = backbone.output
    if not isinstance(x, keras.KerasTensor) or len(x.shape) not in (2, 4):
        raise BackboneError(
            "A head cannot be put on this backbone. Expected one output of shape (batch, height, "
            "width, channels) or (batch, features). "
            f"Received: backbone.output_shape={backbone.output_shape}"
        )
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D(name="head_pooling")(x)
    if depths:
        means = [
            keras.layers.GlobalAveragePooling2D(name=f"{DEPTH}{place}")(one)
            for place, one in enumerate(depths)
        ]
        x = keras.layers.Concatenate(name=JOINED)([*means, x])
        # It does not train; its numbers are set when the head is solved.
        x = keras.layers.BatchNormalization(
            center=False, scale=False, epsilon=1e-6, name=SCALING, trainable=False
        )(x)
    x = keras.layers.Dropout(dropout, name="head_dropout")(x)
    x = keras.layers.Dense(num_classes, name=LOGITS)(x)
    x = keras.layers.Activation("softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(backbone.input, x, name=backbone.name)


def check(head: str) -> None:
    """Refuse what no head looks at.

    Args:
        head: One of `HEADS`.

    Raises:
        ValueError: It is something else.
    """
    if head not in HEADS:
        raise ValueError(
            "Expected a head that looks at the last feature map, 'last', or at those of several "
            f"blocks, 'depths'. Received: head={head!r}"
        )
