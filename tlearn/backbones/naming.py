"""From the name that a user gives to the row of the table that it means. No TensorFlow here."""

from __future__ import annotations

import difflib
import re

from tlearn.backbones.table import ALIASES, Backbone, preset, table
from tlearn.errors import BackboneError

__all__ = ["resolve"]

_PRESET_PREFIXES = {"hub:": "keras-hub", "keras_cv:": "keras-cv"}


def resolve(name: str) -> Backbone:
    """Find the backbone that a name means.

    Capitals, hyphens, underscores, dots and spaces make no difference: `EfficientNetV2B0` is
    `efficientnetv2-b0`. The name of a family is an alias of one member of it.

    Args:
        name: A name from the table, an alias, `hub:PRESET` or `keras_cv:PRESET`.

    Returns:
        The row. It is for the caller to say what an alias resolved to.

    Raises:
        BackboneError: If there is no such backbone. The message names those that are close.

    Example:

    ```python
    resolve("efficientnet").name  # "efficientnet_lite0"
    ```
    """
    for prefix, source in _PRESET_PREFIXES.items():
        if name.lower().startswith(prefix):
            return _preset(source, name[len(prefix) :].strip())
    rows = {_plain(row.name): row for row in table()}
    aliases = {_plain(alias): rows[_plain(target)] for alias, target in ALIASES.items()}
    known = aliases | rows
    row = known.get(_plain(name))
    if row is None:
        close = difflib.get_close_matches(_plain(name), known, n=3)
        hint = " or ".join(dict.fromkeys(repr(known[match].name) for match in close))
        raise BackboneError(
            "There is no such backbone. Expected a name from `tlearn backbones`, hub:PRESET or "
            f"keras_cv:PRESET.{f' Did you mean {hint}?' if hint else ''} Received: backbone={name!r}"
        )
    return row


def _preset(source: str, name: str) -> Backbone:
    if not name:
        raise BackboneError(
            "The name of a preset is missing. Expected for example "
            f"'hub:resnet_50_imagenet'. Received: source={source!r}, preset={name!r}"
        )
    row = preset(source, name)
    return next((known for known in table() if known.name == row.name), row)


def _plain(name: str) -> str:
    return re.sub(r"[-_.\s]", "", name.lower())
