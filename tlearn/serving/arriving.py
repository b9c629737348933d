"""How requests come in: how many at once, how large, how slowly."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from starlette.requests import Request

from tlearn.serving.refusing import Gone, Refused
from tlearn.serving.settings import Settings

__all__ = ["Arrivals", "Ticket"]

_DISCARDED_FOR = 1.0  # second


class Ticket:
    """A request's share of what all requests may hold.

    Attributes:
        held: The bytes that are set aside for it.
        coming: Whether it has yet to bring its photos to the model.
    """

    def __init__(self) -> None:
        self.held = 0
        self.coming = True


class Arrivals:
    """Lets requests in, as long as there is room for them.

    Args:
        settings: The limits.
        fewer: Called when fewer requests are on their way than before.
    """

    def __init__(self, settings: Settings, fewer: Callable[[], None]) -> None:
        self._settings = settings
        self._fewer = fewer
        self._held = 0
        self._inside = 0
        self.coming = 0

    @contextlib.contextmanager
    def enter(self) -> Iterator[Ticket]:
        """A context manager around a request that brings photos.

        Raises:
            Refused: With 429, there are too many already.
        """
        if self._inside >= self._settings.requests_at_once:
            raise Refused(429, "Too many requests at once. Try again.", {"Retry-After": "1"})
        ticket = Ticket()
        self._inside += 1
        self.coming += 1
        try:
            yield ticket
        finally:
            self._inside -= 1
            self._held -= ticket.held
            self.arrived(ticket)

    def arrived(self, ticket: Ticket) -> None:
        """Note that a request has brought its photos to the model, or will not."""
        if ticket.coming:
            ticket.coming = False
            self.coming -= 1
            self._fewer()

    async def body(self, request: Request, ticket: Ticket) -> bytes:
        """Read the body of a request.

        Args:
            request: The request.
            ticket: Its share.

        Returns:
            The bytes.

        Raises:
            Refused: With 413 it is too large, with 408 too slow, with 429 there is no room.
            Gone: Its sender has left.
        """
        try:
            return await self._read(request, ticket)
        except Refused as refused:
            if refused.status != 408:
                await _discard(request)
            raise

    async def _read(self, request: Request, ticket: Ticket) -> bytes:
        most = self._settings.body_bytes
        declared = request.headers.get("content-length", "")
        if declared.isdigit():
            self._require(int(declared), most)
            self._hold(ticket, int(declared))
        parts: list[bytes] = []
        size = 0
        loop = asyncio.get_running_loop()
        end = loop.time() + self._settings.receive_timeout
        while True:
            try:
                message = await asyncio.wait_for(request.receive(), max(0.0, end - loop.time()))
            except asyncio.TimeoutError:
                raise Refused(
                    408,
                    f"The request took more than {self._settings.receive_timeout:g} seconds to arrive.",
                ) from None
            if message["type"] != "http.request":
                raise Gone
            part = message.get("body", b"")
            size += len(part)
            self._require(size, most)
            if size > ticket.held:
                self._hold(ticket, size - ticket.held)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def _require(self, size: int, most: int) -> None:
        if size > most:
            raise Refused(413, f"The request is too large: {most:,} bytes are the most.")

    def _hold(self, ticket: Ticket, more: int) -> None:
        if self._held + more > self._settings.body_bytes_at_once:
            raise Refused(
                429, "Too many bytes are under way at once. Try again.", {"Retry-After": "1"}
            )
        self._held += more
        ticket.held += more


async def _discard(request: Request) -> None:
    """Let a sender come to an end, for a moment; many read no answer before."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _DISCARDED_FOR
    with contextlib.suppress(asyncio.TimeoutError):
        more = True
        while more:
            message = await asyncio.wait_for(request.receive(), max(0.0, end - loop.time()))
            more = message["type"] == "http.request" and message.get("more_body", False)
