"""What training came to: a calibrated model, its answers on held-out photos, and when it is unsure."""

from tlearn.outcome.judging import Outcome, of_job

__all__ = ["Outcome", "of_job"]
