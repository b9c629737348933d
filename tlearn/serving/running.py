"""The server as it runs: until it is told to stop, and what it has taken is done."""

from __future__ import annotations

import contextlib
import gc
import math
import signal
import socket
from collections.abc import Callable, Iterator, Sequence

import uvicorn

from tlearn.serving.application import Service
from tlearn.serving.finding import Source
from tlearn.serving.patience import impatient
from tlearn.serving.servable import Servable
from tlearn.serving.settings import Settings

__all__ = ["serve"]

_KEPT_ALIVE = (
    30  # seconds; more than a client's own, so that none meets a door that is just closing
)


def serve(
    sources: Sequence[Source],
    settings: Settings,
    listener: socket.socket,
    ready: Callable[[tuple[Servable, ...]], None],
) -> None:
    """Serve models until SIGINT or SIGTERM, and then finish the requests that have been taken.

    A second signal ends it at once.

    Args:
        sources: What is served.
        settings: How.
        listener: As `listening.listen` gives it; closed when this ends.
        ready: Called with what is served when it is.

    Raises:
        RunError: A model cannot be loaded.
    """
    with contextlib.closing(listener):
        service = Service(sources, settings)
        config = uvicorn.Config(
            service.app,
            http=impatient(settings.receive_timeout),
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEPT_ALIVE,
            timeout_graceful_shutdown=math.ceil(settings.receive_timeout + settings.timeout),
        )
        _Server(config, lambda: ready(service.shelf.models)).run(sockets=[listener])
    # The process is about to end. To look for garbage in all that TensorFlow has made would take seconds.
    gc.freeze()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would raise them once more at the end, as if the server had not been ended by them.
        kinds = (signal.SIGINT, signal.SIGTERM)
        before = {kind: signal.signal(kind, self.handle_exit) for kind in kinds}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)
