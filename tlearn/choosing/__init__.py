"""What to train, and how: answered by measurements on the user's own photos, before training.

TensorFlow is loaded by the first question, not by the import.
"""

__all__: list[str] = []
