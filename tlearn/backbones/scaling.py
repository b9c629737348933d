"""Input scaling: from raw pixels to what a network was trained on, as layers of the model.

`keras.applications` has a `preprocess_input` per network, which training must call and serving
must not forget. Here the same arithmetic is part of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np

__all__ = ["Scaling", "centred_blue_first", "linear", "opening_of", "standardised"]

Scaling = Callable[[keras.KerasTensor], keras.KerasTensor]

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


def linear(scale: float | Sequence[float], offset: float | Sequence[float]) -> Scaling:
    """Make `pixels * scale + offset`, with one number or one per channel."""
    return keras.layers.Rescaling(scale, offset=offset, name="input_scaling")


def standardised() -> Scaling:
    """Make `(pixels / 255 - mean) / deviation` with ImageNet's mean and deviation per channel."""
    return linear(
        scale=[1 / (255 * deviation) for deviation in _IMAGENET_DEVIATION],
        offset=[
            -mean / deviation
            for mean, deviation in zip(_IMAGENET_MEAN, _IMAGENET_DEVIATION, strict=True)
        ],
    )


def centred_blue_first() -> Scaling:
    """Make `pixels - mean` in the order blue, green, red, as networks from Caffe were trained."""
    centre = linear(scale=[1.0, 1.0, 1.0], offset=[-mean for mean in _CAFFE_MEAN_BGR])
    return lambda pixels: centre(keras.ops.flip(pixels, axis=-1))


def opening_of(model: keras.Model) -> Scaling:
    """Make what the scaling layers do, all together, that a model opens with.

    Keras divides by the root of the deviation once more when it loads its own weights of the first
    EfficientNets: in their files the deviation stands where the variance belongs. The same is done
    here when such a file was loaded by its path, for which Keras does not.

    Args:
        model: A model that opens with `Rescaling` and `Normalization` layers.
    """
    scale, offset = np.ones(3), np.zeros(3)
    misnamed, divided_again = False, False
    for layer in model.layers[1:]:
        if isinstance(layer, keras.layers.Normalization):
            mean, variance = (np.asarray(value) for value in layer.get_weights()[:2])
            misnamed = np.allclose(variance, _IMAGENET_DEVIATION, atol=1e-4)
            factor = 1 / np.sqrt(variance)
            scale, offset = scale * factor, (offset - mean) * factor
        elif isinstance(layer, keras.layers.Rescaling):
            divided_again = misnamed
            scale, offset = scale * layer.scale, offset * layer.scale + layer.offset
        else:
            break
    if misnamed and not divided_again:
        factor = 1 / np.sqrt(_IMAGENET_DEVIATION)
        scale, offset = scale * factor, offset * factor
    return linear(scale.tolist(), offset.tolist())
