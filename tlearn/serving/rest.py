"""TensorFlow Serving's REST interface: status, metadata and predict, in its words.

Source: "RESTful API" of TensorFlow Serving's documentation. What differs: a photo that cannot be read is an
error and not a row without a class, and limits are told with 408, 413 and 429.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from tensorflow.core.framework import types_pb2

from tlearn.serving import tensors
from tlearn.serving.answering import in_time
from tlearn.serving.endpoint import Endpoint
from tlearn.serving.refusing import Refused
from tlearn.serving.servable import Servable

__all__ = ["Rest"]

_WHICH = r"(?i:/v1/models)/(?P<name>[^/:]+)(?:(?i:/versions)/(?P<version>\d+)|(?i:/labels)/(?P<label>[^/:]+))?"
_PREDICTION = re.compile(_WHICH + r":(?P<method>(?i:classify|regress|predict))")
_STATUS = re.compile(_WHICH + r"(?:/(?P<part>(?i:metadata)))?")
_MOST_DIGITS = 18  # of a version, which is a number of 64 bits


class Rest(Endpoint):
    """The endpoint of all that begins with `/v1/`."""

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        # As it was sent: a slash in a name, as %2F, is not one between names.
        path = request.scope.get("raw_path", b"").decode("ascii", "replace") or request.url.path
        pattern = _PREDICTION if request.method == "POST" else _STATUS
        found = pattern.fullmatch(path)
        if found is None:
            raise Refused(400, f"Malformed request: {request.method} {request.url.path[:200]}")
        name = unquote(found["name"])
        if found["label"] is not None:
            raise Refused(400, f"Unrecognized servable version label: {unquote(found['label'])}")
        version = _number(found["version"])
        if request.method == "POST":
            return await self._predict(
                request, self._shelf.get(name, version), found["method"].lower()
            )
        if found["part"] is not None:
            return _json(_metadata(self._shelf.get(name, version)))
        return _json({"model_version_status": self._shelf.states(name, version)})

    async def _predict(self, request: Request, model: Servable, method: str) -> Response:
        if method != "predict":
            raise Refused(
                400,
                f"Expected {method} signature method_name to be tensorflow/serving/{method}. "
                "Was: tensorflow/serving/predict",
            )
        with self._arrivals.enter() as ticket:
            self._batcher.refuse_when_full()
            body = await self._arrivals.body(request, ticket)

            async def work() -> Any:
                asked = await self._answering.aside(_asked, body, model)

                def arrived() -> None:
                    self._arrivals.arrived(ticket)

                if isinstance(asked.given, list):
                    said = await self._answering.photos(model, asked.given, arrived)
                else:
                    said = await self._answering.pixels(
                        model, asked.signature, asked.given, arrived
                    )
                for place, error in enumerate(said.errors):
                    if error is not None:
                        raise Refused(400, f"Element {place} cannot be read: {error}")
                return tensors.told(said.columns, rows=asked.rows)

            return _json(await in_time(request, work(), self._settings.timeout))


def _asked(body: bytes, model: Servable) -> tensors.Asked:
    return tensors.asked(tensors.parsed(body), model.signatures)


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if len(text) > _MOST_DIGITS or not text.isascii():
        raise Refused(400, f"Failed to convert version: {text[:100]} to numeric.")
    return int(text)


def _metadata(model: Servable) -> dict[str, Any]:
    return {
        "model_spec": {"name": model.name, "signature_name": "", "version": str(model.version)},
        "metadata": {
            "signature_def": {
                "signature_def": {
                    name: {
                        "inputs": _infos(one.inputs),
                        "outputs": _infos(one.outputs),
                        "method_name": one.method_name,
                    }
                    for name, one in sorted(model.definitions.items())
                }
            }
        },
    }


def _infos(infos: Any) -> dict[str, Any]:
    return {
        name: {
            "dtype": types_pb2.DataType.Name(info.dtype),
            "tensor_shape": {
                "dim": [{"size": str(one.size), "name": one.name} for one in info.tensor_shape.dim],
                "unknown_rank": info.tensor_shape.unknown_rank,
            },
            "name": info.name,
        }
        for name, info in sorted(infos.items())
    }


def _json(found: Any) -> Response:
    # NaN and Infinity stand as such, as in TensorFlow Serving's own answers.
    return Response(json.dumps(found), media_type="application/json")
