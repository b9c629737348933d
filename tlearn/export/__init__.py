"""A trained model becomes a SavedModel, and a fresh process proves that it answers the same."""

from tlearn.export.saved_model import as_float32, export
from tlearn.export.verification import TIE, ask, compare, verify

__all__ = ["TIE", "as_float32", "ask", "compare", "export", "verify"]
