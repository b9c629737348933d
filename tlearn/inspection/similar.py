"""Photos that show the same picture: re-encoded, resized, lightly cropped, mirrored, brightened.

No pair is compared that is not likely:

1. Each photo's lowest frequencies (the discrete cosine transform of a perceptual hash, kept as numbers
   and not as bits), of the whole photo and of seven crops of it, each also mirrored, ask a k-d tree of
   the whole photos for their few nearest neighbours. A mirrored photo's odd frequencies have the other
   sign, so that nothing needs to be computed for it.
2. Small pictures of both are correlated.
3. What is left is decoded again, larger; the one is laid on the other, its four edges moved until the fine
   structure of both agrees best. That correlation is the similarity.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from tlearn.inspection import measuring
from tlearn.inspection.looking import Looks
from tlearn.progress import SILENT, Progress

__all__ = ["SIMILAR", "candidates", "pairs"]

Array = np.ndarray[Any, Any]
Box = tuple[float, float, float, float]  # top, bottom, left, right, as shares

# From this similarity on, two photos show the same picture. Read off photos of clothes: nearly all
# crops of 8 % from each side have 0.92 and more, different clothes on the same ground up to 0.87.
SIMILAR = 0.9

_FREQUENCIES = [(v, h) for v in range(7) for h in range(7) if 0 < v + h <= 6]
_MIRRORED = np.array([-1.0 if h % 2 else 1.0 for _, h in _FREQUENCIES], np.float32)
# What may have been cut away: nothing, 4, 8 or 12 % on each side, 8 % in a corner.
_CROPS: tuple[Box, ...] = (
    (0.0, 1.0, 0.0, 1.0),
    (0.04, 0.96, 0.04, 0.96),
    (0.08, 0.92, 0.08, 0.92),
    (0.12, 0.88, 0.12, 0.88),
    (0.0, 0.92, 0.0, 0.92),
    (0.0, 0.92, 0.08, 1.0),
    (0.08, 1.0, 0.0, 0.92),
    (0.08, 1.0, 0.08, 1.0),
)
_NEAREST = 8
_RADIUS = 0.15
_CORRELATED = 0.93
_SMALL = 32
_LARGE = 128
# Grey levels; with less there is nothing to compare.
_LEAST_STRUCTURE = 4.0
_PART = 4096
_STEPS = (0.04, 0.02, 0.02, 0.01, 0.01, 0.005, 0.0025)


def pairs(looks: Looks, *, progress: Progress = SILENT) -> pd.DataFrame:
    """Find photos that show the same picture.

    Copies, byte for byte, are found by their digests. Blank photos, in which there is nothing to
    compare, are near to none.

    Args:
        looks: What the photos are like.
        progress: Who watches.

    Returns:
        One row per pair: `first` and `second`, row numbers of `looks`, the first the smaller;
        `kind`: `"exact"` (the same bytes), `"near"` or `"mirrored"`; `similarity`, 0.9 to 1, the
        correlation of the fine structure of both. Of a set of copies, each is paired with the
        first of it only.
    """
    rows = _copies(looks.table["digest"])
    firsts = np.flatnonzero(~looks.table["digest"].duplicated().to_numpy())
    likely = candidates(looks.grey[firsts]) if len(firsts) > 1 else np.empty((0, 4))
    paths = list(looks.table["path"].iloc[firsts])
    with progress.task("Comparing photos", total=len(likely), unit="pairs") as task:

        @functools.lru_cache(maxsize=4096)
        def fine(number: int) -> Array:
            return _fine_structure(measuring.opened(paths[number], _LARGE))

        for one, other, crop, mirrored in likely.astype(int).tolist():
            task.advance()
            try:
                found = _laid_on(fine(one), fine(other), _CROPS[crop], bool(mirrored))
            except (OSError, ValueError):  # it was there a moment ago
                continue
            if found >= SIMILAR:
                kind = "mirrored" if mirrored else "near"
                first, second = sorted((int(firsts[one]), int(firsts[other])))
                rows.append((first, second, kind, round(min(found, 1.0), 4)))
    table = pd.DataFrame(rows, columns=["first", "second", "kind", "similarity"])
    # A symmetrical picture is found both ways: it counts as what it is more.
    table = table.sort_values("similarity", ascending=False, kind="stable")
    table = table.drop_duplicates(["first", "second"])
    return table.sort_values(["first", "second"]).reset_index(drop=True)


def candidates(grey: Array) -> Array:
    """Pairs that are worth a closer look.

    Args:
        grey: uint8 `(photos, 64, 64)`.

    Returns:
        int `(pairs, 4)`: the photo of which something may have been cut away, the other, which of
        the crops comes nearest, and 1 where it is mirrored.
    """
    whole, structured = _described(grey, _CROPS[0])
    known = np.flatnonzero(structured)
    if len(known) < 2:
        return np.empty((0, 4), int)
    tree = cKDTree(whole[known])
    best: dict[tuple[int, int, int], tuple[float, int]] = {}
    for number, crop in enumerate(_CROPS):
        asked, has = (whole, structured) if number == 0 else _described(grey, crop)
        asking = np.flatnonzero(structured & has)
        for mirrored in (0, 1):
            # With itself each photo would find itself, and each pair would be found twice.
            turned = asked[asking] * (_MIRRORED if mirrored else 1)
            for one, other, distance in _neighbours(tree, turned, asking, known):
                key = (one, other, mirrored)
                if one != other and distance < best.get(key, (np.inf, 0))[0]:
                    best[key] = (distance, number)
    if not best:
        return np.empty((0, 4), int)
    found = np.array([(*key[:2], crop, key[2]) for key, (_, crop) in best.items()])
    found = found[_correlations(grey, found) >= _CORRELATED]
    return _one_way(found)


def _neighbours(
    tree: Any, asked: Array, asking: Array, known: Array
) -> Iterator[tuple[int, int, float]]:
    for start in range(0, len(asked), _PART):
        part = asked[start : start + _PART]
        near, which = tree.query(part, k=_NEAREST + 1, distance_upper_bound=_RADIUS, workers=-1)
        rows, columns = np.nonzero(np.isfinite(near))
        ones, others = asking[start + rows], known[which[rows, columns]]
        yield from zip(ones.tolist(), others.tolist(), near[rows, columns].tolist(), strict=True)


def _one_way(found: Array) -> Array:
    """Each pair once for each way of mirroring: uncropped where both were found so."""
    order = np.lexsort((found[:, 2], found[:, 3], found[:, :2].max(1), found[:, :2].min(1)))
    found = found[order]
    keys = np.stack([found[:, :2].min(1), found[:, :2].max(1), found[:, 3]], axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    # A crop may be on either side: both ways are kept where they differ in it.
    crops = np.concatenate([keys, found[:, :1]], axis=1)
    _, either = np.unique(crops, axis=0, return_index=True)
    plain = set(map(tuple, keys[first][found[first][:, 2] == 0].tolist()))
    kept = [at for at in either if tuple(keys[at]) not in plain or found[at, 2] == 0]
    return found[sorted(kept)]


def _copies(digests: pd.Series) -> list[tuple[int, int, str, float]]:
    first: dict[str, int] = {}
    found = []
    for row, digest in enumerate(digests):
        if first.setdefault(digest, row) != row:
            found.append((first[digest], row, "exact", 1.0))
    return found


def _described(grey: Array, crop: Box) -> tuple[Array, Array]:
    """The lowest frequencies of a crop of each photo, and whether there is anything in it."""
    found = np.empty((len(grey), len(_FREQUENCIES)), np.float32)
    structured = np.empty(len(grey), bool)
    for start in range(0, len(grey), _PART):
        small = _cropped(grey[start : start + _PART].astype(np.float32), crop, _SMALL)
        small -= small.mean((1, 2), keepdims=True)
        spread = small.std((1, 2))
        waves = dctn(small, axes=(1, 2), norm="ortho")
        low = np.stack([waves[:, v, h] for v, h in _FREQUENCIES], axis=1)
        found[start : start + _PART] = low / (_SMALL * np.maximum(spread, 1e-6)[:, None])
        structured[start : start + _PART] = spread >= _LEAST_STRUCTURE
    return found, structured


def _correlations(grey: Array, found: Array) -> Array:
    """How alike the small pictures of each pair are, -1 to 1."""
    result = np.empty(len(found))
    for crop in range(len(_CROPS)):
        for start in range(0, len(found), _PART):
            rows = start + np.flatnonzero(found[start : start + _PART, 2] == crop)
            if not len(rows):
                continue
            ones = _cropped(grey[found[rows, 0]].astype(np.float32), _CROPS[crop], _SMALL)
            ones[found[rows, 3] == 1] = ones[found[rows, 3] == 1][:, :, ::-1]
            others = _cropped(grey[found[rows, 1]].astype(np.float32), _CROPS[0], _SMALL)
            result[rows] = (_unit(ones) * _unit(others)).sum((1, 2))
    return result


def _cropped(pictures: Array, crop: Box, side: int) -> Array:
    """A part of each square picture, float32 `(photos, side, side)`."""
    top, bottom, left, right = crop
    down = _lines(top, bottom, side, pictures.shape[1])
    across = _lines(left, right, side, pictures.shape[2])
    return down @ pictures @ across.T


@functools.lru_cache(maxsize=64)
def _lines(start: float, end: float, side: int, of: int) -> Array:
    """The means over `side` equal stretches from `start` to `end` of a line of `of` pixels."""
    edges = np.linspace(start, end, side + 1) * of
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(of)[None]
    shares = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def _fine_structure(picture: Array) -> Array:
    """Without the slow changes of light that many photos share."""
    values = picture.astype(np.float32)
    return gaussian_filter(values - gaussian_filter(values, 4), 0.7)


def _laid_on(one: Array, other: Array, crop: Box, mirrored: bool) -> float:
    """The best correlation of a part of `one` with all of `other`, from a crop on."""
    one = one[:, ::-1] if mirrored else one
    target = _unit(other[None])[0]

    def agreement(box: Array) -> float:
        part = _sampled(box[0], box[1], len(one)) @ one @ _sampled(box[2], box[3], len(one)).T
        return float((_unit(part[None])[0] * target).sum())

    return _climbed(np.array(crop), agreement)


def _climbed(box: Array, agreement: Callable[[Array], float]) -> float:
    """Move one edge at a time, in ever smaller steps, as long as it helps."""
    best = agreement(box)
    for step in _STEPS:
        for edge in range(4):
            for way in (-step, step):
                moved = box.copy()
                moved[edge] = np.clip(moved[edge] + way, -0.02, 1.02)
                found = agreement(moved)
                if found > best:
                    box, best = moved, found
    return best


def _sampled(start: float, end: float, side: int) -> Array:
    """Linear interpolation at `side` places from `start` to `end` of a line as long."""
    places = (start + (end - start) * (np.arange(side) + 0.5) / side) * side - 0.5
    low = np.clip(np.floor(places).astype(int), 0, side - 2)
    share = np.clip(places - low, 0, 1).astype(np.float32)
    lines = np.zeros((side, side), np.float32)
    lines[np.arange(side), low] = 1 - share
    lines[np.arange(side), low + 1] = share
    return lines


def _unit(pictures: Array) -> Array:
    """Each without its mean, at length 1."""
    centred = pictures - pictures.mean((1, 2), keepdims=True)
    length = np.sqrt((centred**2).sum((1, 2), keepdims=True))
    return centred / np.maximum(length, 1e-6)
