"""What a verb does before its work begins: hear what was said, load TensorFlow."""

from __future__ import annotations

from enum import Enum
from typing import Any

import typer

from tlearn.cli import quieting

__all__ = ["given", "load_tensorflow"]


def given(named: dict[str, Any]) -> dict[str, Any]:
    """Only what the user said, as plain values, so that the library's defaults stay its own.

    Args:
        named: The options' values by the names that the library gives them.
    """
    return {
        key: value.value if isinstance(value, Enum) else value
        for key, value in named.items()
        if value is not None
    }


def load_tensorflow(context: typer.Context) -> None:
    """Load TensorFlow, with its chatter where `--debug` was given."""
    quieting.load_tensorflow(debug=context.find_root().params["debug"])
