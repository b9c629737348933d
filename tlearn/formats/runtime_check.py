"""The script by which `proving` asks an exported file, in a process that has nothing but its runtime.

Run as `python -I runtime_check.py FORMAT FILE RESULT.npz THREADS`. On standard input come frames, each
an eight-byte length and as many bytes: first the caller's `sys.path` in JSON, so that the runtime is
found wherever the caller found it, then the pixels of one photo per frame, as `numpy.save` writes them.
After each photo one byte is written, so that nobody else works while a photo is timed.
"""

from __future__ import annotations

import io
import json
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["RUNTIMES", "main"]


# The reading of frames and the measuring of memory are those of the SavedModel's script, read from
# its file, since tlearn cannot be imported here.
_SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "export" / "saved_model_check.py"))


def _litert(file: str, threads: int) -> Callable[[Any], Any]:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=file, num_threads=threads)
    interpreter.allocate_tensors()
    (given,), (found,) = interpreter.get_input_details(), interpreter.get_output_details()

    def answer(pixels: Any) -> Any:
        if given["dtype"] == np.uint8:
            scale, zero = given["quantization"]
            pixels = np.clip(np.round(pixels / scale + zero), 0, 255).astype(np.uint8)
        interpreter.set_tensor(given["index"], pixels)
        interpreter.invoke()
        answers = interpreter.get_tensor(found["index"])
        if found["dtype"] == np.uint8:
            scale, zero = found["quantization"]
            answers = (answers.astype(np.float32) - zero) * np.float32(scale)
        return answers

    return answer


def _onnx(file: str, threads: int) -> Callable[[Any], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(["probabilities"], {"pixels": pixels})[0]


def _openvino(file: str, threads: int) -> Callable[[Any], Any]:
    import openvino

    # Without the hint, a processor that has bfloat16 computes in it.
    settings = {"EXECUTION_MODE_HINT": "ACCURACY", "INFERENCE_NUM_THREADS": str(threads)}
    model = openvino.Core().compile_model(file, "CPU", settings)
    return lambda pixels: model([pixels])["probabilities"]


RUNTIMES = {"litert": _litert, "onnx": _onnx, "openvino": _openvino}


def main(name: str, file: str, result: str, threads: int, stream: BinaryIO, told: BinaryIO) -> None:
    """Answer every photo of `stream` with an exported file, and write what it said to `result`."""
    photos = _SCRIPT["frames"](stream)
    sys.path.extend(json.loads(next(photos)))
    for other in ("tensorflow", "keras", "tlearn"):
        sys.modules[other] = None  # type: ignore[assignment]  # from here on, importing it fails

    import numpy as np

    answer = RUNTIMES[name](file, threads)
    found, seconds = [], []
    for photo in photos:
        pixels = np.load(io.BytesIO(photo), allow_pickle=False)[np.newaxis].astype(np.float32)
        started = time.perf_counter()
        found.append(np.array(answer(pixels)[0], np.float32))
        seconds.append(time.perf_counter() - started)
        told.write(b".")
        told.flush()
    with open(result, "wb") as to:  # noqa: PTH123
        np.savez(
            to,
            probabilities=np.stack(found),
            # The first one makes ready what the others use.
            seconds=np.median(seconds[1:] or seconds),
            peak_memory=_SCRIPT["peak_memory"](),
        )


if __name__ == "__main__":
    _, _name, _file, _result, _threads = sys.argv
    main(_name, _file, _result, int(_threads), sys.stdin.buffer, sys.stdout.buffer)
