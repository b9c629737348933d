"""A matplotlib figure that a notebook shows, whichever backend it has, and that no window holds."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

__all__ = ["Shown"]

_DOTS_PER_INCH = 100


class Shown(Figure):
    """A figure without pyplot. Without this, a notebook that has not loaded pyplot shows its name."""

    def _repr_png_(self) -> bytes:
        written = io.BytesIO()
        self.savefig(written, format="png", dpi=_DOTS_PER_INCH)
        return written.getvalue()
