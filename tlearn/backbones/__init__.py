"""Pretrained networks by name: `table` lists them, `resolve` finds one, `build` makes it.

Nothing here loads TensorFlow until `build` is called.
"""

from tlearn.backbones.construction import build
from tlearn.backbones.imagenet import imagenet_class_names
from tlearn.backbones.naming import resolve
from tlearn.backbones.presence import weights_are_here
from tlearn.backbones.table import Backbone, table

__all__ = [
    "Backbone",
    "build",
    "imagenet_class_names",
    "resolve",
    "table",
    "weights_are_here",
]
