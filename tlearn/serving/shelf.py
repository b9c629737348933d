"""The models that are served, each in its newest version; a newer one takes over between two requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tlearn.errors import RunError
from tlearn.serving.finding import Edition, Source
from tlearn.serving.refusing import Refused
from tlearn.serving.servable import Servable

__all__ = ["Shelf"]

_logger = logging.getLogger(__name__)


@dataclass
class _Place:
    """A name, what answers under it, and what became of other versions."""

    source: Source
    current: Servable
    loaded: Edition
    seen: Edition | None = None
    refused: Edition | None = None
    states: dict[int, tuple[str, str, str]] = field(default_factory=dict)


class Shelf:
    """Holds the models by name.

    Args:
        sources: Where they come from; each is loaded.
        changed: Told of each version that begins to answer.

    Raises:
        RunError: One cannot be loaded.
    """

    def __init__(self, sources: Sequence[Source], changed: Callable[[Servable], None]) -> None:
        self._changed = changed
        self._places: dict[str, _Place] = {}
        for source in sources:
            edition = source.present()
            place = _Place(source, Servable(source.name, edition), edition)
            place.states[edition.version] = _AVAILABLE
            self._places[source.name] = place
            changed(place.current)

    @property
    def models(self) -> tuple[Servable, ...]:
        """What answers now, in the order in which the sources were given."""
        return tuple(place.current for place in self._places.values())

    def get(self, name: str | None, version: int | None = None) -> Servable:
        """What answers now under a name.

        Args:
            name: The model's; `None` for the first.
            version: Only this one.

        Raises:
            Refused: With 404, there is no such model or version.
        """
        place = next(iter(self._places.values())) if name is None else self._places.get(name)
        if place is None or version not in (None, place.current.version):
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise Refused(404, f"Servable not found for request: {wanted}")
        return place.current

    def states(self, name: str, version: int | None = None) -> list[dict[str, Any]]:
        """What became of the versions of a model, as TensorFlow Serving tells it.

        Args:
            name: The model's.
            version: Only this one.

        Returns:
            The newest version first.

        Raises:
            Refused: With 404, there never was such a model or version.
        """
        place = self._places.get(name)
        states = {} if place is None else place.states
        told = {one: state for one, state in states.items() if version in (None, one)}
        if not told:
            which = "" if version is None else f" with version {version}"
            raise Refused(404, f"Could not find any versions of model {name}{which}")
        return [
            {
                "version": str(one),
                "state": state,
                "status": {"error_code": code, "error_message": message},
            }
            for one, (state, code, message) in sorted(told.items(), reverse=True)
        ]

    async def watch(self, seconds: float) -> None:
        """Look for newer versions for ever; each is loaded in a thread and then takes over.

        Requests that have been taken are answered by the version they were taken for.

        Args:
            seconds: Between two looks.
        """
        while True:
            await asyncio.sleep(seconds)
            for place in self._places.values():
                await self._look(place)

    async def _look(self, place: _Place) -> None:
        edition = await asyncio.to_thread(place.source.newest)
        before, place.seen = place.seen, edition
        if edition is None or edition.version <= place.loaded.version or edition == place.refused:
            return
        if edition != before:
            return  # it may still be copied: it must look the same twice
        place.states[edition.version] = ("LOADING", "OK", "")
        try:
            model = await asyncio.to_thread(Servable, place.source.name, edition)
        except RunError as error:
            _logger.error("version %s is not served: %s", edition.version, error)
            place.refused = edition
            place.states[edition.version] = ("END", "UNKNOWN", "It cannot be loaded.")
            return
        old, place.current, place.loaded = place.current, model, edition
        place.states[edition.version] = _AVAILABLE
        place.states[old.version] = ("END", "OK", "")
        _logger.info("%s: version %s answers now", model.name, model.version)
        self._changed(model)


_AVAILABLE = ("AVAILABLE", "OK", "")
