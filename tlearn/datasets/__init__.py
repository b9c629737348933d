"""Photos from wherever they are, as one value: a table of examples and an ordered tuple of classes.

Importing this loads neither TensorFlow nor Keras; looking at photos does.
"""

from __future__ import annotations

from tlearn.datasets.dataset import Dataset
from tlearn.datasets.loading import load

__all__ = ["Dataset", "load"]
