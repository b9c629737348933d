"""JSON as TensorFlow Serving's REST interface has it: rows or columns of tensors, bytes in base64."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tlearn.serving.refusing import Refused
from tlearn.serving.servable import DEFAULT, Signature

__all__ = ["Asked", "asked", "parsed", "told"]

_CHANNELS = 3


@dataclass(frozen=True)
class Asked:
    """What a request asks for.

    Attributes:
        signature: The name of the signature.
        given: Photos' bytes, or pixels `(photos, height, width, 3)`.
        rows: Whether it came, and is answered, in rows and not in columns.
    """

    signature: str
    given: list[bytes] | npt.NDArray
    rows: bool


def parsed(body: bytes) -> dict[str, Any]:
    """Read the JSON object of a request.

    Raises:
        Refused: With 400, it is none.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise Refused(400, f"JSON Parse error: {reason}") from None
    if not isinstance(found, dict):
        raise Refused(400, "JSON Value: Is not object")
    return found


def asked(request: Mapping[str, Any], signatures: Mapping[str, Signature]) -> Asked:
    """Find out what a request asks for.

    Args:
        request: As `parsed` gave it.
        signatures: Of the model, by name.

    Returns:
        The signature and its input.

    Raises:
        Refused: With 400, it is not of the interface's form.
    """
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise Refused(400, "'signature_name' key must be a string value.")
    name = name or DEFAULT
    signature = signatures.get(name)
    if signature is None:
        raise Refused(400, f'Serving signature name: "{name[:100]}" not found in signature def')
    if len(signature.inputs) != 1:
        raise Refused(400, f"Failed to get input map for signature: {name}")
    if "instances" in request and "inputs" in request:
        raise Refused(400, "Expecting only one of 'inputs' or 'instances' keys to exist")
    (key,) = signature.inputs
    if "instances" in request:
        found, rows = _of_rows(request["instances"], key), True
    elif "inputs" in request:
        found, rows = _of_columns(request["inputs"], key), False
    else:
        raise Refused(400, "Missing 'inputs' or 'instances' key")
    dtype = np.dtype(signature.inputs[key])
    if dtype.kind == "O":
        if not isinstance(found, list):
            raise Refused(400, f"Input '{key}' must be a list, one string for each photo.")
        return Asked(name, [_bytes(one, place) for place, one in enumerate(found)], rows)
    return Asked(name, _pixels(found, key, dtype), rows)


def told(said: Mapping[str, npt.NDArray], *, rows: bool) -> dict[str, Any]:
    """Put a model's answer into JSON.

    Args:
        said: An array per output, its first axis the batch.
        rows: Whether in rows or in columns.

    Returns:
        `{"predictions": [{output: value}, ...]}` or `{"outputs": {output: [value, ...]}}`, without
        the output's name where there is only one.
    """
    columns = {name: _plain(array) for name, array in said.items()}
    if not rows:
        return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    names = list(columns)
    return {
        "predictions": [
            dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
    }


def _of_rows(found: Any, key: str) -> list[Any]:
    if not isinstance(found, list):
        raise Refused(400, "Expecting 'instances' to be a list/array")
    if not found:
        raise Refused(400, "No values in 'instances' array")
    named = [isinstance(one, dict) and not _is_base64(one) for one in found]
    if not any(named):
        return found
    for place, one in enumerate(found):
        if not named[place] or one.keys() != {key}:
            raise Refused(
                400,
                f"Failed to process element: {place} of 'instances' list. Its keys must be equal "
                f"to: {key}",
            )
    return [one[key] for one in found]


def _of_columns(found: Any, key: str) -> Any:
    if isinstance(found, dict) and not _is_base64(found):
        if key not in found:
            raise Refused(400, f"Missing named input: {key} in 'inputs' object.")
        found = found[key]
    if isinstance(found, list) and not found:
        raise Refused(400, "No values in 'inputs'")
    return found


def _is_base64(found: dict[str, Any]) -> bool:
    return found.keys() == {"b64"} and isinstance(found["b64"], str)


def _bytes(found: Any, place: int) -> bytes:
    if isinstance(found, str):
        return found.encode("utf-8", "surrogatepass")
    if not isinstance(found, dict) or not _is_base64(found):
        raise Refused(400, f'Element {place} is not of the form {{"b64": "..."}}.')
    text = found["b64"]
    try:
        # As TensorFlow Serving, which asks for no padding.
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, f"Unable to base64 decode element {place}") from None


def _pixels(found: Any, key: str, dtype: np.dtype[Any]) -> npt.NDArray:
    wanted = f"Input '{key}' must be a list of photos of one size, {dtype} (height, width, 3)"
    try:
        array = np.asarray(found)
    except (ValueError, OverflowError, RecursionError):
        raise Refused(400, f"{wanted}.") from None
    if array.ndim != 4 or array.shape[3] != _CHANNELS or 0 in array.shape:
        raise Refused(400, f"{wanted}. It has the shape {list(array.shape)}.")
    if array.dtype.kind not in ("iu" if dtype.kind in "iu" else "iuf"):
        raise Refused(400, f"{wanted}; its values are of another type.")
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise Refused(
                400, f"{wanted}; its values are not all from {limits.min} to {limits.max}."
            )
    elif not np.isfinite(array).all() or np.abs(array).max() > np.finfo(dtype).max:
        raise Refused(400, f"{wanted}; its values are not all finite.")
    return array.astype(dtype)


def _plain(array: npt.NDArray) -> Any:
    """Lists of plain values; a float32 in as few digits as tell it from others, as 0.2."""
    if array.ndim > 1:
        return [_plain(row) for row in array]
    if array.dtype == object:
        return [one.decode("utf-8", "replace") for one in array]
    if array.dtype.kind == "f":
        return [float(str(one)) for one in array]
    return array.tolist()
