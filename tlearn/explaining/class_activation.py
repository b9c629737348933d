"""Grad-CAM: where on a photo a network found what speaks for a class.

Source: R. R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh and D. Batra, "Grad-CAM: Visual
Explanations from Deep Networks via Gradient-based Localization", ICCV 2017.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

from tlearn import precision as precisions
from tlearn.networks import graph

__all__ = ["ClassActivation", "last_map"]

LOGITS = "logits"


class ClassActivation:
    """Grad-CAM on a flat classifier.

    The last feature map is weighted, channel by channel, by the mean over the map of the gradient of
    the class's logit; the sum over channels is the map of that class, of which what is negative is
    left out. Logits and not probabilities are asked, as in the paper: a probability that is
    nearly 1 has no gradient.

    Args:
        model: A classifier as `heads.attach` makes it, computing in float32.

    Example:

    ```python
    look = ClassActivation(model)
    maps = look(images, classes=[3, 3, 7])  # (3, 7, 7), 0..1
    ```
    """

    def __init__(self, model: keras.Model) -> None:
        features = last_map(model)
        if features is None:
            raise ValueError(
                "Grad-CAM needs a feature map with height and width before the head, and this "
                f"network has none. Received: model.name={model.name!r}"
            )
        self._model = keras.Model(model.input, [features, model.get_layer(LOGITS).output])

    def __call__(self, images: ArrayLike, classes: ArrayLike) -> NDArray[np.float32]:
        """Look at photos, each for one class.

        Args:
            images: float32 `(photos, side, side, 3)`, 0..255.
            classes: The number of a class for each photo, int `(photos,)`.

        Returns:
            float32 `(photos, height, width)` of the last feature map, 0..1: each scaled to its own
            maximum. All 0 where nothing speaks for the class.
        """
        pixels = tf.convert_to_tensor(np.asarray(images, dtype=np.float32))
        chosen = tf.convert_to_tensor(np.asarray(classes, dtype=np.int32))
        with precisions.exact(), tf.GradientTape() as tape:
            tape.watch(pixels)  # what is frozen is recorded for nothing less
            features, logits = self._model(pixels, training=False)
            asked = tf.gather(logits, chosen, batch_dims=1)
        gradient = tape.gradient(asked, features)  # (photos, height, width, channels)
        weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        maps = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1)).numpy()
        top = maps.max(axis=(1, 2), keepdims=True)
        return np.divide(maps, top, out=np.zeros_like(maps), where=top > 0)


def last_map(model: keras.Model) -> Any:
    """The last tensor of a classifier that still has height and width.

    Args:
        model: A flat functional classifier.

    Returns:
        A Keras tensor `(batch, height, width, channels)`; `None` where there is none, or where what
        comes after it is a sequence, as in a vision transformer, whose patches are no map of features.
    """
    found = None
    for node in graph.nodes(model):
        for tensor in node.outputs:
            rank = len(tensor.shape)
            if rank == 4 and None not in tensor.shape[1:] and min(tensor.shape[1:3]) > 1:
                found = tensor
            elif rank == 3:
                found = None
    return None if found is model.input else found
