"""Which pretrained weights are on this machine, told from file names. No TensorFlow here."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from tlearn.backbones.table import Backbone
from tlearn.errors import MissingExtra

__all__ = ["bundled_file", "cached_file", "local_preset", "weights_are_here"]


def weights_are_here(backbone: Backbone) -> bool:
    """Say whether a backbone can be built with its pretrained weights and no network.

    Args:
        backbone: A row, as `resolve` or `table` gives it.

    Returns:
        Whether its weights lie in an installed package, in Keras's or Kaggle's cache, or in a
        local preset folder. The files are not opened. Of a backbone whose weights the user brings
        as a file, never.
    """
    if backbone.source == "file":
        return False
    if backbone.source == "bundled":
        return _package_folder(backbone.function) is not None
    if backbone.source == "keras.applications":
        return any(cached_file(name) is not None for name in backbone.files or ())
    return local_preset(backbone.function) is not None or _kaggle_holds(backbone.function)


def bundled_file(backbone: Backbone) -> Path:
    """Find the weights file inside the Python package that brings it.

    Raises:
        MissingExtra: If the package is not installed.
    """
    folder = _package_folder(backbone.function)
    weights = sorted(folder.glob("models/*.pth")) if folder else []
    if not weights:
        package = backbone.function.replace("_", "-")
        raise MissingExtra(package, "lite", f"The backbone {backbone.name}")
    return weights[0]


def cached_file(name: str) -> Path | None:
    """Find a file in the folder where Keras keeps the weights that it downloads."""
    home = os.environ.get("KERAS_HOME")
    path = (Path(home) if home else Path.home() / ".keras") / "models" / name
    return path if path.is_file() else None


def local_preset(name: str) -> Path | None:
    """Find the folder that a preset's name means, when it means a local folder."""
    folder = Path(name).expanduser()
    return folder if (folder / "config.json").is_file() else None


def _package_folder(package: str) -> Path | None:
    # find_spec reads where the package lies without running it.
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _kaggle_holds(name: str) -> bool:
    cache = os.environ.get("KAGGLEHUB_CACHE")
    models = (Path(cache) if cache else Path.home() / ".cache" / "kagglehub") / "models"
    return any(models.glob(f"*/*/*/{name}/*/config.json")) if "/" not in name else False
