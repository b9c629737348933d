"""The server put together: which address leads where."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tlearn import processors
from tlearn.pages import rendered
from tlearn.serving.activation import Activation
from tlearn.serving.answering import Answering
from tlearn.serving.arriving import Arrivals
from tlearn.serving.batching import Batcher
from tlearn.serving.finding import Source
from tlearn.serving.guarding import Guard
from tlearn.serving.metrics import Metrics
from tlearn.serving.refusing import Gone, Refused
from tlearn.serving.rest import Rest
from tlearn.serving.settings import Settings
from tlearn.serving.shelf import Shelf
from tlearn.serving.uploads import Uploads

__all__ = ["Service"]


class Service:
    """Models behind addresses.

    Args:
        sources: What is served; each is loaded here.
        settings: How.

    Raises:
        RunError: A model cannot be loaded.
    """

    def __init__(self, sources: Sequence[Source], settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics(lambda: self._batcher.waiting)
        self._arrivals = Arrivals(settings, lambda: self._batcher.nudge())
        self._batcher = Batcher(
            most=settings.batch_size,
            most_pixels=settings.photo_pixels,
            delay=settings.batch_delay,
            queue=settings.queue,
            coming=lambda: self._arrivals.coming,
            seen=self._metrics.batch,
        )
        self._pool = ThreadPoolExecutor(processors.count(), "photos")
        self.shelf = Shelf(sources, self._metrics.version)
        self._activation = Activation(settings, self.shelf, self._arrivals)
        self._closing = False
        answering = Answering(settings, self._batcher, self._metrics, self._pool)
        given = (settings, self.shelf, self._arrivals, self._batcher, answering)
        routes = [
            Route("/", self._page, methods=["GET"]),
            Route("/predict", _endpoint(Uploads(*given)), methods=["POST"]),
            Route("/activation", _endpoint(self._activation), methods=["POST"]),
            Route("/models", self._models, methods=["GET"]),
            Route("/healthz", self._alive, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
            Route("/metrics", self._counted, methods=["GET"]),
            Route("/v1/{rest:path}", _endpoint(Rest(*given)), methods=["GET", "POST"]),
        ]
        crossing = Middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["Retry-After"],
        )
        inner = Starlette(
            routes=routes,
            middleware=[crossing] if settings.allowed_origins else [],
            lifespan=self._living,
            exception_handlers={
                Refused: _refused,
                Gone: _gone,
                HTTPException: _http,
                Exception: _failed,
            },
        )
        # Around all of it, so that what fails inside is counted as well.
        self.app = Guard(inner, settings, self._metrics)

    @contextlib.asynccontextmanager
    async def _living(self, _: Starlette) -> AsyncIterator[None]:
        watching = None
        if self._settings.reload_every > 0:
            watching = asyncio.create_task(self.shelf.watch(self._settings.reload_every))
        try:
            yield
        finally:
            self._closing = True
            if watching is not None:
                watching.cancel()
            await asyncio.to_thread(self._batcher.close)
            await asyncio.to_thread(self._activation.close)
            self._pool.shutdown(wait=False)

    @functools.cached_property
    def _html(self) -> str:
        return rendered(
            "tlearn.serving",
            "page.html",
            styles=["page.css"],
            scripts=["page.js"],
            connects=True,
            most_photos=self._settings.photos,
        )

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(
            self._html, headers={"content-security-policy": "frame-ancestors 'none'"}
        )

    async def _models(self, _: Request) -> Response:
        return JSONResponse(
            {
                "models": [
                    {
                        "name": one.name,
                        "version": str(one.version),
                        "classes": list(one.class_names),
                        "threshold": one.threshold,
                        "activation": one.keras_model is not None,
                    }
                    for one in self.shelf.models
                ]
            }
        )

    async def _alive(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _ready(self, _: Request) -> Response:
        if self._closing:
            return JSONResponse({"error": "The server is being stopped."}, 503)
        return JSONResponse({"status": "ready"})

    async def _counted(self, _: Request) -> Response:
        return PlainTextResponse(self._metrics.text(), media_type=self._metrics.media_type)


def _endpoint(called):  # type: ignore[no-untyped-def]
    """A function, since Starlette takes an object for an application of its own kind."""

    async def endpoint(request: Request) -> Response:
        return await called(request)

    return endpoint


async def _refused(_: Request, error: Exception) -> Response:
    return error.response() if isinstance(error, Refused) else await _failed(_, error)


async def _gone(_: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


async def _http(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    told = {404: "Not Found", 405: "Method Not Allowed"}.get(status, "Bad request")
    return JSONResponse({"error": told}, status, headers)


async def _failed(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": "The server failed; its log says why."}, 500)
