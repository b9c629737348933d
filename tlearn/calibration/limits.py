"""What a SavedModel needs to know to say that it does not know."""

from __future__ import annotations

from dataclasses import dataclass

from tlearn.calibration.scope import Scope

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """What is exported beside a model.

    Attributes:
        temperature: What its logits were divided by; told, not applied again.
        threshold: Answers below this probability are unsure; 0 for none.
        scope: What tells photos that are unlike anything seen, or `None`.
    """

    temperature: float = 1.0
    threshold: float = 0.0
    scope: Scope | None = None
