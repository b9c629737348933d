"""Who may ask: hosts, origins, the key; and what every answer carries."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tlearn.serving.metrics import Metrics
from tlearn.serving.refusing import Refused
from tlearn.serving.settings import Settings

__all__ = ["Guard"]

# The page asks for the key itself; the others are for what watches over servers.
_OPEN = frozenset({"/", "/healthz", "/readyz"})
_COUNTED = frozenset({*_OPEN, "/predict", "/activation", "/models", "/metrics"})
# Bytes; what is longer is none of ours. h11 counts only what comes in several pieces.
_LONGEST_TARGET = 8192
_LONGEST_HEAD = 32768
_HEADERS = {
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """Stands before an application.

    A page in a browser on this machine could call a server that listens on 127.0.0.1 alone, by a
    name of its own that leads there. So a name must be known, and a page that calls must be this
    server's own, or be allowed.

    Args:
        app: The application.
        settings: Who is allowed.
        metrics: Told of each answer.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.monotonic()
        status = 499  # whoever asked has left without an answer

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            try:
                self._check(scope)
            except Refused as refused:
                await refused.response()(scope, receive, sent)
            else:
                await self._app(scope, receive, sent)
        finally:
            self._metrics.answered(_endpoint(scope), status, time.monotonic() - begun)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if scope["http_version"] not in ("1.0", "1.1"):
            raise Refused(400, "HTTP/1.1 is spoken here.")
        if len(scope["raw_path"]) + len(scope["query_string"]) > _LONGEST_TARGET:
            raise Refused(414, f"The address is too long: {_LONGEST_TARGET:,} bytes are the most.")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _LONGEST_HEAD:
            raise Refused(431, f"The headers are too long: {_LONGEST_HEAD:,} bytes are the most.")
        host = headers.get("host", "")
        if not self._is_known(host):
            raise Refused(
                421,
                "This server does not go by that name. Start it with --allow-host NAME where it does.",
            )
        origin = headers.get("origin")
        if (
            origin is not None
            and urlsplit(origin).netloc.lower() != host.lower()
            and origin not in self._settings.allowed_origins
        ):
            raise Refused(
                403,
                "Pages of other servers may not ask. Start it with --allow-origin where they may.",
            )
        preflight = scope["method"] == "OPTIONS"
        if self._settings.api_key is not None and scope["path"] not in _OPEN and not preflight:
            given = headers.get("x-api-key")
            scheme, _, token = headers.get("authorization", "").partition(" ")
            if scheme.lower() == "bearer":
                given = token.strip()
            if given is None or not _same(given, self._settings.api_key):
                raise Refused(
                    401,
                    "An API key is needed: Authorization: Bearer KEY, or X-API-Key: KEY.",
                    {"WWW-Authenticate": "Bearer"},
                )

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if self._settings.allowed_hosts:
            return name in {one.lower() for one in self._settings.allowed_hosts} or (
                name in ("localhost", "127.0.0.1", "::1")
            )
        if self._settings.api_key is not None or name in ("localhost", self._settings.host.lower()):
            return True
        try:
            ipaddress.ip_address(name)  # an address leads nowhere else
        except ValueError:
            return False
        return True


def _same(given: str, key: str) -> bool:
    """In a time that tells nothing of where they differ, nor of how long the key is."""
    digests = [
        hashlib.sha256(one.encode("utf-8", "surrogatepass")).digest() for one in (given, key)
    ]
    return hmac.compare_digest(*digests)


def _endpoint(scope: Scope) -> str:
    path = scope["path"]
    if path in _COUNTED:
        return path
    if path.startswith("/v1/"):
        for end in (":predict", "/metadata"):
            if path.endswith(end):
                return f"/v1{end}"
        return "/v1"
    return "other"
