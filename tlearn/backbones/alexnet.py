"""AlexNet, the network that began it all, for a weights file of torchvision's.

Krizhevsky, Sutskever and Hinton (2012) in the form of Krizhevsky's "One weird trick for
parallelizing convolutional neural networks" (2014, arXiv:1404.5997), as torchvision has it: 64, 192,
384, 256 and 256 filters, no normalisation, two wide layers of 4096. It is here for comparison with
published results, and to show how far networks have come.

Without its ImageNet head the network ends with its second wide layer, fc7, and not with its last
feature map. These are the features that Donahue et al. carried over to other tasks (DeCAF 7, 2014,
arXiv:1310.1531), and Razavian et al. those of such a layer of OverFeat (2014, arXiv:1403.6382): nine
tenths of the pretrained weights lie behind the map, and its mean over all places would be 256 numbers.

Layer names open with their block:

```
input_scaling
block1_pad  block1_conv  block1_relu  block1_pool
block2_conv  block2_relu  block2_pool
block3_conv  block3_relu  block4_conv  block4_relu
block5_conv  block5_relu  block5_pool
block6_flatten  block6_dropout  block6_dense  block6_relu       (fc6)
block7_dropout  block7_dense  block7_relu                       (fc7)
predictions                                                     (only with the ImageNet head)
```
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from tlearn.backbones import scaling, torch_weights
from tlearn.errors import BackboneError

__all__ = ["alexnet", "assign"]

_OWN_IMAGE_SIZE = 224
# Of smaller photos nothing is left after the last pooling.
_SMALLEST_IMAGE_SIZE = 63
_SIDE_OF_THE_MAP = 6
_WIDTH = 4096

# In torchvision's Sequentials the layers between these have no weights.
_TORCH_NAMES = {
    "block1_conv": "features.0",
    "block2_conv": "features.3",
    "block3_conv": "features.6",
    "block4_conv": "features.8",
    "block5_conv": "features.10",
    "block6_dense": "classifier.1",
    "block7_dense": "classifier.4",
    "predictions": "classifier.6",
}


def alexnet(*, image_size: int | None = None, include_top: bool = False) -> keras.Model:
    """Build AlexNet with random weights, on raw pixels.

    Photos of other sizes than its own reach the wide layers by the means over 6 times 6 windows of
    the last feature map, as PyTorch's `AdaptiveAvgPool2d` takes them.

    Args:
        image_size: Height and width of the photos, 63 or more. Defaults to 224.
        include_top: Whether the ImageNet head is there too.

    Returns:
        A flat functional model from `(batch, image_size, image_size, 3)` pixels in 0..255 to the
        features of fc7, `(batch, 4096)` and none below 0, or with `include_top` to
        `(batch, 1000)` float32 probabilities.

    Raises:
        BackboneError: If the photos are too small.

    Example:

    ```python
    alexnet().output_shape  # (None, 4096)
    ```
    """
    size = image_size or _OWN_IMAGE_SIZE
    if size < _SMALLEST_IMAGE_SIZE:
        raise BackboneError(
            f"The photos are too small for alexnet. Expected {_SMALLEST_IMAGE_SIZE} pixels or "
            f"more; it was trained on {_OWN_IMAGE_SIZE}. Received: image_size={size!r}"
        )
    inputs = keras.Input((size, size, 3), name="pixels")
    x = scaling.standardised()(inputs)
    # Keras's own padding of a stride of four is not the same on both sides, PyTorch's is.
    x = keras.layers.ZeroPadding2D(2, name="block1_pad")(x)
    x = _pooled(_convolution(x, 1, 64, kernel=11, strides=4, padding="valid"), 1)
    x = _pooled(_convolution(x, 2, 192, kernel=5), 2)
    x = _convolution(x, 3, 384, kernel=3)
    x = _convolution(x, 4, 256, kernel=3)
    x = _adaptive_average(_pooled(_convolution(x, 5, 256, kernel=3), 5))
    # Not a Flatten: what follows the last one of a model counts as its head.
    x = keras.layers.Reshape((_SIDE_OF_THE_MAP**2 * x.shape[-1],), name="block6_flatten")(x)
    x = _wide(_wide(x, 6), 7)
    if include_top:
        x = keras.layers.Dense(1000, activation="softmax", dtype="float32", name="predictions")(x)
    return keras.Model(inputs, x, name="alexnet")


def assign(model: keras.Model, state: Mapping[str, np.ndarray]) -> None:
    """Set the weights of an `alexnet` model from torchvision's state dict.

    PyTorch flattens a map channel by channel and Keras place by place, so that the inputs of fc6
    are put into the other order.

    Args:
        model: What `alexnet` returned, with or without the ImageNet head.
        state: Arrays by their PyTorch names, such as `features.0.weight`.

    Raises:
        BackboneError: If a tensor is missing or has another shape.
    """
    fc6 = f"{_TORCH_NAMES['block6_dense']}.weight"
    side = _SIDE_OF_THE_MAP
    if fc6 in state and state[fc6].ndim == 2 and state[fc6].shape[1] % side**2 == 0:
        outputs, inputs = state[fc6].shape
        by_place = state[fc6].reshape(outputs, -1, side, side).transpose(0, 2, 3, 1)
        state = {**state, fc6: by_place.reshape(outputs, inputs)}
    torch_weights.assign(
        model,
        state,
        lambda layer: _TORCH_NAMES[layer.name],
        expected="the state dict of torchvision's alexnet",
    )


def _convolution(
    x: keras.KerasTensor,
    block: int,
    filters: int,
    *,
    kernel: int,
    strides: int = 1,
    padding: str = "same",
) -> keras.KerasTensor:
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        padding=padding,
        kernel_initializer="he_normal",
        name=f"block{block}_conv",
    )(x)
    return keras.layers.ReLU(name=f"block{block}_relu")(x)


def _pooled(x: keras.KerasTensor, block: int) -> keras.KerasTensor:
    return keras.layers.MaxPooling2D(3, strides=2, name=f"block{block}_pool")(x)


def _wide(x: keras.KerasTensor, block: int) -> keras.KerasTensor:
    x = keras.layers.Dropout(0.5, name=f"block{block}_dropout")(x)
    x = keras.layers.Dense(_WIDTH, kernel_initializer="he_normal", name=f"block{block}_dense")(x)
    return keras.layers.ReLU(name=f"block{block}_relu")(x)


def _adaptive_average(x: keras.KerasTensor) -> keras.KerasTensor:
    size, side = x.shape[1], _SIDE_OF_THE_MAP
    if size == side:
        return x
    # Window i goes from i * size / side, rounded down, to (i + 1) * size / side, rounded up.
    shares = np.zeros((side, size), np.float32)
    for window, share in enumerate(shares):
        begin, end = window * size // side, -(-(window + 1) * size // side)
        share[begin:end] = 1 / (end - begin)
    x = keras.ops.einsum("bhwc,ih->biwc", x, shares)
    return keras.ops.einsum("bhwc,iw->bhic", x, shares)
