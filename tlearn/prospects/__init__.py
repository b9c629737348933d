"""What is measured before training for the advice after it: what more photos would give."""

from tlearn.prospects.measuring import learning_curve
from tlearn.prospects.of_jobs import measure, of_job, photo_sizes

__all__ = ["learning_curve", "measure", "of_job", "photo_sizes"]
