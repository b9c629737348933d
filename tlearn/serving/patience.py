"""A connection that does not wait for ever for whoever is slow to say what they want."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["impatient"]


def impatient(seconds: float) -> type[asyncio.Protocol]:
    """Make uvicorn's protocol with an end to its patience.

    uvicorn gives a head all the time that it takes. Here a connection ends whose head has not come
    after `seconds`, and one that still sends a body so long after that was refused. How long a body
    may take that is wanted, is said where it is read.

    Args:
        seconds: How long.

    Returns:
        A class for `uvicorn.Config(http=...)`.
    """

    class Impatient(H11Protocol):
        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._wait()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _wait(self) -> None:
            """Start the clock where something is missing, and stop it where nothing is."""
            busy = self.cycle is not None and not self.cycle.response_complete
            if busy or self.transport.is_closing():
                self._stop()
            elif self._timer is None:
                self._timer = self.loop.call_later(seconds, self._end)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _end(self) -> None:
            self._timer = None
            if not self.transport.is_closing():
                if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
                    self.transport.write(
                        b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
                    )
                self.transport.close()

    return Impatient
