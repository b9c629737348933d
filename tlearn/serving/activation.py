"""`POST /activation`: what on a photo speaks for a class. Needs the run's `model.keras`."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import tensorflow as tf
from starlette.requests import Request
from starlette.responses import Response

from tlearn.errors import DecodeError
from tlearn.explaining.class_activation import ClassActivation, last_map
from tlearn.explaining.overlays import overlay
from tlearn.export import as_float32
from tlearn.pages.thumbnails import jpeg
from tlearn.photos.decoding import decode_batch
from tlearn.serving import incoming
from tlearn.serving.answering import in_time
from tlearn.serving.arriving import Arrivals
from tlearn.serving.refusing import Refused
from tlearn.serving.servable import Servable
from tlearn.serving.settings import Settings
from tlearn.serving.shelf import Shelf

__all__ = ["Activation"]

_WAITING = 8


class Activation:
    """The endpoint of Grad-CAM overlays.

    The Keras model is loaded when it is first asked for, and goes when its version does. One photo is
    looked at at a time, apart from the model that answers.

    Args:
        settings: The limits.
        shelf: The models.
        arrivals: How requests come in.
    """

    def __init__(self, settings: Settings, shelf: Shelf, arrivals: Arrivals) -> None:
        self._settings = settings
        self._shelf = shelf
        self._arrivals = arrivals
        self._thread = ThreadPoolExecutor(1, "activation")
        self._loaded: dict[str, tuple[Servable, ClassActivation | None]] = {}
        self._waiting = 0

    async def __call__(self, request: Request) -> Response:
        """Answer a request: a photo, with the names of a model and a class in its address."""
        model = self._shelf.get(request.query_params.get("model"))
        if model.keras_model is None:
            raise Refused(404, "This model cannot be looked into: it has no model.keras.")
        name = request.query_params.get("class")
        if name not in model.class_names:
            raise Refused(400, "'class' must be the name of one of the model's classes.")
        if self._waiting >= _WAITING:
            raise Refused(429, "Too many photos are looked at. Try again.", {"Retry-After": "2"})
        with self._arrivals.enter() as ticket:
            self._arrivals.arrived(ticket)  # it brings nothing to be batched
            self._waiting += 1
            try:
                body = await self._arrivals.body(request, ticket)
                loop = asyncio.get_running_loop()

                async def work() -> bytes:
                    place = model.class_names.index(name)
                    return await loop.run_in_executor(self._thread, self._look, model, body, place)

                picture = await in_time(request, work(), self._settings.timeout)
            finally:
                self._waiting -= 1
        return Response(picture, media_type="image/jpeg")

    def close(self) -> None:
        """Finish what is being looked at."""
        self._thread.shutdown()

    def _look(self, model: Servable, data: bytes, place: int) -> bytes:
        try:
            photo = incoming.admit(data, self._settings.photo_pixels, model.image_size)
            squares, readable = decode_batch(
                tf.constant([photo.data]), model.image_size, model.resize_mode
            )
            if not bool(readable[0]):
                squares, readable = decode_batch(
                    tf.constant([incoming.again(photo).data]), model.image_size, model.resize_mode
                )
        except DecodeError as error:
            raise Refused(400, f"The photo cannot be read: {error}") from None
        if not bool(readable[0]):
            raise Refused(400, "The photo cannot be read: it cannot be decoded")
        look = self._look_of(model)
        if look is None:
            raise Refused(404, "This network has no map of features to be looked at.")
        pixels = squares.numpy()
        (map_,) = look(pixels, [place])
        square = np.clip(np.rint(pixels[0]), 0, 255).astype(np.uint8)
        return jpeg(overlay(square, map_))

    def _look_of(self, model: Servable) -> ClassActivation | None:
        loaded = self._loaded.get(model.name)
        if loaded is None or loaded[0] is not model:
            try:
                found = as_float32(keras.models.load_model(model.keras_model, compile=False))
            except (OSError, ValueError, TypeError):
                raise Refused(
                    404, "This model cannot be looked into: model.keras is damaged."
                ) from None
            look = None if last_map(found) is None else ClassActivation(found)
            loaded = self._loaded[model.name] = (model, look)
        return loaded[1]
