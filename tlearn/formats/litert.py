"""LiteRT, once TensorFlow Lite: `.tflite`, for phones, browsers and small devices."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tlearn.formats import litert_metadata
from tlearn.formats.about import About
from tlearn.formats.network import Network
from tlearn.hushing import hushed

__all__ = ["write"]


def write(
    network: Network,
    about: About,
    quantization: str,
    file: Path,
    samples: Callable[[], npt.NDArray[np.generic]],
) -> None:
    """Convert a network and write it with its metadata.

    The input is `pixels`, float32 `(1, size, size, 3)`, 0..255; of int8 it is uint8, as are the
    probabilities. More photos at once: `resize_tensor_input`.

    Args:
        network: What is to be converted.
        about: What the file says of itself.
        quantization: `"none"`; `"float16"` halves the weights; `"dynamic"` keeps them in 8 bits
            and computes in float32 between; `"int8"` computes in 8 bits throughout.
        file: Where to write.
        samples: Gives training photos as squares; asked for int8 only.
    """
    with tempfile.TemporaryDirectory(prefix="tlearn-") as scratch, hushed():
        # By way of a SavedModel: a function's own variables would stay variables.
        network.save(network.answer, Path(scratch))
        content = _converted(scratch, quantization, samples)
    file.write_bytes(litert_metadata.added(content, about))
    litert_metadata.append_files(file, about)


def _converted(
    saved_model: str, quantization: str, samples: Callable[[], npt.NDArray[np.generic]]
) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model)
    if quantization != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization == "int8":
        converter.representative_dataset = lambda: _one_by_one(samples())
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytes(converter.convert())


def _one_by_one(squares: npt.NDArray[np.generic]) -> Iterator[list[Any]]:
    for square in squares:
        yield [square[np.newaxis]]
