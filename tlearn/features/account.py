"""What computing the frozen features took, for the run's record and for whoever watches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["in_words", "of"]


def of(passes: Sequence[Mapping[str, Any]], photos: int, seconds: float) -> dict[str, Any]:
    """Put together what several passes over the photos have done.

    Args:
        passes: What each gave back, see `Collector.run`.
        photos: Different photos in all.
        seconds: What it took.

    Returns:
        `seconds`, `photos`, `computed` (photos that were not kept from before), `view_passes`,
        `engine` and `difference`, the latter two `None` where nothing was computed.
    """
    differences = [one["difference"] for one in passes if one["difference"] is not None]
    return {
        "seconds": round(seconds, 3),
        "photos": photos,
        "computed": max(one["computed"] for one in passes),
        "view_passes": sum(one["view_passes"] for one in passes),
        "engine": next((one["engine"] for one in passes if one["engine"]), None),
        "difference": max(differences, default=None),
    }


def in_words(info: Mapping[str, Any]) -> str:
    """What was done, in a sentence.

    Args:
        info: As `of` gives it.
    """
    if not info["computed"]:
        return f"Frozen features of {info['photos']:,} photos: all kept from an earlier run."
    how = f"computed in {info['seconds']:.0f} s"
    if info["engine"]:
        how += f" by {info['engine']}"
    if info["computed"] == info["photos"]:
        return f"Frozen features of {info['photos']:,} photos {how}."
    return (
        f"Frozen features: {info['computed']:,} of {info['photos']:,} photos {how}, the others "
        "kept from before."
    )
