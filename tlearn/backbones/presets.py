"""What presets of KerasHub and KerasCV have in common: their size, and their output made plain."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import keras

from tlearn.backbones.flattening import flattened
from tlearn.backbones.scaling import Scaling
from tlearn.backbones.table import Backbone
from tlearn.errors import BackboneError

__all__ = ["DEFAULT_IMAGE_SIZE", "as_plain_backbone", "check_can_be_built", "unknown_preset"]

DEFAULT_IMAGE_SIZE = 224

_FIRST_TOKEN_SPEAKS_FOR_ALL = (
    "DINOV2Backbone",
    "DINOV3Backbone",
    "DeiTBackbone",
    "ViTBackbone",
)


def check_can_be_built(row: Backbone, *, weights: object, include_top: bool) -> None:
    """Refuse what presets do not offer.

    Raises:
        BackboneError: If the ImageNet head or weights from a file are asked for.
    """
    if include_top:
        raise BackboneError(
            "A preset is taken without its ImageNet head. Classify with a bundled backbone or one "
            f"of keras.applications instead. Received: backbone={row.name!r}"
        )
    if weights not in ("imagenet", "random"):
        raise BackboneError(
            "A preset brings its own weights. Expected weights='imagenet' or 'random'; for weights "
            f"of your own, give the folder of a local preset as {row.name.split(':')[0]}:FOLDER. "
            f"Received: weights={str(weights)!r}"
        )


def as_plain_backbone(model: keras.Model, *, image_size: int, scaling: Scaling) -> keras.Model:
    """Rebuild a preset's network flat on raw pixels, with the weights that it has.

    Args:
        model: A functional network of one input that takes photos.
        image_size: Height and width of the photos in pixels.
        scaling: From raw pixels to what the network takes.

    Returns:
        A flat functional model to the last feature map, or for a network of tokens to
        `(batch, features)`: the class token where it has one, else the mean of all tokens.
    """
    # Keras wants the input of a model that takes a dictionary to bear the key's name.
    name = next(iter(model.input)) if isinstance(model.input, dict) else "pixels"
    pixels = keras.Input((image_size, image_size, 3), name=name)
    flat = flattened(model, pixels, scaling)
    _check_can_be_saved(flat)
    flat.set_weights(model.get_weights())
    output = flat.output
    if not isinstance(output, keras.KerasTensor) or len(output.shape) not in (2, 3, 4):
        raise BackboneError(
            "This preset is not a backbone for photos. Expected one feature map, features or "
            f"tokens as its output. Received: output_shape={model.output_shape}"
        )
    if len(output.shape) == 3:
        if type(model).__name__ in _FIRST_TOKEN_SPEAKS_FOR_ALL and _has_class_token(model):
            output = keras.ops.take(output, 0, axis=1)
        else:
            output = keras.layers.GlobalAveragePooling1D(name="mean_of_tokens")(output)
    return keras.Model(pixels, output, name=model.name)


def _check_can_be_saved(model: keras.Model) -> None:
    try:
        keras.Model.from_config(model.get_config())
    # Whatever goes wrong here would go wrong when the trained model is loaded.
    except Exception as error:
        raise BackboneError(
            f"The preset's network {model.name!r} cannot be rebuilt from its configuration "
            f"({type(error).__name__}), which is a fault of the library that it comes from: once "
            "trained it could be saved and never loaded again. Take another backbone, or another "
            f"version of that library. Received: network={model.name!r}"
        ) from error


def unknown_preset(row: Backbone, known: Iterable[str]) -> BackboneError:
    """Make the error for a preset that its library does not know."""
    close = difflib.get_close_matches(row.function, sorted(known), n=3)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return BackboneError(
        "There is no such preset. Expected a preset's name or the path of a folder that "
        f"save_to_preset wrote.{hint} Received: preset={row.function!r}"
    )


def _has_class_token(model: keras.Model) -> bool:
    return bool(getattr(model, "use_class_token", True))
