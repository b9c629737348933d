"""Looking at photos without any training: what they are like, and which of them belong together."""

from __future__ import annotations

from tlearn.inspection.belonging import Belonging, belonging, in_words, leaks
from tlearn.inspection.looking import Looks, look

__all__ = ["Belonging", "Looks", "belonging", "in_words", "leaks", "look"]
