"""The version of tlearn, in one place; and those of what is installed beside it."""

from __future__ import annotations

import functools
import importlib.metadata

__version__ = "0.1.0"

__all__ = ["__version__", "installed"]


@functools.cache
def installed(package: str) -> str | None:
    """The version of an installed package, without importing it.

    Args:
        package: Its name. What is imported by that name may come by another, as TensorFlow does:
            tensorflow, tensorflow-cpu, tensorflow-rocm.

    Returns:
        The version; `None` where it is not installed.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        names = importlib.metadata.packages_distributions().get(package, [])
        return importlib.metadata.version(names[0]) if names else None
