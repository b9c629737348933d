"""Findings about single photos: what is too small, dark, light, blurred, blank or long.

Where physics or the network says what is too little, the limit is fixed; where it depends on what
is photographed, it is relative to the other photos.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import median_abs_deviation

from tlearn.checking.finding import Finding

__all__ = ["find"]

# A third of the 224 pixels that a usual network sees; below, what it sees is mostly invented.
_SMALLEST_SIDE = 64
# Of 1. Darker than this on average and without contrast, nothing is to be told even when made
# brighter: JPEG keeps few steps there. A bright thing on black has contrast, and is fine.
_DARK, _LIGHT, _FLAT = 0.10, 0.90, 0.08
# Five steps of 255, the noise of a phone's camera: there is nothing on it.
_BLANK = 0.02
# How sharp photos are depends on what they show, so that only the others can be the measure: on
# the logarithm, robust standard deviations below the median. From a sharpness of 100 on nobody
# sees a blur, whatever the others are like. Of 3,781 photos of clothes this names 3, all blurred, of
# 2,527 of rubbish 14, most of them blurred.
_BLURRED, _SHARP = 3.3, 100.0
# Cropped to a square, less than 40 % of it is left.
_LONG = 2.5


def find(photos: pd.DataFrame) -> list[Finding]:
    """Find photos that are worth a look by themselves.

    Args:
        photos: A row for each photo that could be read, with `path`, `format`, `suffix_fits`,
            `width`, `height`, `brightness` and `contrast` (0 to 1), `sharpness` (0 and more).

    Returns:
        The findings, without those that there are none of.
    """
    if photos.empty:
        return []
    shorter = photos[["width", "height"]].min(axis=1).to_numpy(float)
    longer = photos[["width", "height"]].max(axis=1).to_numpy(float)
    ratio = longer / np.maximum(shorter, 1)
    bright, contrast = photos["brightness"].to_numpy(float), photos["contrast"].to_numpy(float)
    blank = contrast < _BLANK
    flat = (contrast < _FLAT) & ~blank
    dark, light = (bright < _DARK) & flat, (bright > _LIGHT) & flat
    sharpness = photos["sharpness"].to_numpy(float)
    far = _deviations(sharpness, ~blank)
    # Without light there are no edges either.
    blurred = (far < -_BLURRED) & (sharpness < _SHARP) & ~(blank | dark | light)
    width, height = photos["width"].astype(int), photos["height"].astype(int)
    size = [f"{one} x {other}" for one, other in zip(width, height, strict=True)]
    formats = [f"is {one}" for one in photos["format"]]
    chosen = (
        ("nearly-blank", blank, contrast, "contrast below 2 %", _shares(contrast)),
        ("too-dark", dark, bright, "brightness below 10 %", _shares(bright)),
        ("too-light", light, -bright, "brightness above 90 %", _shares(bright)),
        (
            "blurred",
            blurred,
            far,
            "far less sharp than the other photos",
            [f"{-one:.1f} deviations" for one in far],
        ),
        (
            "too-small",
            shorter < _SMALLEST_SIDE,
            shorter,
            f"a side of less than {_SMALLEST_SIDE} pixels",
            size,
        ),
        (
            "odd-aspect-ratio",
            ratio > _LONG,
            -ratio,
            f"one side is more than {_LONG:g} times the other",
            size,
        ),
        (
            "wrong-suffix",
            ~photos["suffix_fits"].to_numpy(bool),
            np.zeros(len(photos)),
            "the content is of another format than the name says",
            formats,
        ),
    )
    paths = list(photos["path"])
    found = []
    for kind, mask, key, about, notes in chosen:
        places = np.flatnonzero(mask)
        places = places[np.argsort(key[places], kind="stable")]
        if len(places):
            groups = tuple((paths[place],) for place in places)
            told = f"all photos: {about}" if len(places) == len(paths) > 1 else about
            found.append(Finding(kind, groups, told, notes=tuple(notes[at] for at in places)))
    return found


def _shares(values: np.ndarray[Any, Any]) -> list[str]:
    return [f"{100 * one:.0f} %" for one in values]


def _deviations(values: np.ndarray[Any, Any], usable: np.ndarray[Any, Any]) -> Any:
    """Robust standard deviations from the median of the logarithm, float64 `(photos,)`."""
    logarithm = np.log(np.maximum(values, 0) + 1e-6)
    if usable.sum() < 20:
        return np.zeros(len(values))
    middle = np.median(logarithm[usable])
    spread = median_abs_deviation(logarithm[usable], scale="normal")
    # Where all photos are as sharp as each other, a half or a third of it is still no blur.
    return (logarithm - middle) / max(float(spread), 0.5)
