"""How far a run's probabilities can be trusted, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["calibration", "scope", "threshold"]


def calibration(info: Mapping[str, Any], split: str) -> str | None:
    """What calibration changed.

    Args:
        info: What `run.json` holds.
        split: The split that is reported.

    Returns:
        A sentence, or `None` for a run of before there was calibration.
    """
    found = info.get("calibration") or {}
    if not found:
        return None
    before, after = (100 * found[when]["ece"] for when in ("before", "after"))
    told = (
        f"Probabilities are calibrated, temperature {found['temperature']:.2f}: calibration error "
        f"on {split} {before:.1f} % before, {after:.1f} % after."
    )
    if not found["mistakes"]:
        told += " Validation holds no mistake, so that they may still be too sure."
    return told


def threshold(info: Mapping[str, Any]) -> str | None:
    """From which probability on photos are answered, and what that gives.

    Args:
        info: What `run.json` holds.

    Returns:
        A sentence, or `None` for a run of before there were thresholds.
    """
    found = info.get("threshold") or {}
    if not found:
        return None
    wanted = f"{found['target']} of {100 * found['wanted']:.4g} %"
    if found["threshold"] is None:
        return f"Validation does not show a {wanted} at any threshold: no answer is unsure."
    split = "test" if found["test"] else "validation"
    seen = found[split]
    if not seen["answered"]:
        return f"Unsure below {found['threshold']:.3f}, for a {wanted}: all {split} photos."
    told = "Every photo is answered" if found["threshold"] == 0 else ""
    told = told or f"Unsure below {found['threshold']:.3f}"
    return (
        f"{told}, for a {wanted}: on {split} {_ends('coverage', seen)} answered, "
        f"{_ends('precision', seen)} of these right."
    )


def scope(info: Mapping[str, Any]) -> str | None:
    """How many photos are called unlike those of training.

    Args:
        info: What `run.json` holds.

    Returns:
        A sentence, or `None` for a run that does not tell.
    """
    found = info.get("scope") or {}
    seen = found.get("test") or found.get("validation")
    if not seen:
        return None
    split = "test" if found.get("test") else "validation"
    return (
        f"Unlike anything in training: {seen['unlike']:,} of {seen['photos']:,} {split} photos, by a "
        f"limit that flags {100 * found['flagged']:.3g} % of such photos on average."
    )


def _ends(name: str, seen: Mapping[str, Any]) -> str:
    value, low, high = (100 * seen[key] for key in (name, f"{name}_low", f"{name}_high"))
    return f"{value:.1f} % ({low:.1f} to {high:.1f})"
