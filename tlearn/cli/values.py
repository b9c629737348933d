"""What the user typed, as the value that is meant, or a clear refusal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import typer

__all__ = ["given", "learning_rate"]


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Only what the user said, as plain values, so that the library's defaults stay its own.

    Args:
        options: From a name to a value; `None` where it was left out.

    Returns:
        Those that were given, choices as their text.
    """
    return {
        key: value.value if isinstance(value, Enum) else value
        for key, value in options.items()
        if value is not None
    }


def learning_rate(given: str | None) -> float | str | None:
    """A learning rate.

    Args:
        given: Such as `1e-3` or `auto`; `None` where the option was left out.

    Returns:
        A number above 0; `"auto"` and `None` stay what they are.

    Raises:
        typer.BadParameter: It is something else.
    """
    if given is None or given == "auto":
        return given
    try:
        rate = float(given)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise typer.BadParameter(
            f"a learning rate is a number above 0, such as 1e-3, or auto. Received: {given!r}"
        )
    return rate
