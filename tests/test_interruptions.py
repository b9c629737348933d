"""`tlearn finetune` stopped, ended, killed, or out of disk: the same command goes on, and nothing is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from tlearn import runs
from tlearn.datasets import sample

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "digits"
    sample.write(folder, per_class=24, classes=3)
    return folder


def command(digits: Path, output: Path, *more: str) -> list[str]:
    words = ["finetune", "--dataset", str(digits), "--image-size", "64", "--epochs", "4"]
    words += ["--unfreeze", "0.1", "--deterministic", "--name", "run", "--output", str(output)]
    return [sys.executable, "-m", "tlearn", *words, *more]


def ended_when(words: Sequence[str], log: Path, epochs: int, number: int) -> tuple[int, str]:
    """Send a signal to a command when it has logged so many epochs; its exit code and what it said."""
    before = len(log.read_text().splitlines()) if log.exists() else 0
    process = subprocess.Popen(
        [*words, "--log-json", str(log)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and len(log.read_text().splitlines()) - before >= epochs:
            break
        time.sleep(0.01)
    process.send_signal(number)
    said = process.communicate(timeout=200)[1]
    return process.returncode, said


def test_ctrl_c_sigterm_and_sigkill_lose_nothing(digits: Path, tmp_path: Path) -> None:
    whole, log = tmp_path / "whole", tmp_path / "epochs.jsonl"
    subprocess.run(command(digits, whole), check=True, capture_output=True)
    output = tmp_path / "runs"
    words = command(digits, output)
    code, said = ended_when(words, log, 2, signal.SIGINT)
    assert code == 130, said
    assert "The same command goes on from there." in said
    assert runs.table(output)["state"].tolist() == ["unfinished"]
    code, said = ended_when(words, log, 1, signal.SIGTERM)
    assert code == 143, said
    assert "Going on with the unfinished run" in said
    code, _ = ended_when(words, log, 1, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert runs.table(output)["state"].tolist() == ["unfinished"]
    told = subprocess.run([*words, "--resume"], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert [entry.name for entry in output.iterdir()] == ["run"]
    pd.testing.assert_frame_equal(
        runs.load("run", output).predictions, runs.load("run", whole).predictions, check_exact=True
    )
    epochs = [json.loads(line)["epoch"] for line in log.read_text().splitlines()]
    assert set(epochs) >= {1, 2, 3}
    told = subprocess.run([*words, "--resume"], capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "no unfinished run of this command" in told.stderr


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(digits: Path, small_disk) -> None:
    disk = small_disk(64 * 1024)
    words = command(digits, disk / "runs", "--unfreeze", "1")
    full = subprocess.run(words, capture_output=True, text=True, check=False)
    assert full.returncode == 1
    assert "the disk is full" in full.stderr
    assert "Traceback" not in full.stderr
    assert "The same command goes on from there." in full.stderr
    assert runs.table(disk / "runs")["state"].tolist() == ["unfinished"]
    subprocess.run(["mount", "-o", "remount,size=400m", str(disk)], check=True)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Going on with the unfinished run" in done.stderr
    assert len(runs.load("run", disk / "runs").predictions)


def test_a_run_is_made_once_more_to_the_last_bit(digits: Path, tmp_path: Path) -> None:
    subprocess.run(command(digits, tmp_path, "--epochs", "1"), check=True, capture_output=True)
    words = ["finetune", "--like", "run", "--name", "again", "--output", str(tmp_path)]
    again = subprocess.run(
        [sys.executable, "-m", "tlearn", *words], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert "The predictions are those of run, to the last bit." in again.stdout
    one, other = (runs.load(name, tmp_path) for name in ("run", "again"))
    assert one.predictions.equals(other.predictions)
    recorded, repeated = one.info["arguments"], other.info["arguments"]
    assert repeated["backbone"] == one.info["backbone"]
    as_asked = {name: recorded[name] for name in ("backbone", "recipe_options")}
    assert recorded == repeated | as_asked
