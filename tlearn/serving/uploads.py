"""`POST /predict`: photos as files, answered in words."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tlearn.prediction.answers import UNSURE
from tlearn.serving.answering import Said, in_time
from tlearn.serving.endpoint import Endpoint
from tlearn.serving.refusing import Refused
from tlearn.serving.servable import Servable

__all__ = ["Uploads"]

_TOP = 5
_LONGEST_NAME = 200


class _InMemory(MultiPartParser):
    # The body is in memory, within its limit; nothing of it is to touch the disk.
    spool_max_size = 2**62


class Uploads(Endpoint):
    """The endpoint of file uploads."""

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        model = self._shelf.get(request.query_params.get("model"))
        top = _top(request.query_params.get("top"))
        with self._arrivals.enter() as ticket:
            self._batcher.refuse_when_full()
            body = await self._arrivals.body(request, ticket)
            files = await _files(request, body, self._settings.photos)

            async def work() -> Said:
                return await self._answering.photos(
                    model,
                    [data for _, data in files],
                    lambda: self._arrivals.arrived(ticket),
                )

            said = await in_time(request, work(), self._settings.timeout)
        names = [name for name, _ in files]
        rows = _rows(model, names, said, top)
        failed = all(error is not None for error in said.errors)
        answer: dict[str, Any] = {
            "model": model.name,
            "version": str(model.version),
            "predictions": rows,
        }
        if failed:
            answer["error"] = _nothing(rows)
        return JSONResponse(answer, 400 if failed else 200)


async def _files(request: Request, body: bytes, most: int) -> list[tuple[str | None, bytes]]:
    """Names, where they have one, and bytes."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        if not body:
            raise Refused(400, "There is no photo in the request.")
        return [(None, body)]

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await _InMemory(
            request.headers, stream(), max_files=most, max_fields=most, max_part_size=2**20
        ).parse()
    except MultiPartException as error:
        status = 413 if "Too many" in error.message else 400
        raise Refused(status, f"The form cannot be read: {error.message}") from None
    except (KeyError, ValueError, IndexError):
        raise Refused(400, "The form cannot be read.") from None
    files = [
        (_base(one.filename), await one.read())
        for _, one in form.multi_items()
        if isinstance(one, UploadFile)
    ]
    await form.close()
    if not files:
        raise Refused(400, "There is no file in the form.")
    return files


def _base(name: str | None) -> str | None:
    """The last part of a file's name, whatever system it comes from."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(one for one in last if one.isprintable())[:_LONGEST_NAME] or None


def _top(given: str | None) -> int:
    if given is None:
        return _TOP
    if not given.isascii() or not given.isdigit() or not 1 <= int(given[:6]) <= 1000:
        raise Refused(400, "'top' must be a number from 1 to 1000.")
    return int(given[:6])


def _rows(model: Servable, names: list[str | None], said: Said, top: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    at = 0
    for name, error in zip(names, said.errors, strict=True):
        if error is not None:
            rows.append({"file": name, "error": error})
            continue
        one = {key: values[at] for key, values in said.columns.items()}
        at += 1
        order = np.argsort(-one["probabilities"], kind="stable")[:top]
        unsure = bool(one.get("unsure", False))
        label = model.class_names[int(one["class_index"])]
        row: dict[str, Any] = {
            "file": name,
            "answer": UNSURE if unsure else label,
            "label": label,
            "probability": _number(one["probability"]),
            "unsure": unsure,
            "unlike": bool(one.get("unlike", False)),
            "top": [
                {
                    "label": model.class_names[place],
                    "probability": _number(one["probabilities"][place]),
                }
                for place in order.tolist()
            ],
            "error": None,
        }
        if "distance" in one:
            row["distance"] = _number(one["distance"])
        rows.append(row)
    return rows


def _nothing(rows: list[dict[str, Any]]) -> str:
    if len(rows) == 1:
        return f"The photo cannot be read: {rows[0]['error']}"
    named = "; ".join(f"{row['file'] or 'one'}: {row['error']}" for row in rows[:5])
    return f"None of the {len(rows)} photos can be read: {named}"


def _number(value: Any) -> float:
    return float(str(np.float32(value)))
