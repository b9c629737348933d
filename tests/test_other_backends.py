"""Training with Keras's JAX backend, in a fresh process as a user would start it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tlearn
from tlearn import runs
from tlearn.datasets import sample
from tlearn.version import installed


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="the extra 'jax' is missing")
def test_jax_trains_and_tensorflow_answers_as_it_did(tmp_path: Path) -> None:
    sample.write(tmp_path / "digits", per_class=12)
    for digit in range(3, 10):
        shutil.rmtree(tmp_path / "digits" / str(digit))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tlearn", "finetune", "--dataset", str(tmp_path / "digits")),
            *("--image-size", "64", "--epochs", "2", "--no-mirror", "--no-group"),
            *("--output", str(tmp_path / "runs"), "--name", "by-jax"),
        ],
        env={**os.environ, "KERAS_BACKEND": "jax", "TLEARN_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    run = runs.load("by-jax", tmp_path / "runs")
    assert run.versions["backend"] == "jax"
    assert run.info["features"]["engine"] == "jax"
    assert list(run.stages["stage"]) == ["head", "unfreeze"]
    test = run.predictions[run.predictions["split"] == "test"]
    answers = tlearn.predict(list(test["path"]), run=run)
    assert answers["label"].tolist() == test["predicted"].tolist()
    np.testing.assert_allclose(answers["probability"], test["probability"], atol=1e-4)


def test_what_is_imported_as_a_package_may_be_installed_under_another_name() -> None:
    assert installed("pillow") == importlib.metadata.version("pillow")
    assert installed("PIL") == importlib.metadata.version("pillow")
    assert installed("no_such_package") is None
