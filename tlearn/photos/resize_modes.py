"""How a photo of any shape becomes a square: the names and the default, without TensorFlow.

| mode | what is done | what is lost |
| --- | --- | --- |
| `"crop"` | the largest centred square is kept | what lies outside it |
| `"pad"` | the whole photo, grey bars where it is short | resolution |
| `"stretch"` | the whole photo, its sides made equal | the true shape of things |

The default is the one that served best on validation photos: see `docs/decoding.md`, measured
by `benchmarks/resize_modes.py`.
"""

from __future__ import annotations

__all__ = ["DEFAULT_RESIZE", "RESIZE_MODES"]

RESIZE_MODES = ("crop", "pad", "stretch")
DEFAULT_RESIZE = "crop"
