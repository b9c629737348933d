"""What a server counts, in the form of Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tlearn.serving.servable import Servable

__all__ = ["Metrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one server.

    Args:
        waiting: Says how many photos wait.
    """

    media_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "tlearn_requests",
            "Requests answered.",
            ("endpoint", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "tlearn_request_seconds",
            "From the head of a request to its answer.",
            ("endpoint",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._photos = Counter(
            "tlearn_photos",
            "Photos answered, by what was said of them: sure, unsure or unreadable.",
            ("model", "answer"),
            registry=self._registry,
        )
        self._unlike = Counter(
            "tlearn_photos_unlike",
            "Photos that were unlike anything in training.",
            ("model",),
            registry=self._registry,
        )
        self._sizes = Histogram(
            "tlearn_batch_photos",
            "Photos that a model saw at once.",
            ("model",),
            buckets=_SIZES,
            registry=self._registry,
        )
        self._busy = Counter(
            "tlearn_model_seconds",
            "Seconds in which a model worked.",
            ("model",),
            registry=self._registry,
        )
        self._version = Gauge(
            "tlearn_model_version",
            "The version that answers.",
            ("model",),
            registry=self._registry,
        )
        queue = Gauge("tlearn_queue_photos", "Photos that wait.", registry=self._registry)
        queue.set_function(waiting)

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def told(
        self, model: Servable, *, sure: int, unsure: int, unreadable: int, unlike: int
    ) -> None:
        """Count what was said of the photos of a request."""
        for answer, photos in (("sure", sure), ("unsure", unsure), ("unreadable", unreadable)):
            if photos:
                self._photos.labels(model.name, answer).inc(photos)
        if unlike:
            self._unlike.labels(model.name).inc(unlike)

    def batch(self, model: Servable, photos: int, seconds: float) -> None:
        """Count a batch. Called in the thread that worked on it."""
        self._sizes.labels(model.name).observe(photos)
        self._busy.labels(model.name).inc(seconds)

    def version(self, model: Servable) -> None:
        """Note which version answers."""
        self._version.labels(model.name).set(model.version)

    def text(self) -> bytes:
        """All of them, as Prometheus reads it."""
        return generate_latest(self._registry)
