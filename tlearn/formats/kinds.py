"""The formats that a run can be exported to: a row each, and which of them a person means."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

from tlearn.errors import ExportError, MissingExtra

__all__ = ["FORMATS", "Format", "PLAIN", "QUANTIZATIONS", "Wanted", "require", "wanted"]

PLAIN = "none"
QUANTIZATIONS = (PLAIN, "float16", "int8", "dynamic")


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: What `--format` calls it.
        title: What people call it.
        suffix: What its file's name ends with; empty for a folder.
        quantizations: Those of `QUANTIZATIONS` that make sense in it.
        extra: The extra of tlearn that installs what it needs; empty where nothing more is needed.
        modules: What is imported to write and to ask it, with the package of each.
        quantizing: What is imported for `"int8"` besides.
        squares: Whether it takes squares only; the others make a square of any photo themselves.
    """

    name: str
    title: str
    suffix: str
    quantizations: tuple[str, ...]
    extra: str = ""
    modules: tuple[tuple[str, str], ...] = ()
    quantizing: tuple[tuple[str, str], ...] = ()
    squares: bool = False


FORMATS = {
    row.name: row
    for row in (
        Format("savedmodel", "TensorFlow SavedModel", "", (PLAIN,)),
        Format("litert", "LiteRT", ".tflite", QUANTIZATIONS, squares=True),
        Format(
            "onnx",
            "ONNX",
            ".onnx",
            QUANTIZATIONS,
            extra="onnx",
            modules=(("onnx", "onnx"), ("onnxruntime", "onnxruntime"), ("tf2onnx", "tf2onnx")),
        ),
        Format(
            "openvino",
            "OpenVINO",
            ".xml",
            (PLAIN, "float16", "int8"),
            extra="openvino",
            modules=(("openvino", "openvino"),),
            quantizing=(("nncf", "nncf"),),
        ),
    )
}


@dataclass(frozen=True)
class Wanted:
    """One file that is to be made.

    Attributes:
        format: Its format.
        quantization: One of `QUANTIZATIONS`.
    """

    format: Format
    quantization: str

    @property
    def file(self) -> str:
        """The name of its file in the folder of a version; empty for a SavedModel."""
        if not self.format.suffix:
            return ""
        middle = "" if self.quantization == PLAIN else f"-{self.quantization}"
        return f"model{middle}{self.format.suffix}"

    @property
    def words(self) -> str:
        """Such as `onnx int8`."""
        name = self.format.name
        return name if self.quantization == PLAIN else f"{name} {self.quantization}"


def wanted(formats: Sequence[str], quantizations: Sequence[str] = (PLAIN,)) -> tuple[Wanted, ...]:
    """Each format with each quantization, or a refusal, before anything is computed.

    Args:
        formats: Names of `FORMATS`.
        quantizations: Of `QUANTIZATIONS`.

    Returns:
        What is to be made, each once, in the order given.

    Raises:
        ExportError: There is no such format or quantization, or a format does not have it.
        MissingExtra: A package is missing.

    Example:

    ```python
    wanted(["litert", "onnx"], ["none", "int8"])
    ```
    """
    for what, given, known in (
        ("format", formats, tuple(FORMATS)),
        ("quantization", quantizations, QUANTIZATIONS),
    ):
        strangers = [one for one in given if one not in known]
        if strangers or not given:
            raise ExportError(
                f"There is no such {what}. Expected one or more of {', '.join(known)}, separated "
                f"by commas. Received: {what}={', '.join(strangers) or None!r}"
            )
    for name in formats:
        for quantization in quantizations:
            if quantization not in FORMATS[name].quantizations:
                raise ExportError(
                    f"{FORMATS[name].title} cannot be quantized so. Expected one of "
                    f"{', '.join(FORMATS[name].quantizations)} for it: export it in a call of its "
                    f"own. Received: format={name!r}, quantize={quantization!r}"
                )
    pairs = [
        Wanted(FORMATS[name], quantization) for name in formats for quantization in quantizations
    ]
    for one in pairs:
        require(one)
    return tuple(dict.fromkeys(pairs))


def require(one: Wanted) -> None:
    """Raise `MissingExtra` unless the packages that a file needs are installed."""
    needed = one.format.modules
    if one.quantization == "int8":
        needed += one.format.quantizing
    for module, package in needed:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(package, one.format.extra, f"Export to {one.words}")
