"""From a backbone's name to a Keras model; each source of backbones has its own module.

TensorFlow is loaded by the first call, not by the import.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tlearn.backbones.downloads import file_needed
from tlearn.backbones.naming import resolve
from tlearn.errors import BackboneError

if TYPE_CHECKING:
    import keras

__all__ = ["build"]


def build(
    name: str,
    *,
    weights: str | Path = "imagenet",
    image_size: int | None = None,
    include_top: bool = False,
) -> keras.Model:
    """Build a pretrained network as one flat functional model on raw pixels.

    The scaling of pixels that the network was trained with is inside the model, and there is no
    model within the model: every layer is in `model.layers`.

    Args:
        name: A name from `tlearn.backbones.table`, an alias such as `"efficientnet"`,
            `"hub:PRESET"` or `"keras_cv:PRESET"`.
        weights: `"imagenet"` for the pretrained ones, `"random"`, or the path of a weights file.
        image_size: Height and width of the photos in pixels. Defaults to the network's own.
        include_top: Whether to add the head that names ImageNet's classes.

    Returns:
        A model from `(batch, image_size, image_size, 3)` pixels in 0..255 to the last feature map
        `(batch, height, width, channels)`, or `(batch, features)` where the network has none.
        With `include_top`, to `(batch, 1000)` float32 probabilities in the order of
        `imagenet_class_names()`.

    Raises:
        BackboneError: If there is no such backbone, or it cannot be built so.
        WeightsUnavailable: If its pretrained weights cannot be had on this machine.
        MissingExtra: If it needs a package that is not installed.

    Example:

    ```python
    build("efficientnet_lite0").output_shape  # (None, 7, 7, 1280)
    ```
    """
    row = resolve(name)
    if image_size is not None and image_size < 32:
        raise BackboneError(
            "The photos are too small for a pretrained network. Expected an image size of 32 "
            f"pixels or more. Received: image_size={image_size!r}"
        )
    if weights not in ("imagenet", "random") and not Path(weights).expanduser().is_file():
        raise BackboneError(
            "There is no such weights file. Expected 'imagenet', 'random' or the path of a "
            f"file. Received: weights={str(weights)!r}"
        )
    if row.source == "file" and weights == "imagenet":
        raise file_needed(row)
    return _builder(row.source)(
        row, weights=weights, image_size=image_size, include_top=include_top
    )


def _builder(source: str) -> Callable[..., keras.Model]:
    # Each of these modules loads TensorFlow, and the last two a large library besides.
    if source in ("bundled", "file"):
        from tlearn.backbones.own_networks import build_own

        return build_own
    if source == "keras.applications":
        from tlearn.backbones.keras_applications import build_application

        return build_application
    if source == "keras-hub":
        from tlearn.backbones.hub_presets import build_hub_preset

        return build_hub_preset
    from tlearn.backbones.cv_presets import build_cv_preset

    return build_cv_preset
