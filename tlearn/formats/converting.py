"""Which function writes which format. It loads TensorFlow."""

from __future__ import annotations

from tlearn.formats import litert, onnx_file, openvino_file
from tlearn.formats.network import of_run

__all__ = ["WRITERS", "of_run"]

WRITERS = {
    "litert": litert.write,
    "onnx": onnx_file.write,
    "openvino": openvino_file.write,
}
