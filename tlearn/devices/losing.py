"""When another worker is lost, as those that are left see it."""

from __future__ import annotations

from tlearn.devices.group import Group
from tlearn.errors import WorkerLost

__all__ = ["told_as_lost"]

# What TensorFlow's collectives raise; the words tell them from the same errors of a disk or a GPU.
_KINDS = {"UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError"}
_KINDS |= {"InternalError", "FailedPreconditionError", "UnknownError", "InvalidArgumentError"}
_WORDS = ("ollective", "oordination", "peer", "task:", "onnection", "heartbeat")


def told_as_lost(error: BaseException, group: Group) -> WorkerLost | None:
    """Say in clear words that another worker has ended.

    Args:
        error: What was raised in this worker.
        group: Who trains together.

    Returns:
        The error to raise in its place; `None` where it is about something else.
    """
    kind, text = type(error).__name__, str(error)
    if group.workers == 1 or kind not in _KINDS or not any(word in text for word in _WORDS):
        return None
    return WorkerLost(
        "Another worker was lost, and none can go on without it. Start all of them again with the same "
        "command: they go on from the last checkpoint. "
        f"Received: worker={group.worker} of {group.workers}, {kind}"
    )
