"""Workers started, watched, started again and ended; with real processes, some of them real workers."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from photo_files import Heard

from tlearn import runs
from tlearn.datasets import sample
from tlearn.errors import DeviceError
from tlearn.launching import heartbeat, sharing, supervising
from tlearn.launching.plan import Launch, plan
from tlearn.progress import SILENT

ROOT = Path(__file__).resolve().parents[1]


# Which worker it is, and the how manieth start.
WORKER = """
import json, os, pathlib, signal, sys, time
number = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
with open(f"{sys.argv[1]}/starts-{number}", "a+") as file:
    file.write("x")
    starts = file.tell()
"""


def launched(folder: Path, program: str, workers: int = 2, **settings: object) -> tuple:
    """The exit code, what was heard of each worker, and what was warned of."""
    told: list[tuple[int, bool, str]] = []
    watcher = Heard()
    launch = Launch(
        (str(folder),),
        workers,
        logs=folder / "logs",
        program=(sys.executable, "-c", WORKER + program),
        **{"grace": 1.0, **settings},
    )
    code = supervising.supervise(launch, lambda *line: told.append(line), watcher)
    return code, told, watcher.warned


def test_what_workers_print_is_heard_and_kept(tmp_path: Path) -> None:
    code, told, _ = launched(
        tmp_path, "print('out', number); print('err', number, file=sys.stderr)"
    )
    assert code == 0
    assert sorted(told) == [
        (n, error, f"{'err' if error else 'out'} {n}") for n in (0, 1) for error in (False, True)
    ]
    assert "err 1" in (tmp_path / "logs" / "worker-1.log").read_text()


def test_a_worker_that_is_killed_takes_all_down_and_all_start_again(tmp_path: Path) -> None:
    code, _, warned = launched(
        tmp_path,
        "other = pathlib.Path(sys.argv[1], 'starts-0')\n"
        "while not other.exists(): time.sleep(0.01)\n"
        "if starts == 1 and number == 1: os.kill(os.getpid(), signal.SIGKILL)\n"
        "if starts == 1: time.sleep(60)\n",
    )
    assert code == 0
    assert warned == ["Worker 1 was ended by SIGKILL, so all 2 workers are started again."]
    assert (tmp_path / "starts-0").read_text() == "xx"


def test_a_worker_that_has_lost_another_is_started_again_a_mistake_is_not(
    tmp_path: Path,
) -> None:
    code, _, warned = launched(tmp_path, "sys.exit(5 if number == 0 and starts == 1 else 0)")
    assert code == 0
    assert warned == ["Worker 0 ended with exit code 5, so all 2 workers are started again."]
    code, _, warned = launched(tmp_path, "sys.exit(1)")
    assert (code, warned) == (1, [])


def test_what_is_lost_too_often_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="for the last of 2 times"):
        launched(tmp_path, "sys.exit(5)", restarts=1)


def test_workers_without_progress_are_ended_even_if_they_ignore_sigterm(tmp_path: Path) -> None:
    began = time.monotonic()
    code, _, warned = launched(
        tmp_path,
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(0 if starts > 1 else 60)\n",
        silence=4.0,
    )
    assert code == 0
    assert warned == ["No worker made progress for 4 seconds, so all 2 workers are started again."]
    assert time.monotonic() - began < 30


def test_one_workers_progress_keeps_the_others_alive(tmp_path: Path) -> None:
    code, _, warned = launched(
        tmp_path,
        f"for _ in range(20 if number else 0): os.utime(os.environ['{heartbeat.VARIABLE}']); time.sleep(0.3)\n"
        "if number == 0: time.sleep(6)\n",
        silence=4.0,
    )
    assert (code, warned) == (0, [])


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin")
def test_pinned_workers_keep_to_cores_of_their_own(tmp_path: Path) -> None:
    _, told, _ = launched(tmp_path, "time.sleep(0.3); print(os.sched_getaffinity(0))", pin=True)
    assert [line for _, _, line in sorted(told)] == [str(set(cores)) for cores in sharing.cores(2)]


def test_gpus_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    assert sharing.visible_gpus(2) == [
        {"CUDA_VISIBLE_DEVICES": "0,1"},
        {"CUDA_VISIBLE_DEVICES": "2,3"},
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert sharing.visible_gpus(2) == [{}, {}]


@pytest.mark.parametrize(
    "arguments", [[], ["report"], ["finetune", "--workers", "a:1,b:1"], ["finetune", "--worker=1"]]
)
def test_only_a_finetune_of_no_group_of_its_own_is_launched(arguments: list[str]) -> None:
    with pytest.raises(DeviceError, match="What is launched is a `finetune`"):
        plan(arguments, 2)


def test_progress_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(heartbeat.VARIABLE, raising=False)
    assert heartbeat.beating(SILENT) is SILENT
    heart = tmp_path / "beat"
    heart.touch()
    os.utime(heart, (0, 0))
    monkeypatch.setenv(heartbeat.VARIABLE, str(heart))
    watcher = Heard()
    with heartbeat.beating(watcher).task("Training", total=2) as task:
        task.advance()
    assert heart.stat().st_mtime > time.time() - 60


# Real workers


def command(folder: Path, *launch: str, name: str) -> list[str]:
    return [
        *(sys.executable, "-m", "tlearn", "launch", "--workers", "2", *launch, "--"),
        *("finetune", "--dataset", str(folder / "digits"), "--image-size", "64", "--epochs", "3"),
        *("--no-mirror", "--no-group", "--output", str(folder / "runs"), "--name", name),
    ]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workers")
    sample.write(folder / "digits", per_class=12)
    for digit in range(3, 10):
        shutil.rmtree(folder / "digits" / str(digit))
    return folder


def finished(folder: Path, name: str) -> runs.Run:
    """The run, which is the only thing that has been written."""
    assert [path.name for path in (folder / "runs").iterdir() if path.name.startswith(".")] == []
    run = runs.load(name, folder / "runs")
    assert run.info["devices"]["workers"] == 2
    assert len(run.predictions) == len(set(run.predictions["path"]))
    return run


@pytest.mark.slow
def test_two_workers_train_one_run_and_when_one_is_killed_it_goes_on(digits: Path) -> None:
    said = []
    kept = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    with subprocess.Popen(
        command(digits, name="lost"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**kept, "TLEARN_CACHE": str(digits / "cache")},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if "epoch 1 of 3" in line and not any("started again" in one for one in said):
                os.kill(worker_of(process.pid, 1), signal.SIGKILL)
    assert process.wait() == 0, "".join(said)
    assert any("Worker 1 was ended by SIGKILL" in line for line in said)
    assert any("Going on with the unfinished run" in line for line in said)
    assert [line for line in said if line.startswith("1 |")] == []
    assert sum("Frozen features of 28 photos computed" in line for line in said) == 1
    assert sum("Frozen features of 28 photos: all kept" in line for line in said) == 1
    run = finished(digits, "lost")
    assert run.history["epoch"].tolist() == [1, 1, 2, 3]


def worker_of(launcher: int, number: int) -> int:
    import psutil

    for child in psutil.Process(launcher).children():
        if f'"index": {number}' in child.environ().get("TF_CONFIG", ""):
            return child.pid
    raise AssertionError(f"no worker {number}")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra 'ray' is missing")
def test_ray_trains_the_same(digits: Path) -> None:
    done = subprocess.run(
        command(digits, "--engine", "ray", name="by-ray"),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    finished(digits, "by-ray")
