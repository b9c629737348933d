"""OpenVINO: `.xml` with its `.bin`, for Intel's processors and OpenVINO Model Server."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tlearn.formats.about import About
from tlearn.formats.network import Network
from tlearn.hushing import hushed

__all__ = ["SECTION", "write"]

SECTION = "tlearn"
# Told, since no setting in the file is heeded: a processor with bfloat16 computes in it by default.
_HINT = '{"EXECUTION_MODE_HINT": "ACCURACY"}'
_MODEL_API = "model_info"
_RESIZE = {"crop": "crop", "pad": "fit_to_window_letterbox", "stretch": "standard"}


def write(
    network: Network,
    about: About,
    quantization: str,
    file: Path,
    samples: Callable[[], npt.NDArray[np.generic]],
) -> None:
    """Convert a network and write it with its runtime information.

    The input is `pixels`, float32 `(batch, height, width, 3)`, 0..255, of any size; the output is
    `probabilities`.

    Args:
        network: What is to be converted.
        about: What the file says of itself.
        quantization: `"none"`; `"float16"` halves the weights in the file; `"int8"` computes in 8
            bits with ranges set by `samples`.
        file: Where to write; the weights go beside it, with `.bin` behind.
        samples: Gives training photos as squares; asked for int8 only.
    """
    import openvino

    with tempfile.TemporaryDirectory(prefix="tlearn-") as scratch, hushed():
        # The frontend itself and not `convert_model`, which sends usage data to Google Analytics.
        core = openvino.Core()
        parts = []
        for name, function in (("squares", network.squares), ("network", network.answer)):
            network.save(function, Path(scratch, name))
            parts.append(core.read_model(str(Path(scratch, name))))
        outer, inner = parts
        if quantization == "int8":
            inner = _int8(inner, samples())
        whole = _joined(openvino, outer, inner)
        for key, value in {**about.texts(), "compile_with": _HINT}.items():
            whole.set_rt_info(value, [SECTION, key])
        for key, value in _model_api(about).items():
            whole.set_rt_info(value, [_MODEL_API, key])
        openvino.save_model(whole, str(file), compress_to_fp16=quantization == "float16")


def _joined(openvino: Any, outer: Any, inner: Any) -> Any:
    """One model, from the photo to the probabilities."""
    made = outer.outputs[0].get_node().input(0).get_source_output()
    given = inner.inputs[0].get_node()
    for reader in given.output(0).get_target_inputs():
        reader.replace_source_output(made)
    model = openvino.Model(inner.get_results(), outer.get_parameters(), "tlearn")
    model.inputs[0].get_tensor().set_names({"pixels"})
    model.outputs[0].get_tensor().set_names({"probabilities"})
    model.validate_nodes_and_infer_types()
    return model


def _int8(model: Any, squares: npt.NDArray[Any]) -> Any:
    # Otherwise NNCF sends usage data to Google Analytics when it is imported.
    os.environ.setdefault("NNCF_CI", "1")
    # Its bars would go to standard output, among results.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        import nncf

        nncf.set_log_level("ERROR")
        photos = nncf.Dataset([square[np.newaxis] for square in squares])
        return nncf.quantize(model, photos, subset_size=len(squares))


def _model_api(about: About) -> dict[str, str]:
    """What OpenVINO's Model API looks for. It parts labels by spaces."""
    return {
        "model_type": "Classification",
        "labels": " ".join(name.replace(" ", "_") for name in about.class_names),
        "confidence_threshold": repr(about.threshold),
        "output_raw_scores": "True",
        "resize_type": _RESIZE[about.resize_mode],
        "reverse_input_channels": "True",
    }
