"""One pass over the photos that fills all shelves which lack something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tlearn.errors import CacheError
from tlearn.features import batches, store
from tlearn.features.trunk import Trunk
from tlearn.networks.cutting import Cut
from tlearn.progress import Progress

__all__ = ["Collector"]

Array = np.ndarray[Any, Any]

# Rows wait in memory until there are enough for a file; a kill loses no more than these.
_SEGMENT_BYTES = 128 * 2**20
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


class Collector:
    """Fills shelves, and gives out what stands on them.

    Args:
        budget: Bytes that may be held in memory where the store cannot be written to.
        progress: Who watches.
    """

    def __init__(self, budget: int, progress: Progress) -> None:
        self._budget = budget
        self._progress = progress
        self._wants: dict[str, _Want] = {}
        self._unkept: dict[str, dict[str, Array]] = {}
        self._cannot_keep = False
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
        trunk: Callable[[Sequence[Cut]], Trunk],
    ) -> dict[str, Any]:
        """Compute all that is missing.

        Args:
            examples: Table of all photos.
            photos: From a table and view numbers to batches `(batch, views, height, width, 3)`.
            trunk: From cuts to what computes them.

        Returns:
            What was done: photos `computed`, `view_passes` (runs of the trunk), the `engine`, and
            its `difference` from TensorFlow.
        """
        wants = [want for want in self._wants.values() if want.missing]
        by_photo: dict[str, set[int]] = {}
        for want in wants:
            for digest in want.missing:
                by_photo.setdefault(digest, set()).add(want.view)
        todo = examples[examples["digest"].isin(by_photo.keys())]
        todo = todo.drop_duplicates("digest")
        # Photos that lack the same views go together: training photos, and those held out.
        lacking = [tuple(sorted(by_photo[digest])) for digest in todo["digest"]]
        trunks: dict[tuple[str, ...], Trunk] = {}
        used: list[Trunk] = []
        with self._progress.task("Computing frozen features", total=len(todo)) as task:
            for views in sorted(set(lacking)):
                table = todo[[one == views for one in lacking]].reset_index(drop=True)
                digests = list(table["digest"])
                start = 0
                for images in photos(table, views):
                    pixels = images.numpy()
                    here = digests[start : start + len(pixels)]
                    start += len(pixels)
                    for names, places, cuts in _grouped(wants, views):
                        if names not in trunks:
                            trunks[names] = trunk(cuts)
                            used.append(trunks[names])
                        self._compute(trunks[names], pixels, places, views, here, wants, cuts)
                    task.advance(len(pixels))
            self._flush(wants)
        if self._too_large:
            self._progress.warn(
                f"{self._too_large:,} features were larger than float16 can hold and were cut off "
                f"at {_LARGEST:,.0f}."
            )
        store.trim(keep=list(self._wants))
        for want in wants:
            want.missing = set()
        differences = [one.difference for one in used if one.difference is not None]
        return {
            "computed": len(todo),
            "view_passes": sum(len(views) for views in lacking),
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

    def _compute(
        self,
        trunk: Trunk,
        pixels: Array,
        places: Sequence[int],
        views: Sequence[int],
        digests: Sequence[str],
        wants: Sequence[_Want],
        cuts: Sequence[Cut],
    ) -> None:
        """Run the trunk over some views of a batch, and put its answers where they are missing."""
        for place in places:
            answers = trunk(np.ascontiguousarray(pixels[:, place]))
            for cut, values in zip(cuts, answers, strict=True):
                small = self._as_float16(values)
                for want in wants:
                    if want.cut.name != cut.name or want.view != views[place]:
                        continue
                    chosen = [i for i, digest in enumerate(digests) if digest in want.missing]
                    if chosen:
                        want.digests += [digests[i] for i in chosen]
                        want.rows.append(small[chosen])
                        self._waiting += want.rows[-1].nbytes
        if self._waiting >= _SEGMENT_BYTES:
            self._flush(wants)

    def _as_float16(self, values: Array) -> Array:
        over = np.abs(values) > _LARGEST
        if over.any():
            self._too_large += int(over.sum())
            values = np.clip(values, -_LARGEST, _LARGEST)
        return values.astype(np.float16)

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
                    self._cannot_keep = True
                    self._progress.warn(f"Features cannot be kept for later runs: {error}")
            if self._cannot_keep:
                self._hold(want, rows)
            want.digests, want.rows = [], []
        self._waiting = 0

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
