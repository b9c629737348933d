"""What a request is told that is not answered: a status and a sentence, never a path of this disk."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

__all__ = ["Gone", "Refused"]


class Refused(Exception):
    """A request is not answered.

    Args:
        status: Of HTTP, 400 or more.
        message: A sentence for whoever sent it, in TensorFlow Serving's form `{"error": ...}`.
        headers: More headers.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """What is sent."""
        return JSONResponse({"error": self.message}, self.status, self.headers)


class Gone(Exception):
    """Whoever sent a request has left; nobody waits for an answer."""
