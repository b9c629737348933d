"""The names of ImageNet's 1000 classes. No TensorFlow here."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["imagenet_class_names"]


@cache
def imagenet_class_names() -> tuple[str, ...]:
    """List ImageNet's classes in the order in which pretrained heads answer.

    Three names that ImageNet gives to two classes each are told apart in brackets:
    `"crane (bird)"`, `"crane (machine)"` and `"maillot (tank suit)"`.

    Returns:
        1000 different names: `"tench"` is 0, `"espresso"` 967, `"toilet tissue"` 999.
    """
    text = (files("tlearn.backbones") / "imagenet_names.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())
