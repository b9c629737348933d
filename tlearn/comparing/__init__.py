"""Runs compared on the same test photos. Needs neither TensorFlow nor the photos."""

from tlearn.comparing.comparison import Comparison, compare

__all__ = ["Comparison", "compare"]
