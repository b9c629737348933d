"""What a file must say of itself, so that whoever has only the file can use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tlearn.runs import Run
from tlearn.version import __version__

__all__ = ["About", "of_run"]

_SQUARES = {
    "crop": "crop the largest centred square, then resize it",
    "pad": "resize until the longer side fits, then pad evenly with grey (127, 127, 127)",
    "stretch": "resize both sides, whatever the shape",
}


@dataclass(frozen=True)
class About:
    """What travels with each file.

    Attributes:
        name: The run's.
        class_names: In the order of the probabilities.
        image_size: The side of the squares that the network sees, in pixels.
        resize_mode: `"crop"`, `"pad"` or `"stretch"`.
        temperature: What the logits were divided by; it is in the weights already.
        threshold: Answers below this probability are unsure; 0 for none.
        accuracy: Of the run on its test photos, 0..1.
    """

    name: str
    class_names: tuple[str, ...]
    image_size: int
    resize_mode: str
    temperature: float
    threshold: float
    accuracy: float

    @property
    def preparation(self) -> str:
        """How a photo becomes what the network takes, in a sentence."""
        return (
            "RGB, upright, float32 0..255, not scaled further; to make a square of "
            f"{self.image_size} pixels, {_SQUARES[self.resize_mode]}, bilinear with antialiasing"
        )

    def texts(self) -> dict[str, str]:
        """The same as texts by name; `class_names` is a JSON list."""
        return {
            "class_names": json.dumps(self.class_names, ensure_ascii=False),
            "image_size": str(self.image_size),
            "resize_mode": self.resize_mode,
            "input_range": "0..255",
            "input_layout": "RGB, channels last",
            "preparation": self.preparation,
            "output": "probabilities, calibrated",
            "temperature": repr(self.temperature),
            "threshold": repr(self.threshold),
            "test_accuracy": repr(self.accuracy),
            "run": self.name,
            "made_by": f"tlearn {__version__}",
        }

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON, numbers as numbers."""
        return {
            **self.texts(),
            "class_names": list(self.class_names),
            "image_size": self.image_size,
            "temperature": self.temperature,
            "threshold": self.threshold,
            "test_accuracy": self.accuracy,
        }


def of_run(run: Run) -> About:
    """Gather what is to be said from a run folder.

    Args:
        run: A finished run. One of before there were thresholds is never unsure.
    """
    return About(
        name=run.name,
        class_names=run.class_names,
        image_size=int(run.info["image_size"]),
        resize_mode=str(run.info["resize_mode"]),
        temperature=float(_of(run.info, "calibration", "temperature") or 1.0),
        threshold=float(_of(run.info, "threshold", "threshold") or 0.0),
        accuracy=float(run.info["metrics"]["accuracy"]),
    )


def _of(info: Mapping[str, Any], part: str, key: str) -> Any:
    return (info.get(part) or {}).get(key)
