"""Photos that show the same picture: re-encoded, resized, lightly cropped, mirrored, brightened.

No pair is compared that is not likely:

1. Each photo's lowest frequencies (the discrete cosine transform of a perceptual hash, kept as numbers
   and not as bits), of the whole photo and of eleven crops of it, each also mirrored, ask a k-d tree of
   the whole photos for their few nearest neighbours. A mirrored photo's odd frequencies have the other
   sign, so that nothing needs to be computed for it.
2. Small pictures of both are correlated.
3. The one is laid on the other, its four edges moved until the fine structure of both agrees best: of
   the small pictures first and, where these agree, of larger ones, for which the photos are decoded once
   more. That correlation is the similarity.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.fft import dctn
from scipy.spatial import cKDTree
from threadpoolctl import threadpool_limits

from tlearn.errors import DecodeError
from tlearn.files import register
from tlearn.inspection import measuring, overlay
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
# What may have been cut away: nothing, 8 or 12 % on each side, or 8 % of both sides from anywhere.
_CROPS: tuple[Box, ...] = (
    (0.0, 1.0, 0.0, 1.0),
    (0.08, 0.92, 0.08, 0.92),
    (0.12, 0.88, 0.12, 0.88),
    *(
        (down, down + 0.92, right, right + 0.92)
        for down in (0.0, 0.04, 0.08)
        for right in (0.0, 0.04, 0.08)
    ),
)
# Counts up when the same photos would give other pairs.
_KIND = "likenesses 1"
_NEAREST = 8
_RADIUS = 0.2
_CORRELATED = 0.93
_SMALL = 32
_LARGE = 128
# Grey levels; with less there is nothing to compare.
_LEAST_STRUCTURE = 4.0
_PART = 4096
_STEPS = (0.04, 0.02, 0.02, 0.01, 0.01)
_FINE_STEPS = (0.01, 0.005, 0.0025)
# What the small pictures must agree in for the large ones to be compared.
_ROUGHLY = 0.8
_PAIRS_AT_ONCE = 64


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
    # Many small products, which threads slow down.
    with threadpool_limits(limits=1, user_api="blas"):
        rows = _copies(looks.table["digest"]) + _likenesses(looks, progress)
    table = pd.DataFrame(rows, columns=["first", "second", "kind", "similarity"])
    # A symmetrical picture is found both ways: it counts as what it is more.
    table = table.sort_values("similarity", ascending=False, kind="stable")
    table = table.drop_duplicates(["first", "second"])
    return table.sort_values(["first", "second"]).reset_index(drop=True)


def _likenesses(looks: Looks, progress: Progress) -> list[tuple[int, int, str, float]]:
    """Pairs that are no copies; of photos that were compared before, in this order, as remembered."""
    key = hashlib.sha256("".join(looks.table["digest"]).encode()).hexdigest()
    if known := register.recall(_KIND, [key]).get(key):
        return [(first, second, kind, value) for first, second, kind, value in json.loads(known)]
    firsts = np.flatnonzero(~looks.table["digest"].duplicated().to_numpy())
    grey = looks.grey[firsts]
    likely = candidates(grey)
    boxes = np.array(_CROPS)[likely[:, 2]]
    rough = _roughly(grey, likely, boxes)
    likely, boxes = likely[rough >= _ROUGHLY], boxes[rough >= _ROUGHLY]
    paths = list(looks.table["path"].iloc[firsts])

    @functools.lru_cache(maxsize=2048)
    def fine(number: int) -> Array:
        return overlay.fine_structure(measuring.opened(paths[number], _LARGE))

    rows = []
    lost = False
    with progress.task("Comparing photos", total=len(likely), unit="pairs") as task:
        for (one, other, _, mirrored), box in zip(likely.tolist(), boxes, strict=True):
            task.advance()
            try:
                first, second = fine(one), fine(other)
            except (OSError, DecodeError):  # it was there a moment ago
                lost = True
                continue
            first = first[:, ::-1] if mirrored else first
            found = float(
                overlay.laid_on(first[None], second[None], box[None].copy(), _FINE_STEPS)[0]
            )
            if found >= SIMILAR:
                kind = "mirrored" if mirrored else "near"
                low, high = sorted((int(firsts[one]), int(firsts[other])))
                rows.append((low, high, kind, round(min(found, 1.0), 4)))
    if not lost:
        register.remember(_KIND, {key: json.dumps(rows).encode()})
    return rows


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


def _roughly(grey: Array, likely: Array, boxes: Array) -> Array:
    """How well the fine structure of the small pictures agrees; `boxes` are moved to where it does."""
    found = np.empty(len(likely))
    for start in range(0, len(likely), _PAIRS_AT_ONCE):
        some = slice(start, start + _PAIRS_AT_ONCE)
        ones, others = (overlay.fine_structure(grey[likely[some, end]]) for end in (0, 1))
        mirrored = likely[some, 3] == 1
        ones[mirrored] = ones[mirrored][:, :, ::-1]
        found[some] = overlay.laid_on(ones, others, boxes[some], _STEPS)
    return found


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
    """How alike the small pictures of each pair are, a pixel to and fro, -1 to 1."""
    result = np.empty(len(found))
    for crop in range(len(_CROPS)):
        for start in range(0, len(found), _PART):
            rows = start + np.flatnonzero(found[start : start + _PART, 2] == crop)
            if not len(rows):
                continue
            ones = _cropped(grey[found[rows, 0]].astype(np.float32), _CROPS[crop], _SMALL)
            ones[found[rows, 3] == 1] = ones[found[rows, 3] == 1][:, :, ::-1]
            ones = overlay.unit(ones[:, 1:-1, 1:-1])
            others = _cropped(grey[found[rows, 1]].astype(np.float32), _CROPS[0], _SMALL)
            inner = _SMALL - 2
            result[rows] = np.max(
                [
                    (ones * overlay.unit(others[:, y : y + inner, x : x + inner])).sum((1, 2))
                    for y in range(3)
                    for x in range(3)
                ],
                axis=0,
            )
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
