"""Probabilities that mean what they say, and when to say "I don't know". No TensorFlow here."""

from tlearn.calibration.covering import coverage
from tlearn.calibration.measures import reliability, scores
from tlearn.calibration.temperature import Temperature, calibrated, fit, uncalibrated

__all__ = [
    "Temperature",
    "calibrated",
    "coverage",
    "fit",
    "reliability",
    "scores",
    "uncalibrated",
]
