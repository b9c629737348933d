"""The head of a classifier: from a backbone's last feature map to the probabilities of classes."""

from __future__ import annotations

import keras

from tlearn.errors import BackboneError

__all__ = ["attach"]


def attach(backbone: keras.Model, num_classes: int, *, dropout: float = 0.2) -> keras.Model:
    """Put pooling, dropout, logits and softmax on a backbone.

    The softmax works in float32 whatever the backbone works in: in float16 the small
    probabilities of many classes are rounded away.

    Args:
        backbone: A functional model from pixels to a feature map `(batch, height, width,
            channels)` or to features `(batch, features)`. Its layers and weights are shared, not
            copied.
        num_classes: Number of classes, 2 or more.
        dropout: Fraction of the features that is dropped in training, from 0 up to 1.

    Returns:
        A flat functional model from the same pixels to `(batch, num_classes)` float32
        probabilities. Its new layers are named `head_pooling`, `head_dropout`, `logits` and
        `probabilities`.

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
    x = keras.layers.Dropout(dropout, name="head_dropout")(x)
    x = keras.layers.Dense(num_classes, name="logits")(x)
    x = keras.layers.Activation("softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(backbone.input, x, name=backbone.name)
