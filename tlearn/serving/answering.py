"""From what a request brought to what the model says of it: checked, batched, and never for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from starlette.requests import Request

from tlearn.errors import DecodeError
from tlearn.serving import incoming
from tlearn.serving.batching import Batcher
from tlearn.serving.incoming import Photo
from tlearn.serving.metrics import Metrics
from tlearn.serving.refusing import Gone, Refused
from tlearn.serving.servable import DEFAULT, Servable
from tlearn.serving.settings import Settings

__all__ = ["Answering", "Said", "in_time"]

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Said:
    """What a model said of photos.

    Attributes:
        columns: Output -> its rows, one for each photo that could be read.
        errors: For each photo `None`, or why it could not be read.
    """

    columns: dict[str, npt.NDArray]
    errors: tuple[str | None, ...]


class Answering:
    """Has photos answered.

    Args:
        settings: The limits.
        batcher: Where the model sees them.
        metrics: Told what was said.
        pool: Where photos are looked at, so that the event loop goes on meanwhile.
    """

    def __init__(
        self, settings: Settings, batcher: Batcher, metrics: Metrics, pool: Executor
    ) -> None:
        self._settings = settings
        self._batcher = batcher
        self._metrics = metrics
        self._pool = pool

    async def aside(self, work: Callable[..., _Result], *given: Any) -> _Result:
        """Do work in the pool of threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    async def photos(
        self, model: Servable, files: Sequence[bytes], arrived: Callable[[], None]
    ) -> Said:
        """Have photos answered.

        Args:
            model: By what.
            files: The bytes of each.
            arrived: Called when they have come to the model.

        Returns:
            What it said.

        Raises:
            Refused: With 413 they are too many, with 429 too much is waiting.
        """
        self._require_few(len(files))
        admitted = await self.aside(self._admitted, files, model.image_size)
        errors: list[str | None] = [one if isinstance(one, str) else None for one in admitted]
        asked = {place: one for place, one in enumerate(admitted) if isinstance(one, Photo)}
        rows: dict[int, dict[str, Any]] = {}
        self._batcher.refuse_when_full(len(asked))
        waiting = self._submit(model, asked)
        arrived()
        for place, row in zip(asked, await _gathered(waiting), strict=True):
            rows[place] = row
        unread = {place: asked[place] for place, row in rows.items() if row["class_index"] < 0}
        if unread:
            second = await self.aside(_again, unread)
            found = {place: one for place, one in second.items() if isinstance(one, Photo)}
            again = await _gathered(self._submit(model, found))
            rows.update(zip(found, again, strict=True))
            for place in unread:
                one = second[place]
                if isinstance(one, str) or rows[place]["class_index"] < 0:
                    errors[place] = one if isinstance(one, str) else "it cannot be decoded"
                    del rows[place]
        readable = [rows[place] for place in sorted(rows)]
        columns = _columns(readable)
        self._count(model, columns, errors)
        return Said(columns, tuple(errors))

    async def pixels(
        self, model: Servable, signature: str, given: npt.NDArray, arrived: Callable[[], None]
    ) -> Said:
        """Have pixels answered.

        Args:
            model: By what.
            signature: By which of its signatures.
            given: `(photos, height, width, 3)`.
            arrived: Called when they have come to the model.

        Returns:
            What it said.

        Raises:
            Refused: As above, and with 400 a photo is too large.
        """
        photos, height, width, _ = given.shape
        self._require_few(photos)
        if height * width > self._settings.photo_pixels:
            raise Refused(
                400,
                f"A photo has {height * width:,} pixels, and {self._settings.photo_pixels:,} are "
                "the most that are taken.",
            )
        self._batcher.refuse_when_full(photos)
        size = max(
            1, min(self._settings.batch_size, self._settings.photo_pixels // (height * width))
        )
        waiting = [
            self._batcher.submit(model, signature, part, len(part) * height * width)
            for part in (given[at : at + size] for at in range(0, photos, size))
        ]
        arrived()
        rows = await _gathered(waiting)
        columns = _columns(rows)
        self._count(model, columns, [])
        return Said(columns, (None,) * photos)

    def _require_few(self, photos: int) -> None:
        if photos > self._settings.photos:
            raise Refused(
                413, f"{photos} photos are too many: {self._settings.photos} are the most."
            )

    def _admitted(self, files: Sequence[bytes], image_size: int) -> list[Photo | str]:
        def one(data: bytes) -> Photo | str:
            try:
                return incoming.admit(data, self._settings.photo_pixels, image_size)
            except DecodeError as error:
                return str(error)

        return [one(data) for data in files]

    def _submit(
        self, model: Servable, photos: dict[int, Photo]
    ) -> list[asyncio.Future[dict[str, Any]]]:
        """In parts that the model can see at once."""
        parts: list[list[Photo]] = []
        pixels = 0
        for photo in photos.values():
            pixels += photo.pixels
            full = not parts or len(parts[-1]) == self._settings.batch_size
            if full or pixels > self._settings.photo_pixels:
                parts.append([])
                pixels = photo.pixels
            parts[-1].append(photo)
        return [
            self._batcher.submit(
                model, DEFAULT, [one.data for one in part], sum(one.pixels for one in part)
            )
            for part in parts
        ]

    def _count(
        self, model: Servable, columns: dict[str, npt.NDArray], errors: Sequence[str | None]
    ) -> None:
        photos = len(columns.get("class_index", ()))
        unsure = int(columns["unsure"].sum()) if "unsure" in columns else 0
        self._metrics.told(
            model,
            sure=photos - unsure,
            unsure=unsure,
            unreadable=sum(error is not None for error in errors),
            unlike=int(columns["unlike"].sum()) if "unlike" in columns else 0,
        )


async def in_time(request: Request, work: Coroutine[Any, Any, _Result], seconds: float) -> _Result:
    """Do what a request asks for, unless it takes too long or nobody waits for it any more.

    Args:
        request: Whose body has been read.
        work: What is to be done; cancelled where it is in vain.
        seconds: How long it may take.

    Returns:
        What came of it.

    Raises:
        Refused: With 504, it took too long.
        Gone: Its sender has left.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({task, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise Gone
        raise Refused(504, f"There was no answer within {seconds:g} seconds.")
    finally:
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _gathered(waiting: Sequence[asyncio.Future[dict[str, Any]]]) -> list[dict[str, Any]]:
    """A row for each photo; none is left waiting where one fails."""
    try:
        parts = await asyncio.gather(*waiting)
    except BaseException:
        for future in waiting:
            future.cancel()
        raise
    return [
        {name: values[row] for name, values in part.items()}
        for part in parts
        for row in range(len(next(iter(part.values()))))
    ]


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, npt.NDArray]:
    """Rows as an array per output; text stays an object, of whatever length."""
    found = {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}
    return {
        name: np.array(values, object) if isinstance(values[0], bytes) else np.stack(values)
        for name, values in found.items()
    }


def _again(photos: dict[int, Photo]) -> dict[int, Photo | str]:
    def one(photo: Photo) -> Photo | str:
        try:
            return incoming.again(photo)
        except DecodeError as error:
            return str(error)

    return {place: one(photo) for place, photo in photos.items()}
