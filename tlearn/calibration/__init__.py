"""Probabilities that mean what they say, and when to say "I don't know". No TensorFlow here."""

from tlearn.calibration.covering import coverage
from tlearn.calibration.limits import Limits
from tlearn.calibration.measures import reliability, scores
from tlearn.calibration.scope import Scope
from tlearn.calibration.temperature import Temperature, calibrated, fit, uncalibrated
from tlearn.calibration.threshold import Target, Threshold, choose

__all__ = [
    "Limits",
    "Scope",
    "Target",
    "Temperature",
    "Threshold",
    "calibrated",
    "choose",
    "coverage",
    "fit",
    "reliability",
    "scores",
    "uncalibrated",
]
