"""What the endpoints that answer photos have in common: where they get what they answer from."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tlearn.serving.answering import Answering
from tlearn.serving.arriving import Arrivals
from tlearn.serving.batching import Batcher
from tlearn.serving.settings import Settings
from tlearn.serving.shelf import Shelf

__all__ = ["Endpoint"]


class Endpoint:
    """What is asked with photos.

    Args:
        settings: The limits.
        shelf: The models.
        arrivals: How requests come in.
        batcher: Where the model sees photos.
        answering: Has photos answered.
    """

    def __init__(
        self,
        settings: Settings,
        shelf: Shelf,
        arrivals: Arrivals,
        batcher: Batcher,
        answering: Answering,
    ) -> None:
        self._settings = settings
        self._shelf = shelf
        self._arrivals = arrivals
        self._batcher = batcher
        self._answering = answering

    async def __call__(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            Refused: It can't be answered.
        """
        raise NotImplementedError
