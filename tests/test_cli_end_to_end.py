"""The main job by the command line, on real photos: sample, finetune, report, predict, classify."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from tlearn import runs
from tlearn.cli import app

ROOT = Path(__file__).resolve().parents[1]


def tlearn(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does, in a process of its own."""
    kept = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-m", "tlearn", *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
    )


def call(*words: str) -> Result:
    """Run a command in this process, which has TensorFlow at hand."""
    return CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1"}).invoke(app, list(words))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with digits to train on, one of them broken."""
    folder = tmp_path_factory.mktemp("work")
    wrote = call("sample", str(folder / "digits"), "--per-class", "8")
    assert wrote.exit_code == 0, wrote.stderr
    assert f"Wrote 80 photos to {folder}/digits" in wrote.stdout
    assert f"tlearn finetune --dataset {folder}/digits" in wrote.stdout
    for digit in range(3, 10):
        shutil.rmtree(folder / "digits" / str(digit))
    (folder / "digits" / "0" / "broken.png").write_bytes(b"no photo")
    return folder


@pytest.fixture(scope="module")
def finetuned(here: Path) -> subprocess.CompletedProcess[str]:
    return tlearn(
        *("finetune", "--dataset", "digits", "--recipe", "linear_probe", "--epochs", "2"),
        *("--image-size", "64", "--batch-size", "8", "--no-mirror", "--name", "first"),
        folder=here,
    )


def test_finetune_makes_a_run_with_what_was_asked_for(
    here: Path, finetuned: subprocess.CompletedProcess[str]
) -> None:
    assert finetuned.returncode == 0, finetuned.stderr
    info = runs.load("first", here / "saved_models").info
    assert info["backbone"] == "efficientnet_lite0"
    assert (info["recipe"], info["image_size"], info["batch_size"]) == ("linear_probe", 64, 8)
    assert info["recipe_options"] == {"epochs": 2, "mirror": False}


def test_finetune_ends_with_a_panel_of_what_matters(
    finetuned: subprocess.CompletedProcess[str],
) -> None:
    shown = finetuned.stdout
    assert re.search(r"Test accuracy +\d+\.\d %  \(\d+\.\d % to \d+\.\d %\)", shown)
    assert re.search(r"Macro F1 +\d+\.\d %", shown)
    assert "the recipe trains the head only" in shown
    assert re.search(r"Skipped +1 file,", shown)
    assert re.search(
        r"SavedModel +same answers on \d+ photos, probabilities (equal|within \S+)", shown
    )
    assert "saved_models/first" in shown
    assert "tlearn report first" in shown
    assert "tlearn predict PHOTOS --run first" in shown


def test_finetune_tells_its_steps_plainly_and_nothing_else(
    finetuned: subprocess.CompletedProcess[str],
) -> None:
    said = finetuned.stderr
    assert re.search(
        r"^Stage head, epoch 2 of 2: \d+\.\d s, \d+ photos/s, .*loss \d\.\d+$", said, re.M
    )
    assert re.search(r"^\d+ photos in 3 classes: .* efficientnet_lite0 \(for 'eff", said, re.M)
    assert "broken.png" in said
    assert "\x1b" not in said
    for chatter in ("oneDNN", "CUDA", "cuda", "WARNING", "I0000", "E0000", "UserWarning"):
        assert chatter not in said


def test_report_and_runs_show_the_run(
    here: Path, finetuned: subprocess.CompletedProcess[str]
) -> None:
    root = str(here / "saved_models")
    assert call("report", "--root", root).stdout.startswith("first\n")
    rows = json.loads(call("runs", "--root", root, "--format", "json").stdout)
    assert [(row["name"], row["state"]) for row in rows] == [("first", "finished")]


def test_predict_names_photos_and_what_cannot_be_read(
    here: Path, finetuned: subprocess.CompletedProcess[str]
) -> None:
    ran = tlearn("predict", "digits/0", "--top", "2", "--output", "a.csv", folder=here)
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"digits/0/000\.png +[012] +\S+ +\d+\.\d % +[012] \d+\.\d %", ran.stdout)
    assert re.search(r"digits/0/broken\.png +unreadable", ran.stdout)
    assert "1 of 9 files could not be read" in ran.stdout
    assert "oneDNN" not in ran.stderr
    table = pd.read_csv(here / "a.csv")
    assert len(table) == 9
    assert table["error"].notna().sum() == 1


def test_predict_fails_when_there_is_no_photo_at_all(
    here: Path, finetuned: subprocess.CompletedProcess[str]
) -> None:
    broken = str(here / "digits" / "0" / "broken.png")
    ran = call("predict", broken, "--run", str(here / "saved_models" / "first"))
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "Error: Not one of 1 files could be read" in ran.stderr


def test_classify_names_imagenet_classes(here: Path) -> None:
    ran = tlearn("classify", "digits/0/000.png", "--top", "3", folder=here)
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"digits/0/000\.png +\w.* \d+\.\d %", ran.stdout)
    assert "oneDNN" not in ran.stderr


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "There is no file or folder"),
        ({"cats/a.png": "digits/0/000.png"}, "class"),
        ({"cats/a.png": "digits/0/000.png", "dogs/b.png": "digits/0/broken.png"}, "dogs"),
    ],
    ids=["no folder", "one class", "a class without a photo that can be read"],
)
def test_a_data_set_that_cannot_be_used_is_told_and_leaves_nothing(
    here: Path, tmp_path: Path, files: dict[str, str], expected: str
) -> None:
    for name, source in files.items():
        (tmp_path / "photos" / name).parent.mkdir(parents=True)
        shutil.copy(here / source, tmp_path / "photos" / name)
    output = tmp_path / "runs"
    ran = call("finetune", "-d", str(tmp_path / "photos"), "--output", str(output))
    assert (ran.exit_code, ran.stdout) == (1, "")
    error = ran.stderr[ran.stderr.index("Error: ") :]
    assert expected in error
    assert "bug" not in error
    assert not output.exists() or not any(output.iterdir())


def test_strict_makes_a_broken_photo_an_error(here: Path, tmp_path: Path) -> None:
    ran = call("finetune", "-d", str(here / "digits"), "--strict", "--output", str(tmp_path))
    assert ran.exit_code == 1
    assert re.search(r"^Error: .*broken\.png", ran.stderr, re.M | re.S)
    assert not any(tmp_path.iterdir())


def test_an_output_that_cannot_be_written_is_told_before_the_work(
    here: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    ran = call("finetune", "-d", str(here / "digits"), "--output", str(tmp_path / "file"))
    assert ran.exit_code == 1
    assert re.fullmatch(r"Error: Cannot write .*\n", ran.stderr)
