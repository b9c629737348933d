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

from tlearn import heads
from tlearn import precision as precisions
from tlearn.networks import graph, last_layer

__all__ = ["ClassActivation", "last_map"]

# Photos in one look. Nothing that a layer makes is let go before the end: 50 MB a photo in EfficientNet-Lite0.
_AT_ONCE = 4


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
        # Nothing is added to the map; the gradient of what is added is that of the map.
        # Named, since the names that Keras would give may be those of a model that was loaded.
        probe = keras.Input(
            batch_shape=features.shape, dtype=features.dtype, name="class_activation_probe"
        )
        probed = keras.layers.Add(name="class_activation_sum", dtype="float32")([features, probe])
        given = {id(model.input): model.input, id(features): probed}
        logits = graph.part(model, given, [last_layer.around(model, heads.LOGITS)[1]])[0]
        self._model = keras.Model([model.input, probe], [features, logits])
        self._shape = tuple(features.shape[1:])

    def __call__(self, images: ArrayLike, classes: ArrayLike) -> NDArray[np.float32]:
        """Look at photos, each for one class.

        Args:
            images: float32 `(photos, side, side, 3)`, 0..255.
            classes: The number of a class for each photo, int `(photos,)`.

        Returns:
            float32 `(photos, height, width)` of the last feature map, 0..1: each scaled to its own
            maximum. All 0 where nothing speaks for the class.
        """
        pixels = np.asarray(images, dtype=np.float32)
        wanted = np.asarray(classes, dtype=np.int32)
        parts = [slice(first, first + _AT_ONCE) for first in range(0, len(pixels), _AT_ONCE)]
        maps = [self._maps(pixels[part], wanted[part]) for part in parts]
        return np.concatenate([np.zeros((0, *self._shape[:2]), np.float32), *maps])

    def _maps(self, pixels: NDArray[np.float32], classes: NDArray[np.int32]) -> NDArray[np.float32]:
        with precisions.exact():
            features, gradient = self._looked(pixels, classes)
        weights = gradient.mean(axis=(1, 2), keepdims=True)  # (photos, 1, 1, channels)
        maps = np.maximum((weights * features).sum(axis=-1), 0)
        top = maps.max(axis=(1, 2), keepdims=True)
        return np.divide(maps, top, out=np.zeros_like(maps), where=top > 0)

    def _looked(self, pixels: NDArray[np.float32], classes: NDArray[np.int32]) -> tuple[Any, Any]:
        """The feature maps and the gradients of the logits, by whatever computes for Keras."""
        probe = np.zeros((len(pixels), *self._shape), np.float32)
        rows = np.arange(len(classes))
        if keras.backend.backend() == "jax":
            import jax

            trained = [one.value for one in self._model.trainable_variables]
            others = [one.value for one in self._model.non_trainable_variables]

            def asked(added: Any) -> Any:
                (features, logits), _ = self._model.stateless_call(
                    trained, others, [pixels, added], training=False
                )
                return logits[rows, classes].sum(), features

            gradient, features = jax.grad(asked, has_aux=True)(probe)
            return np.asarray(features), np.asarray(gradient)
        added = tf.convert_to_tensor(probe)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(added)
            features, logits = self._model([tf.convert_to_tensor(pixels), added], training=False)
            chosen = tf.gather_nd(logits, np.stack([rows, classes], axis=1))
        return features.numpy(), tape.gradient(chosen, added).numpy()


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
