"""The classification networks of `keras.applications`, each with its own input scaling inside.

Some of these networks scale their input themselves when asked to; they are asked not to, so that
every backbone does it in one way that shows in `model.layers` as `input_scaling`. Two families
are rebuilt: the first EfficientNets always scale, by layers that depend on which weights are
loaded, and ConvNeXts hold small models within the model.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from tlearn.backbones import scaling
from tlearn.backbones.downloads import downloading
from tlearn.backbones.flattening import flattened
from tlearn.backbones.presence import cached_file
from tlearn.backbones.table import Backbone
from tlearn.errors import BackboneError

__all__ = ["build_application"]

_SCALES_WHEN_ASKED = ("convnext", "efficientnetv2", "mobilenetv3")
_MUST_BE_REBUILT = ("convnext", "efficientnet")
_OWN_SCALING = (keras.layers.Normalization, keras.layers.Rescaling)
_TAKES_WIDTH = ("mobilenetv1", "mobilenetv2")
_STANDARDISED = ("convnext", "densenet", "efficientnet")
_BLUE_FIRST = ("resnet", "vgg")


def build_application(
    row: Backbone, *, weights: str | Path, image_size: int | None, include_top: bool
) -> keras.Model:
    """Build a network of `keras.applications`; see `tlearn.backbones.build`.

    A weights file may be any that the network's own `load_weights` takes, with or without the
    ImageNet head.
    """
    size = image_size or row.image_size
    source = None
    if weights == "imagenet":
        source = _pretrained(row, include_top=include_top)
    elif weights != "random":
        source = _from_file(row, Path(weights).expanduser(), include_top=include_top)
    try:
        model = _on_raw_pixels(row, size, _scaling(row, source), include_top=include_top)
    except ValueError as error:
        raise BackboneError(
            f"{row.name} cannot be built for photos of this size ({error}). Expected for example "
            f"its own size, {row.image_size} pixels. Received: image_size={size!r}"
        ) from error
    if source is not None:
        _copy_weights(row, source, model)
    return model


def _on_raw_pixels(
    row: Backbone, size: int | None, scaled: scaling.Scaling, *, include_top: bool
) -> keras.Model:
    pixels = keras.Input((size, size, 3), name="pixels")
    shape: dict[str, Any] = {"include_top": include_top, "input_shape": (size, size, 3)}
    if include_top:
        shape["classifier_activation"] = None
    if row.family in _MUST_BE_REBUILT:
        model = flattened(_call(row, **shape), pixels, scaled, drop=_OWN_SCALING)
    else:
        model = _call(row, **shape, input_tensor=scaled(pixels))
    output = model.output
    if include_top:
        output = keras.layers.Activation("softmax", dtype="float32", name="probabilities")(output)
    return keras.Model(pixels, output, name=model.name)


def _call(row: Backbone, *, weights: str | None = None, **shape: Any) -> keras.Model:
    function: Callable[..., keras.Model] = getattr(keras.applications, row.function)
    if row.family in _SCALES_WHEN_ASKED:
        shape["include_preprocessing"] = False
    if row.family in _TAKES_WIDTH:
        shape["alpha"] = row.width
    return function(weights=weights, **shape)


def _scaling(row: Backbone, source: keras.Model | None) -> scaling.Scaling:
    if row.family == "efficientnet" and source is not None:
        return scaling.opening_of(source)
    if row.family in _BLUE_FIRST:
        return scaling.centred_blue_first()
    if row.family in _STANDARDISED or row.name.startswith("efficientnetv2-b"):
        return scaling.standardised()
    if row.family == "efficientnetv2":
        return scaling.linear(1 / 128, -1.0)
    return scaling.linear(1 / 127.5, -1.0)


def _pretrained(row: Backbone, *, include_top: bool) -> keras.Model:
    with_head, without_head = row.files or ("", "")
    # What was downloaded with its head serves without it too.
    if not include_top and cached_file(with_head) and not cached_file(without_head):
        include_top = True
    with downloading(row):
        return _call(row, weights="imagenet", include_top=include_top, **_own_shape(row))


def _from_file(row: Backbone, path: Path, *, include_top: bool) -> keras.Model:
    reasons = []
    for with_head in (include_top, True) if not include_top else (True,):
        source = _call(row, include_top=with_head, **_own_shape(row))
        try:
            source.load_weights(path)
        # Each kind of file that is not what it should be raises in its own way.
        except Exception as error:
            reasons.append(" ".join(str(error).split())[:300])
        else:
            return source
    needed = "with the ImageNet head" if include_top else "with or without the ImageNet head"
    raise BackboneError(
        f"The weights file does not fit {row.name} ({reasons[0]}). Expected a file that Keras "
        f"wrote (.h5, .weights.h5 or .keras) for keras.applications.{row.function}"
        f"{f'(alpha={row.width})' if row.family in _TAKES_WIDTH else ''}, {needed}. "
        f"Received: weights={str(path)!r}"
    )


def _own_shape(row: Backbone) -> dict[str, Any]:
    return {"input_shape": (row.image_size, row.image_size, 3)}


def _copy_weights(row: Backbone, source: keras.Model, target: keras.Model) -> None:
    # A head comes last, so a network without its head has the first of the weights.
    values = [
        value
        for layer in source.layers
        if not isinstance(layer, _OWN_SCALING)
        for value in layer.get_weights()
    ]
    expected = [tuple(weight.shape) for weight in target.weights]
    if [value.shape for value in values[: len(expected)]] != expected:
        raise BackboneError(
            f"The weights do not fit {row.name} at this size: its head was trained on "
            f"{row.image_size} pixels. Leave the image size out, or build it without its head. "
            f"Received: image_size={target.input_shape[1]!r}"
        )
    target.set_weights(values[: len(expected)])
