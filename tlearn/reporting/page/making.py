"""How to make the run again: the command, the recipe, the versions, the seed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlearn.reporting import Report

__all__ = ["command", "of"]

_TEXT = (
    "dataset",
    "backbone",
    "recipe",
    "validation",
    "test",
    "data_dir",
    "corrections",
    "memory",
    "target_precision",
    "target_coverage",
)
# Arguments of a recipe that are options of the command line; others were given in Python.
_OPTIONS = {
    *("epochs", "learning_rate", "unfreeze", "augmentation", "mirror"),
    *("hue", "mixup", "cutmix", "balance", "views"),
}
_USUAL = {"validation": 0.15, "test": 0.15, "weights": "imagenet", "head": "last"}


def of(report: Report) -> dict[str, Any]:
    """Everything that a second run needs."""
    info = report.run.info
    return {
        "command": command(info),
        "recipe": report.run.recipe_text,
        "versions": report.run.versions,
        "facts": [
            (name, _moment(info[key]) if key == "created" else str(info[key]))
            for name, key in (
                ("Seed", "seed"),
                ("Created", "created"),
                ("Backbone", "backbone"),
                ("Weights", "weights"),
                ("Image size", "image_size"),
                ("Resize", "resize_mode"),
                ("Head", "head"),
                ("Precision", "precision"),
                ("Batch size", "batch_size"),
            )
            if info.get(key) is not None
        ],
    }


def command(info: dict[str, Any]) -> str:
    """The command line that made a run, without what is so by default.

    Args:
        info: What `run.json` holds.

    Returns:
        A line for a shell; the arguments as they were given, the seed always.
    """
    given = dict(info.get("arguments") or {})
    options = dict(info.get("recipe_options") or {})
    if not set(options) <= _OPTIONS:
        # The run's own recipe file has them all.
        given["recipe"], options = "recipe.toml", {}
    words = ["tlearn", "finetune"]
    for key in _TEXT:
        value = given.get(key)
        if value is not None and value != _USUAL.get(key):
            words += [_option(key), str(value)]
    if given.get("precision") not in (None, "auto"):
        words += ["--precision", str(given["precision"])]
    for key, option in (("weights", "weights"), ("image_size", "image_size"), ("head", "head")):
        value = info.get(key)
        if value is not None and value != _USUAL.get(key):
            words += [_option(option), str(value)]
    if info.get("resize_mode") is not None:
        words += ["--resize", str(info["resize_mode"])]
    for key, value in options.items():
        if isinstance(value, bool):
            words.append(_option(key) if value else _option(f"no_{key}"))
        elif value is not None:
            words += [_option(key), str(value)]
    if given.get("strict"):
        words.append("--strict")
    if given.get("group") is False:
        words.append("--no-group")
    words += ["--batch-size", str(info.get("batch_size")), "--seed", str(info.get("seed"))]
    return shlex.join(words)


def _moment(written: object) -> str:
    """To the minute, of a moment that `run.json` has in UTC."""
    return str(written)[:16].replace("T", " ")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
