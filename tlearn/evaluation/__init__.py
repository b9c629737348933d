"""From a table of predictions to figures with intervals. No TensorFlow here."""

from tlearn.evaluation.figures import Evaluation, evaluate, make_predictions, measured_split
from tlearn.evaluation.leaking import without

__all__ = ["Evaluation", "evaluate", "make_predictions", "measured_split", "without"]
