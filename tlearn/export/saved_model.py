"""A trained model becomes a SavedModel that answers photos on its own.

```
saved_model/
├── saved_model.pb    the graph: decoding, resizing, input scaling, network, class names
├── fingerprint.pb
├── variables/        the weights, float32
└── assets/
    └── labels.txt    the class names, one a line, in the order of the probabilities
```
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tlearn.calibration import Limits
from tlearn.errors import ExportError
from tlearn.export import doubting
from tlearn.export.by_tensorflow import export_elsewhere
from tlearn.export.verification import verify
from tlearn.files import atomic
from tlearn.files.labels import labels_to_text
from tlearn.photos import decoding
from tlearn.precision import policy

__all__ = ["as_float32", "export", "verify"]

_LOW_PRECISION = {"float16", "bfloat16", "mixed_float16", "mixed_bfloat16"}


def as_float32(model: keras.Model) -> keras.Model:
    """The same model with the same weights, computing in float32.

    Keras keeps a dtype policy in every layer, so a model that was trained in mixed precision
    goes on computing in it wherever it is loaded, slowly on a CPU. Here every layer is built
    anew from its configuration with the policy `"float32"`, and given the old weights, which
    are float32 in a mixed model already: nothing is lost.

    Args:
        model: A functional or sequential model.

    Returns:
        `model` itself when all of it is float32, otherwise a new model that shares no variable
        with it.

    Raises:
        ExportError: The model is a subclass of `keras.Model` with its own `call`, which cannot
            be built anew from its layers.
    """
    if not any(_is_low(layer.compute_dtype) for layer in model._flatten_layers()):
        return model

    def rebuild(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer):
            return layer
        return type(layer).from_config(_rewritten(layer.get_config()))

    try:
        with policy("float32"):
            rebuilt = keras.models.clone_model(model, clone_function=rebuild)
    except ValueError as error:
        raise ExportError(
            "The model computes in low precision and cannot be rebuilt in float32. Expected a "
            "functional or sequential model, whose layers can be built from their configuration. "
            f"Received: model={type(model).__name__} named {model.name!r} ({error})"
        ) from error
    for new, old in zip(rebuilt.weights, model.weights, strict=True):
        new.assign(keras.ops.cast(old.value, new.dtype))
    return rebuilt


def export(
    model: keras.Model,
    class_names: Sequence[str],
    directory: str | Path,
    *,
    image_size: int,
    resize_mode: str = decoding.DEFAULT_RESIZE,
    limits: Limits | None = None,
) -> None:
    """Write a SavedModel that takes photos and gives class names and probabilities.

    It loads with `tf.saved_model.load` where neither Keras nor tlearn is installed. Decoding,
    upright turning, resizing, input scaling and class names are inside; augmentation is not.
    It computes in float32 whatever `model` was trained in. Its signatures:

    | signature | input | |
    | --- | --- | --- |
    | `serving_default` | `images`: string `(batch,)` | the bytes of JPEG, PNG, GIF, WebP files |
    | `pixels` | `pixels`: float32 `(batch, height, width, 3)` | RGB, 0..255, any size |
    | `pixels_uint8` | `pixels`: uint8 `(batch, height, width, 3)` | the same, a quarter the bytes |
    | `about` | none | `class_names` `(classes,)`, `image_size`, `resize_mode` |

    The first three give `class_name` `(batch,)` string, `class_index` `(batch,)` int64,
    `probability` `(batch,)` float32 and `probabilities` `(batch, classes)` float32. Bytes that
    are no readable photo get class name `""`, index -1 and probabilities 0, and harm no other
    photo in their batch.

    With `limits` they also give `unsure` `(batch,)` bool, whether the probability is below the
    threshold, and where there is a scope `distance` `(batch,)` float32, 0 or more, and `unlike`
    `(batch,)` bool, whether it is above 1. Bytes that are no readable photo are unsure, at distance
    -1 and not unlike. `about` then has `temperature`, `threshold` and `distance_limit`, too.

    Args:
        model: From raw pixels `(batch, image_size, image_size, 3)`, 0..255, to probabilities
            `(batch, classes)`.
        class_names: In the order of the model's outputs.
        directory: Where to write; absent or empty. It appears whole or not at all.
        image_size: The side, in pixels, of what the model looks at.
        resize_mode: `"crop"`, `"pad"` or `"stretch"`, as in training.
        limits: Below which probability an answer is unsure, and how far from the training photos a
            photo is unlike them. `model` is calibrated already.

    Raises:
        ExportError: The model does not fit the classes, the size or the limits, or `directory`
            holds something.
        RunError: The disk is full, or `directory` cannot be written.

    Example:

    ```python
    export(model, ["cat", "dog"], "cats_and_dogs", image_size=224, resize_mode="pad")
    answers = tf.saved_model.load("cats_and_dogs").signatures["serving_default"]
    ```
    """
    _require_fit(model, class_names, image_size)
    directory = Path(directory).absolute()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ExportError(
            "The place for the SavedModel is taken. Expected a folder that is absent or empty: "
            f"choose another, or remove what is there. Received: directory={str(directory)!r}"
        )
    if keras.backend.backend() != "tensorflow":
        export_elsewhere(
            as_float32(model),
            {
                "class_names": list(class_names),
                "directory": str(directory),
                "image_size": image_size,
                "resize_mode": resize_mode,
            },
            limits,
        )
        return
    unfinished = atomic.hidden_sibling(directory)
    try:
        unfinished.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as scratch:
            labels = Path(scratch) / "labels.txt"
            labels.write_text(labels_to_text(class_names), encoding="utf-8", newline="\n")
            module, signatures = _servable(
                as_float32(model), class_names, image_size, resize_mode, labels, limits
            )
            tf.saved_model.save(
                module,
                str(unfinished),
                signatures=signatures,
                options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
            )
        if directory.exists():
            directory.rmdir()
        unfinished.rename(directory)
    except BaseException as error:
        atomic.remove(unfinished)
        if isinstance(error, OSError | tf.errors.OpError):
            raise atomic.in_clear_words(error, directory) from error
        raise


def _servable(
    model: keras.Model,
    class_names: Sequence[str],
    image_size: int,
    resize_mode: str,
    labels: Path,
    limits: Limits | None,
) -> tuple[tf.Module, dict[str, Any]]:
    """What TensorFlow saves: an object that owns variables and asset, and its functions.

    Only the weights are tracked, not the Keras model, so that nothing in the SavedModel asks for
    Keras when it is loaded.
    """
    names = tf.constant(list(class_names))
    reader = doubting.reader(model, limits)
    doubts = None if limits is None else doubting.Doubts(limits)

    def answer(images: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.ensure_shape(images, (None, image_size, image_size, 3))
        count = tf.shape(images)[0]
        # TensorFlow's convolutions fail on an empty batch, so that one gets a blank for company.
        blanks = tf.where(count == 0, 1, 0)
        images = tf.pad(images, [[0, blanks], [0, 0], [0, 0], [0, 0]])
        given = reader(images, training=False)
        features, probabilities = (None, given) if reader is model else given
        probabilities = tf.cast(probabilities, tf.float32)[:count]
        index = tf.argmax(probabilities, axis=-1, output_type=tf.int64)
        probability = tf.reduce_max(probabilities, axis=-1)
        return {
            "class_name": tf.gather(names, index),
            "class_index": index,
            "probability": probability,
            "probabilities": probabilities,
            **(
                doubts(probability, features if features is None else features[:count])
                if doubts
                else {}
            ),
        }

    def from_bytes(images: tf.Tensor) -> dict[str, tf.Tensor]:
        decoded, readable = decoding.decode_batch(images, image_size, resize_mode)
        found = answer(decoded)
        return {
            "class_name": tf.where(readable, found["class_name"], ""),
            "class_index": tf.where(readable, found["class_index"], -1),
            "probability": tf.where(readable, found["probability"], 0.0),
            "probabilities": tf.where(readable[:, tf.newaxis], found["probabilities"], 0.0),
            **(doubts.where_readable(found, readable) if doubts else {}),
        }

    def from_pixels(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer(decoding.resize(pixels, image_size, resize_mode))

    def about() -> dict[str, tf.Tensor]:
        return {
            "class_names": names,
            "image_size": tf.constant(image_size),
            "resize_mode": tf.constant(resize_mode),
            **(doubts.about() if doubts else {}),
        }

    photos = tf.TensorSpec((None,), tf.string, name="images")
    floats, whole = (
        tf.TensorSpec((None, None, None, 3), dtype, name="pixels")
        for dtype in (tf.float32, tf.uint8)
    )
    module = tf.Module()
    module.kept_variables = [weight.value for weight in model.weights]
    module.doubts = doubts
    module.labels = tf.saved_model.Asset(str(labels))
    return module, {
        "serving_default": tf.function(from_bytes, input_signature=[photos]),
        "pixels": tf.function(from_pixels, input_signature=[floats]),
        "pixels_uint8": tf.function(from_pixels, input_signature=[whole]),
        "about": tf.function(about, input_signature=[]),
    }


def _require_fit(model: keras.Model, class_names: Sequence[str], image_size: int) -> None:
    outputs = model.output_shape
    if not isinstance(outputs, tuple) or outputs[1:] != (len(class_names),):
        raise ExportError(
            "The model's output and the class names do not fit each other. Expected one "
            f"probability per class, shape (batch, {len(class_names)}). "
            f"Received: output_shape={outputs}, class_names={list(class_names)[:10]}"
        )
    inputs = model.input_shape
    wanted = (None, image_size, image_size, 3)
    if not isinstance(inputs, tuple) or not tf.TensorShape(inputs).is_compatible_with(wanted):
        raise ExportError(
            "The model's input and the image size do not fit each other. Expected pixels of "
            f"shape (batch, {image_size}, {image_size}, 3). "
            f"Received: input_shape={inputs}, image_size={image_size}"
        )


def _is_low(name: object) -> bool:
    return isinstance(name, str) and name in _LOW_PRECISION


def _rewritten(config: Any) -> Any:
    """A Keras configuration in which each dtype and dtype policy, at any depth, is float32."""
    if isinstance(config, dict):
        if config.get("class_name") in ("DTypePolicy", "DTypePolicyMap"):
            return "float32"
        return {
            key: "float32" if key == "dtype" and _is_low(value) else _rewritten(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_rewritten(part) for part in config)
    return config
