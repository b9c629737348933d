"""What `auto` stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tlearn import backbones
from tlearn.datasets import Dataset
from tlearn.errors import BackboneError
from tlearn.progress import Progress

__all__ = ["AUTO", "Choice", "backbone", "check_backbone"]

AUTO = "auto"


@dataclass(frozen=True)
class Choice:
    """A backbone, and why it was taken.

    Args:
        backbone: Its row of the table.
        reason: What the shortlist says of it, or `None` where the user has named it.
    """

    backbone: backbones.Backbone
    reason: str | None = None


def check_backbone(name: str) -> None:
    """See whether a backbone's name can be used, `auto` included.

    Args:
        name: What `--backbone` was given.

    Raises:
        BackboneError: There is no such backbone.
    """
    if name != AUTO:
        backbones.resolve(name)


def backbone(
    name: str,
    read: Callable[[], Dataset],
    *,
    weights: str,
    image_size: int | None,
    resize_mode: str,
    policy: str,
    seed: int,
    memory: int,
    progress: Progress,
) -> Choice:
    """Find the backbone that a name means; `auto` is the one that the shortlist recommends.

    Args:
        name: A backbone's name, or `"auto"`.
        read: Gives the photos, divided; called for `auto` only.
        weights: `"imagenet"`, where the choice is left to tlearn.
        image_size: Pixels along each side; by default each backbone's own.
        resize_mode: How a photo becomes a square.
        policy: The dtype policy.
        seed: Decides sample and folds.
        memory: Bytes of features that may be held in memory.
        progress: Who watches.

    Returns:
        The backbone.

    Raises:
        BackboneError: There is no such backbone, none is on this machine, or weights were given
            that not every backbone could take.
    """
    if name != AUTO:
        return Choice(backbones.resolve(name))
    if weights != "imagenet":
        raise BackboneError(
            "With --backbone auto each backbone takes its own pretrained weights. Leave --weights "
            f"out, or name the backbone that they are for. Received: weights={str(weights)!r}"
        )
    from tlearn.choosing.backbone import candidates, shortlist

    found = shortlist.compare(
        read(),
        candidates.local(),
        image_size=image_size,
        resize_mode=resize_mode,
        policy=policy,
        seed=seed,
        memory=memory,
        progress=progress,
    )
    progress.say(found.reason)
    return Choice(backbones.resolve(found.recommended), found.reason)
