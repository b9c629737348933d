"""One pass over the photos that fills all shelves which lack something."""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tlearn.devices.group import ONE, Group
from tlearn.errors import CacheError
from tlearn.features import batches, store
from tlearn.features.trunk import Trunk
from tlearn.networks.cutting import Cut
from tlearn.progress import Progress

__all__ = ["Collector"]

Array = np.ndarray[Any, Any]

# Rows wait in memory until there are enough for a file; a kill loses no more than these.
_SEGMENT_BYTES = 128 * 2**20
# Batches in the trunk at once, so that it has work while answers are put away.
_UNDER_WAY = 4
# Seconds until what another worker has written must be seen, and between two looks.
_PATIENCE = 90.0
_PAUSE = 0.2
_LARGEST = np.float32(np.finfo(np.float16).max)


@dataclass
class _Want:
    """One shelf that photos are to stand on."""

    shelf: store.Shelf
    cut: Cut
    view: int
    missing: set[str]
    digests: list[str]
    rows: list[Array]


@dataclass(frozen=True)
class _Batch:
    """Some photos in some views: `(photos, views, height, width, 3)`."""

    pixels: Array
    digests: Sequence[str]
    views: Sequence[int]


class Collector:
    """Fills shelves, and gives out what stands on them.

    Args:
        budget: Bytes that may be held in memory where the store cannot be written to.
        progress: Who watches.
        group: Each of its workers computes a part.

    Attributes:
        without_pixels: Whether pixels were to be kept and could not be.
    """

    def __init__(self, budget: int, progress: Progress, group: Group = ONE) -> None:
        self._group = group
        self._budget = budget
        self._progress = progress
        self._wants: dict[str, _Want] = {}
        self._unkept: dict[str, dict[str, Array]] = {}
        self._cannot_keep = False
        self.without_pixels = False
        self._waiting = 0
        self._too_large = 0

    def want(self, shelf: store.Shelf, cut: Cut, view: int, table: pd.DataFrame) -> None:
        """Ask for the photos of a table on a shelf.

        Args:
            shelf: The shelf.
            cut: Where the network is cut.
            view: The number of the view.
            table: Table with the column `digest`.
        """
        digests = list(table["digest"])
        missing = {digests[place] for place in shelf.missing(digests)}
        if shelf.key in self._wants:
            self._wants[shelf.key].missing |= missing
        else:
            self._wants[shelf.key] = _Want(shelf, cut, view, missing, [], [])

    def run(
        self,
        examples: pd.DataFrame,
        photos: Callable[[pd.DataFrame, Sequence[int]], Any],
        trunk: Callable[[Sequence[Cut], int], Trunk],
    ) -> dict[str, Any]:
        """Compute all that is missing.

        Args:
            examples: Table of all photos.
            photos: From a table and view numbers to batches `(batch, views, height, width, 3)`.
            trunk: From cuts, and about how many photos there will be, to what computes them.

        Returns:
            What was done: photos `computed`, `view_passes` (runs of the trunk), the `engine`, and
            its `difference` from TensorFlow.
        """
        wants = [want for want in self._wants.values() if want.missing]
        self._group.wait()  # all have looked at what is missing; from now on it gets less
        by_photo: dict[str, set[int]] = {}
        for want in wants:
            for digest in want.missing:
                by_photo.setdefault(digest, set()).add(want.view)
        todo = examples[examples["digest"].isin(by_photo.keys())]
        missing = todo.drop_duplicates("digest")
        todo = missing[missing["digest"].map(self._group.is_mine).astype(bool)]
        # Photos that lack the same views go together: training photos, and those held out.
        lacking = [tuple(sorted(by_photo[digest])) for digest in todo["digest"]]
        view_passes = sum(len(views) for views in lacking)
        trunks: dict[tuple[str, ...], Trunk | None] = {}
        with self._progress.task("Computing frozen features", total=len(todo)) as task:
            under_way: deque[Callable[[], None]] = deque()
            for views in sorted(set(lacking)):
                table = todo[[one == views for one in lacking]].reset_index(drop=True)
                start = 0
                for images in photos(table, views):
                    pixels = images.numpy()
                    digests = list(table["digest"][start : start + len(pixels)])
                    start += len(pixels)
                    batch = _Batch(pixels, digests, views)
                    for names, places, cuts in _grouped(wants, views):
                        if names not in trunks:
                            deep = [cut for cut in cuts if not cut.is_input]
                            trunks[names] = trunk(deep, view_passes) if deep else None
                        under_way.append(self._begin(trunks[names], batch, places, wants, cuts))
                    under_way.append(functools.partial(task.advance, len(pixels)))
                    while len(under_way) > _UNDER_WAY:
                        under_way.popleft()()
            while under_way:
                under_way.popleft()()
            self._flush(wants)
        if self._too_large:
            self._progress.warn(
                f"{self._too_large:,} features were larger than float16 can hold and were cut off "
                f"at {_LARGEST:,.0f}."
            )
        store.trim(keep=list(self._wants))
        self._group.wait()
        for want in wants:
            self._await(want)
            want.missing = set()
        used = [one for one in trunks.values() if one is not None]
        differences = [one.difference for one in used if one.difference is not None]
        return {
            "computed": len(missing),
            "view_passes": view_passes,
            "engine": used[0].engine if used else None,
            "difference": max(differences, default=None),
        }

    def rows(self, shelf: store.Shelf, digests: list[str]) -> batches.Rows:
        """What stands on a shelf.

        Args:
            shelf: A shelf that was asked for.
            digests: The photos, in the wanted order.

        Returns:
            Their rows.
        """
        loose = self._unkept.get(shelf.key, {})
        stored = [digest for digest in dict.fromkeys(digests) if digest not in loose]
        if not loose or not stored:
            return batches.InMemory(_stacked(loose, digests)) if loose else shelf.reader(digests)
        with shelf.reader(stored) as reader:
            loose = loose | dict(zip(stored, reader.load(), strict=True))
        return batches.InMemory(_stacked(loose, digests))

    def _begin(
        self,
        trunk: Trunk | None,
        batch: _Batch,
        places: Sequence[int],
        wants: Sequence[_Want],
        cuts: Sequence[Cut],
    ) -> Callable[[], None]:
        """Run the trunk over some views of a batch; what is given back puts its answers away."""
        all_of_them = len(places) == len(batch.views)
        some = batch.pixels if all_of_them else batch.pixels[:, places]
        seen = some.reshape(-1, *some.shape[2:])
        answers = trunk.begin(seen) if trunk else lambda: []

        def put_away() -> None:
            found = iter(answers())
            for cut in cuts:
                values = np.rint(seen) if cut.is_input else self._within_float16(next(found))
                rows = values.astype(cut.dtype).reshape(*some.shape[:2], *values.shape[1:])
                for want in wants:
                    if want.cut.name == cut.name:
                        self._deal_out(want, rows, batch, places)
            if self._waiting >= _SEGMENT_BYTES:
                self._flush(wants)

        return put_away

    def _deal_out(self, want: _Want, rows: Array, batch: _Batch, places: Sequence[int]) -> None:
        """Of `(photos, views, ...)`, what one shelf lacks."""
        for place, view in enumerate(batch.views[one] for one in places):
            chosen = [at for at, digest in enumerate(batch.digests) if digest in want.missing]
            if view == want.view and chosen:
                want.digests += [batch.digests[at] for at in chosen]
                want.rows.append(rows[chosen, place])
                self._waiting += want.rows[-1].nbytes

    def _within_float16(self, values: Array) -> Array:
        if max(values.max(), -values.min()) <= _LARGEST:
            return values
        self._too_large += int((np.abs(values) > _LARGEST).sum())
        return np.clip(values, -_LARGEST, _LARGEST)

    def _flush(self, wants: Sequence[_Want]) -> None:
        """Write what waits."""
        for want in wants:
            if not want.rows:
                continue
            rows = np.concatenate(want.rows)
            if not self._cannot_keep:
                try:
                    want.shelf.write(want.digests, rows)
                except CacheError as error:
                    if self._group.workers > 1:  # the others would never get them
                        raise
                    self._cannot_keep = True
                    self._progress.warn(f"Features cannot be kept for later runs: {error}")
            if self._cannot_keep and want.cut.is_input:
                self.without_pixels = True
            elif self._cannot_keep:
                self._hold(want, rows)
            want.digests, want.rows = [], []
        self._waiting = 0

    def _await(self, want: _Want) -> None:
        """Until what other workers have written is seen here, which a shared disk may delay."""
        if self._group.workers == 1:
            return
        digests, until = sorted(want.missing), time.monotonic() + _PATIENCE
        while len(missing := want.shelf.missing(digests)):
            if time.monotonic() > until:
                raise CacheError(
                    f"The features of {len(missing):,} photos that other workers have computed do not "
                    "arrive. TLEARN_CACHE must be one folder for all workers, on a disk that they "
                    f"share. Received: folder={str(want.shelf.folder.parent)!r}"
                )
            time.sleep(_PAUSE)

    def _hold(self, want: _Want, rows: Array) -> None:
        """Keep rows in memory, for this run alone."""
        held = self._unkept.setdefault(want.shelf.key, {})
        held.update(zip(want.digests, rows, strict=True))
        size = sum(len(one) * next(iter(one.values())).nbytes for one in self._unkept.values())
        if size > self._budget:
            raise CacheError(
                "The features fit neither into the cache folder nor into memory. Make room in the "
                "cache folder, name another one by TLEARN_CACHE, or allow more by --memory. "
                f"Received: memory={self._budget:,} bytes"
            )


def _stacked(rows: dict[str, Array], digests: Sequence[str]) -> Array:
    return np.stack([rows[digest] for digest in digests])


def _grouped(
    wants: Sequence[_Want], views: Sequence[int]
) -> list[tuple[tuple[str, ...], list[int], list[Cut]]]:
    """Views that need the same cuts, so that each group is one trunk."""
    needed: dict[tuple[str, ...], tuple[list[int], list[Cut]]] = {}
    for place, view in enumerate(views):
        cuts = {want.cut.name: want.cut for want in wants if want.view == view}
        names = tuple(sorted(cuts))
        needed.setdefault(names, ([], [cuts[name] for name in names]))[0].append(place)
    return [(names, places, cuts) for names, (places, cuts) in needed.items()]
