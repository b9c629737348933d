"""Export of a model that another backend than TensorFlow computes: by a process that uses TensorFlow.

Run as `python -m tlearn.export.by_tensorflow MODEL.keras ARGUMENTS.json`, with `KERAS_BACKEND=tensorflow`.
A Keras file is the same for every backend.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import keras

from tlearn.calibration import Limits
from tlearn.errors import ExportError, TlearnError

__all__ = ["export_elsewhere", "main"]

_LIMITS = "limits.npz"
_REFUSED = 3  # exit status: the last line is what is wrong, in clear words


def export_elsewhere(
    model: keras.Model, arguments: dict[str, Any], limits: Limits | None = None
) -> None:
    """Write a SavedModel of a model that this process cannot write.

    Args:
        model: A functional or sequential model, float32.
        arguments: Those of `tlearn.export.export` but the model and the limits, by name, as JSON
            takes them.
        limits: Its limits.

    Raises:
        ExportError: The model cannot be exported.
    """
    with tempfile.TemporaryDirectory(prefix="tlearn-") as scratch:
        file, settings = Path(scratch) / "model.keras", Path(scratch) / "arguments.json"
        model.save(file)
        settings.write_text(json.dumps(arguments), encoding="utf-8")
        if limits is not None:
            limits.write(settings.with_name(_LIMITS))
        environment = {
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "CUDA_VISIBLE_DEVICES": "-1",  # this process may hold all the memory of a GPU
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        command = [sys.executable, "-m", __name__, str(file), str(settings)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode == _REFUSED:
        raise ExportError(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        raise ExportError(
            "The model could not be exported: the process that writes it with TensorFlow failed. "
            "Expected a model whose Keras file loads under the TensorFlow backend. "
            f"Received: backend={keras.backend.backend()!r}, exit status {done.returncode}, last "
            f"words:\n{done.stderr[-2000:]}"
        )


def main(file: str, settings: str) -> int:
    """Export the Keras file as the settings say; the exit status."""
    from tlearn.export.saved_model import export

    try:
        model = keras.models.load_model(file, compile=False)
        file_of_limits = Path(settings).with_name(_LIMITS)
        export(
            model,
            **json.loads(Path(settings).read_text(encoding="utf-8")),
            limits=Limits.read(file_of_limits) if file_of_limits.exists() else None,
        )
    except TlearnError as error:
        sys.stderr.write(f"{error}\n")
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
