"""Which devices are asked for, checked before TensorFlow is loaded."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tlearn.errors import DeviceError

__all__ = ["Asked", "CLUSTER", "asked"]

# How TensorFlow itself, Kubernetes's training operator, Ray Train and Vertex AI say who is who.
CLUSTER = "TF_CONFIG"

_ADDRESS = re.compile(r"[\w.:\[\]-]+:[0-9]+", re.ASCII)


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Args:
        devices: How many of this machine, `"auto"` or `"all"`.
        addresses: `host:port` of each worker, in order; empty where there is one process.
        worker: Which of them this process is, from 0.
    """

    devices: str | int = "auto"
    addresses: tuple[str, ...] = ()
    worker: int = 0

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.worker == 0


def asked(
    devices: str | int = "auto",
    workers: Sequence[str] | str | None = None,
    worker: int | None = None,
) -> Asked:
    """Read what was asked for, by arguments or by the environment variable TF_CONFIG.

    Args:
        devices: `"auto"`: all GPUs of this machine, or its CPU where there is none. `"all"`: the
            same, and an error where there is no GPU. A number: so many GPUs, or so many equal parts
            of the CPU where there is none.
        workers: `host:port` of each worker, the first being the chief; a sequence, or text with
            commas between them. By default those of TF_CONFIG.
        worker: Which of them this process is, from 0.

    Returns:
        The same, checked.

    Raises:
        DeviceError: It is something else, or half of it is missing.
    """
    text = str(devices).strip().lower()
    if text not in {"auto", "all"} and not (text.isdecimal() and int(text) >= 1):
        raise DeviceError(
            "The devices to train on are auto, all, or a number from 1 on. "
            f"Received: devices={devices!r}"
        )
    wanted: str | int = int(text) if text.isdecimal() else text
    if workers is None and worker is None:
        addresses, number = _of_environment()
        return Asked(wanted, addresses, number)
    parts = workers.split(",") if isinstance(workers, str) else list(workers or ())
    addresses = tuple(part.strip() for part in parts)
    if not addresses or worker is None:
        raise DeviceError(
            "Several workers need to know of each other: give each the same --workers "
            "HOST:PORT,HOST:PORT and a --worker of its own, from 0. "
            f"Received: workers={workers!r}, worker={worker!r}"
        )
    return Asked(wanted, *_checked(addresses, worker))


def _of_environment() -> tuple[tuple[str, ...], int]:
    given = os.environ.get(CLUSTER, "").strip()
    if not given:
        return (), 0
    try:
        config = json.loads(given)
        cluster = config.get("cluster") or {}
        task = config.get("task") or {}
        kinds = {kind: list(cluster[kind]) for kind in cluster}
        kind, index = str(task.get("type", "worker")), int(task.get("index", 0))
    except (ValueError, TypeError, AttributeError) as error:
        raise DeviceError(
            "The environment variable TF_CONFIG must be JSON with a cluster and a task, such as "
            '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}. '
            f"Received: TF_CONFIG={given!r}"
        ) from error
    if not kinds:
        return (), 0
    strangers = sorted(set(kinds) - {"chief", "worker"})
    if strangers or kind not in kinds:
        raise DeviceError(
            "In the environment variable TF_CONFIG there may be a chief and workers, and the task "
            "must be one of them; parameter servers and evaluators have nothing to do here. "
            f"Received: cluster={sorted(kinds)}, task={kind!r}"
        )
    chiefs = [str(one) for one in kinds.get("chief", ())]
    addresses = (*chiefs, *(str(one) for one in kinds.get("worker", ())))
    return _checked(addresses, index if kind == "chief" else index + len(chiefs))


def _checked(addresses: tuple[str, ...], worker: int) -> tuple[tuple[str, ...], int]:
    wrong = [address for address in addresses if not _ADDRESS.fullmatch(address)]
    if wrong or len(set(addresses)) < len(addresses) or not 0 <= worker < len(addresses):
        raise DeviceError(
            "Workers are named HOST:PORT, each once, and a worker's number is its place among them, "
            f"from 0. Received: workers={','.join(addresses)!r}, worker={worker}"
        )
    return addresses, worker
