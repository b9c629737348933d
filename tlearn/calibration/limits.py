"""What a SavedModel needs to know to say that it does not know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tlearn.calibration.scope import Known, Scope

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

    def write(self, path: str | Path) -> None:
        """Write them to a file, for another process.

        Args:
            path: A name that ends in `.npz`.
        """
        arrays: dict[str, Any] = {"temperature": self.temperature, "threshold": self.threshold}
        if self.scope is not None:
            known = self.scope.known
            arrays |= {"bank": known.bank, "spread": known.spread, "limit": self.scope.limit}
        np.savez(path, **arrays)

    @classmethod
    def read(cls, path: str | Path) -> Limits:
        """Read what `write` wrote.

        Args:
            path: The file.
        """
        with np.load(path) as found:
            scope = None
            if "bank" in found:
                scope = Scope(Known(found["bank"], found["spread"]), float(found["limit"]))
            return cls(float(found["temperature"]), float(found["threshold"]), scope)
