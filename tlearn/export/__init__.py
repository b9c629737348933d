"""A trained model becomes a SavedModel, and a fresh process proves that it answers the same."""

from tlearn.export.saved_model import as_float32, export
from tlearn.export.verification import verify

__all__ = ["as_float32", "export", "verify"]
