"""What to do next, told from a run's numbers. Needs neither TensorFlow nor the photos."""

from tlearn.advice.advice import Advice
from tlearn.advice.advising import of_run

__all__ = ["Advice", "of_run"]
