"""ONNX: `.onnx`, for ONNX Runtime on any machine and in a browser.

Keras's own export gives a model with Normalization constants (EfficientNetB0) inputs that nobody can
fill, so the functions are frozen and go through tf2onnx. The squares and the network are converted apart and put
together, so that what is quantized is the network alone.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tlearn.formats.about import About
from tlearn.formats.network import Network
from tlearn.hushing import hushed

__all__ = ["OPSET", "write"]

OPSET = 18

# Of the ONNX standard, for readers that make the pixels themselves.
_IMAGE = {
    "Image.BitmapPixelFormat": "Rgb8",
    "Image.ColorSpaceGamma": "SRGB",
    "Image.NominalPixelRange": "NominalRange_0_255",
}


def write(
    network: Network,
    about: About,
    quantization: str,
    file: Path,
    samples: Callable[[], npt.NDArray[np.generic]],
) -> None:
    """Convert a network and write it with its metadata.

    The input is `pixels`, float32 `(batch, height, width, 3)`, 0..255, of any size; the output is
    `probabilities`.

    Args:
        network: What is to be converted.
        about: What the file says of itself.
        quantization: `"none"`; `"float16"` computes in 16 bits; `"dynamic"` keeps weights in 8 bits
            and finds the ranges between anew for each photo; `"int8"` computes with ranges set by
            `samples`.
        file: Where to write.
        samples: Gives training photos as squares; asked for int8 only.
    """
    import onnx
    from onnx import compose

    inner = _quantized(_converted(network.answer, "probabilities"), quantization, samples)
    outer = _converted(network.squares, "squares")
    outer.ir_version = inner.ir_version = max(outer.ir_version, inner.ir_version)
    for opset in inner.opset_import:
        known = {one.domain for one in outer.opset_import}
        if opset.domain not in known:
            outer.opset_import.append(opset)
    inner = compose.add_prefix(inner, "network/", rename_inputs=True, rename_outputs=False)
    given = inner.graph.input[0].name
    whole = compose.merge_models(outer, inner, io_map=[("squares", given)])
    _name_dimensions(whole, len(about.class_names))
    whole.producer_name, whole.doc_string = "tlearn", about.preparation
    onnx.helper.set_model_props(whole, {**_IMAGE, **about.texts()})
    onnx.checker.check_model(whole)
    onnx.save(whole, str(file))


def _converted(function: Any, answer: str) -> Any:
    import tf2onnx
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    level = logging.getLogger("tf2onnx").level
    try:
        with hushed(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logging.getLogger("tf2onnx").setLevel(logging.ERROR)
            # Frozen first, since tensors that a function has captured would become inputs.
            frozen = convert_variables_to_constants_v2(function.get_concrete_function())
            (given,), (found,) = frozen.inputs, frozen.outputs
            model, _ = tf2onnx.convert.from_graph_def(
                frozen.graph.as_graph_def(),
                input_names=[given.name],
                output_names=[found.name],
                tensors_to_rename={given.name: "pixels", found.name: answer},
                opset=OPSET,
            )
    finally:
        logging.getLogger("tf2onnx").setLevel(level)
    return model


def _quantized(model: Any, quantization: str, samples: Callable[[], npt.NDArray[Any]]) -> Any:
    """The network with smaller numbers."""
    if quantization == "none":
        return model
    import onnx
    from onnxruntime import quantization as quantizing

    if quantization == "float16":
        from onnxruntime.quantization.onnx_model import ONNXModel
        from onnxruntime.transformers import float16

        halved = ONNXModel(float16.convert_float_to_float16(model, keep_io_types=True))
        halved.topological_sort()  # the casts of its input and output stand at the end
        return halved.model
    with tempfile.TemporaryDirectory(prefix="tlearn-") as scratch, hushed():
        before, after = Path(scratch, "before.onnx"), Path(scratch, "after.onnx")
        onnx.save(model, str(before))
        if quantization == "dynamic":
            quantizing.quantize_dynamic(before, after, weight_type=quantizing.QuantType.QUInt8)
        else:
            prepared = Path(scratch, "prepared.onnx")
            quantizing.quant_pre_process(before, prepared, skip_symbolic_shape=True)
            quantizing.quantize_static(
                prepared,
                after,
                _Reader(model.graph.input[0].name, samples()),
                quant_format=quantizing.QuantFormat.QDQ,
                per_channel=True,
                # 7 bits of 8: a processor without VNNI would overflow unseen.
                reduce_range=True,
                activation_type=quantizing.QuantType.QUInt8,
                weight_type=quantizing.QuantType.QInt8,
            )
        return onnx.load(str(after))


class _Reader:
    """What `quantize_static` asks for photos, one at a time; `None` ends it."""

    def __init__(self, name: str, squares: npt.NDArray[Any]) -> None:
        self._photos: Iterator[dict[str, Any]] = ({name: one[np.newaxis]} for one in squares)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._photos, None)

    def set_range(self, start_index: int, end_index: int) -> None:
        raise NotImplementedError


def _name_dimensions(model: Any, classes: int) -> None:
    pixels, probabilities = model.graph.input[0], model.graph.output[0]
    for place, name in enumerate(("batch", "height", "width")):
        pixels.type.tensor_type.shape.dim[place].dim_param = name
    pixels.type.denotation = "IMAGE"
    shape = probabilities.type.tensor_type.shape
    shape.dim[0].dim_param, shape.dim[1].dim_value = "batch", classes
