"""The workers of a run as actors of a Ray cluster, by Ray Train's TensorflowTrainer."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tlearn.errors import DeviceError, MissingExtra
from tlearn.launching.plan import Launch
from tlearn.progress import SILENT, Progress

__all__ = ["Work", "run"]

# From the arguments of the command to its exit code, in a process of its own; importable by name.
Work = Callable[[Sequence[str]], int]

# What a worker that has lost another one ends with; to be tried again.
_LOST = 5
# What decides how a worker computes and where it looks, on whichever machine it is.
_HANDED_ON = ("TLEARN_", "KERAS_", "TF_", "PYTHONPATH")
# Without a cluster to join, Ray starts one on this machine: on loopback, and telling nobody.
_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


def run(launch: Launch, work: Work, progress: Progress = SILENT) -> int:
    """Train on the cluster that RAY_ADDRESS names, or on this machine alone.

    Ray gives each worker its TF_CONFIG, starts all of them again when one is lost, as often as
    `launch` allows, and shows what they print. Data set, cache and output must be on a disk that all
    machines share.

    Args:
        launch: What is to be launched; its logs are Ray's folder for the run.
        work: Does the command.
        progress: Told what happens.

    Returns:
        The exit code of the command.

    Raises:
        MissingExtra: Ray is not installed.
        DeviceError: There is less to be had than the workers need, or they were lost too often.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingExtra("ray", "ray", "--engine ray")
    alone = not os.environ.get("RAY_ADDRESS")
    for name, value in _ALONE.items():
        if alone:
            os.environ.setdefault(name, value)
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer

    environment = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_HANDED_ON) and name != "TF_CONFIG"
    }
    ray.init(
        runtime_env={"env_vars": environment, "worker_process_setup_hook": _quiet},
        include_dashboard=False,
        logging_level=logging.ERROR,
    )
    try:
        cpus, gpus = (int(ray.cluster_resources().get(kind, 0)) for kind in ("CPU", "GPU"))
        share = {"CPU": max(1, cpus // launch.workers)}
        if gpus >= launch.workers:
            share["GPU"] = gpus // launch.workers
        if cpus < launch.workers:
            raise DeviceError(
                f"The Ray cluster has {cpus} CPUs, fewer than workers, so that some would wait for ever. "
                f"Received: workers={launch.workers}"
            )
        codes: Any = ray.remote(num_cpus=0)(_Codes).remote()
        trainer = TensorflowTrainer(
            _in_actor,
            train_loop_config={
                "work": work,
                "arguments": list(launch.arguments),
                "folder": str(Path.cwd()),
                "codes": codes,
            },
            scaling_config=ScalingConfig(
                num_workers=launch.workers, use_gpu="GPU" in share, resources_per_worker=share
            ),
            run_config=RunConfig(
                name="ray",
                storage_path=str(launch.logs.absolute()),
                failure_config=FailureConfig(max_failures=launch.restarts),
            ),
        )
        progress.say(f"{launch.workers} workers by Ray {ray.__version__}, each with {share}.")
        try:
            trainer.fit()
        except Exception as error:
            raise DeviceError(
                f"Ray has given up: {str(error).strip().partition(chr(10))[0]} Its logs are in "
                f"{launch.logs}. Received: restarts={launch.restarts}"
            ) from error
        worst: Any = ray.get(codes.worst.remote())
        return int(worst)
    finally:
        ray.shutdown()


def _quiet() -> None:
    """Without the dashboard, whose packages few have, Ray Train warns of that once a second."""
    cleaner = "ray.train.v2._internal.execution.controller.placement_group_cleaner"
    logging.getLogger(cleaner).setLevel(logging.ERROR)


class _Codes:
    """The exit codes of the workers, in an actor of its own: Ray Train gives nothing back."""

    def __init__(self) -> None:
        self._worst = 0

    def note(self, code: int) -> None:
        self._worst = max(self._worst, code)

    def worst(self) -> int:
        return self._worst


def _in_actor(config: dict[str, Any]) -> None:
    """What one worker does; Ray has told it who is who in TF_CONFIG."""
    import ray

    folder = Path(config["folder"])
    if folder.is_dir():  # so that relative paths mean the same
        os.chdir(folder)
    code = config["work"](config["arguments"])
    if code == _LOST:
        raise RuntimeError("another worker was lost")
    ray.get(config["codes"].note.remote(code))
