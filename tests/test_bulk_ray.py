"""Workers of Ray answer the same parts; one that is killed costs time and nothing else."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import small_classifier

from tlearn.bulk.predicting import Workers, predict_into
from tlearn.errors import PartsError

pytest.importorskip("ray", reason="needs the extra 'ray'")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_classifier.export_to(tmp_path_factory.mktemp("exported") / "saved_model")


@pytest.mark.slow
def test_a_killed_worker_costs_no_row(saved: Path, tmp_path: Path) -> None:
    few = small_classifier.photos_in(tmp_path / "few", 20)
    many = tmp_path / "many"
    many.mkdir()
    files = sorted(few.rglob("*.png"))
    for number in range(3000):
        (many / f"{number:05d}.png").hardlink_to(files[number % 20])
    (many / "none.png").touch()
    folder = tmp_path / "ray"
    words = [many, "--run", saved, "--output-dir", folder, "--part-size", 100]
    command = [sys.executable, "-m", "tlearn", "predict", *words, "--engine", "ray", "--workers", 2]
    process = psutil.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True)
    killed = False
    while process.poll() is None and not killed:
        if list(folder.glob("part-*")):
            for worker in process.children(recursive=True):
                if not killed and "Answerer" in " ".join(worker.cmdline()):
                    worker.kill()
                    killed = True
        time.sleep(0.02)
    assert killed
    assert len(list(folder.glob("part-*"))) < 31, "it was done before a worker could be killed"
    _, told = process.communicate()
    assert process.returncode == 0, told
    assert "1 of 3,001 files could not be read" in told
    assert not [line for line in told.splitlines() if line.startswith("[20")], "no chatter of Ray's"
    predict_into(many, tmp_path / "local", run=saved, part_size=100)
    on_ray, local = pd.read_parquet(folder), pd.read_parquet(tmp_path / "local")
    pd.testing.assert_frame_equal(on_ray, local, atol=1e-6)
    assert on_ray["path"].is_unique
    assert len(on_ray) == 3001


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_a_clear_error(saved: Path, tmp_path: Path) -> None:
    small_classifier.photos_in(tmp_path / "few", 2)
    workers = Workers("ray", address="127.0.0.1:1")
    with pytest.raises(PartsError, match=r"Ray cannot be reached.*127\.0\.0\.1:1"):
        predict_into(tmp_path / "few", tmp_path / "out", run=saved, workers=workers)


def test_without_ray_the_extra_is_named(saved: Path, tmp_path: Path) -> None:
    program = (
        "import sys\nsys.modules['ray'] = None\nfrom tlearn.cli import app\napp(sys.argv[1:])\n"
    )
    small_classifier.photos_in(tmp_path / "few", 2)
    words = ["predict", tmp_path / "few", "--run", saved, "--output-dir", tmp_path / "out"]
    command = [sys.executable, "-c", program, *words, "--engine", "ray"]
    ran = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert ran.returncode == 1
    assert "pip install 'tlearn[ray]'" in ran.stderr
