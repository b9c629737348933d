"""A run that knows colours, and `tlearn serve` in a process of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import requests
import run_folders
from PIL import Image

from tlearn import heads, runs
from tlearn.calibration import Limits, Scope
from tlearn.calibration.scope import Known
from tlearn.export import export

ROOT = Path(__file__).resolve().parents[1]
CLASSES = ("blue", "green", "red")
SIDE = 32


def write_run(
    root: Path,
    name: str = "colours",
    *,
    class_names: tuple[str, ...] = CLASSES,
    created: str = "2026-01-01T00:00:00Z",
) -> runs.Run:
    """A whole run of a network that tells colours apart; grey is unsure, and unlike any it knows."""
    run = run_folders.write_run(
        root, name=name, class_names=class_names, changes={"created": created}
    )
    pixels = keras.Input((SIDE, SIDE, 3))
    features = keras.layers.AveragePooling2D(8, name="features")(pixels)
    model = heads.attach(keras.Model(pixels, features), 3)
    model.get_layer("logits").set_weights([0.02 * np.eye(3)[:, ::-1], np.zeros(3)])
    limits = Limits(temperature=1.0, threshold=0.6, scope=Scope(Known.of(np.eye(3) * 255), 0.7))
    model.save(run.model_path)
    export(model, class_names, run.saved_model_path, image_size=SIDE, limits=limits)
    return run


def photo(colour: str, kind: str = "JPEG", size: tuple[int, int] = (48, 40)) -> bytes:
    """The bytes of a photo all of one colour."""
    encoded = io.BytesIO()
    Image.new("RGB", size, colour).save(encoded, kind)
    return encoded.getvalue()


class Server:
    """A server on a free port; a context manager.

    Attributes:
        told: What it has said on standard output.
        last_words: When it has ended, what it had said on standard error.
    """

    def __init__(self, *words: str, **environment: str) -> None:
        self._words = words
        self._environment = environment
        self.told = ""
        # A pipe that nobody reads would fill.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115

    def __enter__(self) -> Server:
        kept = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tlearn", "serve", *self._words, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**kept, "PYTHONPATH": str(ROOT), **self._environment},
        )
        late = threading.Timer(300, self.process.kill)
        late.start()
        assert self.process.stdout is not None
        while "Serving at" not in self.told and (line := self.process.stdout.readline()):
            self.told += line
        late.cancel()
        if "Serving at" not in self.told:
            self.__exit__()
            raise AssertionError(self.told + self.last_words)
        self.url = self.told.split("Serving at ")[1].split("/ -")[0]
        self.port = int(self.url.rpartition(":")[2])
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.process.poll() is None:
                self.stop()
        finally:
            self.process.kill()
            self.process.communicate()
            self.last_words = self.errors()
            self._errors.close()

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Ask it to end; its exit code, and what it said on standard error."""
        self.process.send_signal(kind)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Wait until it has ended by itself."""
        self.process.communicate(timeout=90)
        return self.process.returncode, self.errors()

    def errors(self) -> str:
        """What it has said on standard error."""
        self._errors.seek(0)
        return self._errors.read().decode()

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=60, **more)

    def post(self, path: str, data: Any = None, **more: Any) -> requests.Response:
        return requests.post(self.url + path, data=data, timeout=60, **more)

    def upload(self, data: bytes, path: str = "/predict") -> dict[str, Any]:
        """What is said of one photo."""
        (row,) = self.post(path, data).json()["predictions"]
        return row

    def rest(self, model: str, asked: Any, method: str = "predict") -> requests.Response:
        return self.post(f"/v1/models/{model}:{method}", json.dumps(asked))

    def until(self, true: Any, seconds: float = 30) -> None:
        """Wait until something is so."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "it never came true"
            time.sleep(0.05)
