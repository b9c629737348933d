"""What the user typed, as the value that is meant, or a clear refusal.

A verb's signature declares its options. Those that several verbs hand on alike are read off the
context, by one list of names for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import typer

__all__ = ["given", "learning_rate", "of_library", "of_recipe", "typed"]

_OF_RECIPE = (
    "epochs",
    "learning_rate",
    "unfreeze",
    "augmentation",
    "mirror",
    "hue",
    "mixup",
    "cutmix",
    "balance",
    "views",
)
# By the option's name; what the library calls it otherwise.
_OF_LIBRARY = {
    "recipe": "recipe",
    "weights": "weights",
    "image_size": "image_size",
    "resize": "resize_mode",
    "head": "head",
    "batch_size": "batch_size",
    "precision": "precision",
    "seed": "seed",
    "memory": "memory",
    "validation": "validation",
    "test": "test",
    "data_dir": "data_dir",
    "strict": "strict",
    "corrections": "corrections",
    "group": "group",
    "target_precision": "target_precision",
    "target_coverage": "target_coverage",
    "name": "name",
    "budget": "budget",
    "deterministic": "deterministic",
    "resume": "resume",
}


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


def of_recipe(context: typer.Context) -> dict[str, Any]:
    """The options of a verb that are arguments of a recipe, where they were given.

    Args:
        context: The verb as it was called; it need not have all of them.

    Returns:
        From an argument's name to its value.
    """
    return given({name: context.params.get(name) for name in _OF_RECIPE})


def of_library(context: typer.Context) -> dict[str, Any]:
    """The options of a verb that go to the library as they are, where they were given.

    Args:
        context: The verb as it was called; it need not have all of them.

    Returns:
        Keyword arguments, by the library's names.
    """
    return given({name: context.params.get(option) for option, name in _OF_LIBRARY.items()})


def typed(context: typer.Context, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those arguments whose options stand on the command line, whatever the others' defaults are.

    Args:
        context: The verb as it was called.
        arguments: By the library's names.
    """
    names = {name: option for option, name in _OF_LIBRARY.items()}

    def is_typed(name: str) -> bool:
        source = context.get_parameter_source(names.get(name, name))
        return source is not None and source.name == "COMMANDLINE"

    return {name: value for name, value in arguments.items() if is_typed(name)}


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
