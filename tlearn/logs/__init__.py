"""What is logged while a run trains: CSV, TensorBoard, JSON lines, MLflow, Weights & Biases."""

from tlearn.logs.logs import KINDS, Logs, check, opened

__all__ = ["KINDS", "Logs", "check", "opened"]
