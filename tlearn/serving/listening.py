"""The port, and the packages of the extra: looked at before anything that takes seconds is loaded."""

from __future__ import annotations

import errno
import importlib.util
import os
import socket

from tlearn.errors import MissingExtra, ServingError
from tlearn.serving.settings import Settings

__all__ = ["address", "listen", "require_extra"]

_PACKAGES = {
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "prometheus_client": "prometheus-client",
}
_BACKLOG = 2048


def require_extra() -> None:
    """Raise `MissingExtra` unless the packages of the extra `serve` are installed."""
    for module, package in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(package, "serve", "Serving a run")


def listen(settings: Settings) -> socket.socket:
    """Take the port. Whoever calls from now on waits until there is an answer.

    Args:
        settings: Whose host and port are meant.

    Returns:
        A listening socket.

    Raises:
        ServingError: The port is taken, or there is no such address on this machine.
    """
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # With its protocol, or asyncio would leave Nagle's algorithm on, and each answer wait 40 ms.
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise _no_such(host, error) from error
    try:
        if os.name != "nt":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ServingError(
                "The port is taken by another program, perhaps another `tlearn serve`. Expected a "
                "free one: stop the other program, or choose with --port; 0 takes any that is free. "
                f"Received: port={port}"
            ) from error
        if error.errno == errno.EACCES:
            raise ServingError(
                "The port may not be used without special rights. Expected one above 1023. "
                f"Received: port={port}"
            ) from error
        raise _no_such(host, error) from error
    return listener


def address(listener: socket.socket) -> str:
    """The address at which a browser on this machine finds it.

    Args:
        listener: As `listen` gave it.

    Returns:
        Such as `http://127.0.0.1:8501`.
    """
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _no_such(host: str, error: Exception) -> ServingError:
    reason = getattr(error, "strerror", None) or str(error)
    return ServingError(
        "There is no such address on this machine to listen on. Expected 127.0.0.1 for this machine "
        f"alone, 0.0.0.0 for all that reach it, or one of its own. Received: host={host!r} ({reason})"
    )
