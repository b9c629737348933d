"""A matplotlib figure that a notebook shows, whichever backend it has, and that no window holds."""

from __future__ import annotations

import io
import warnings
from typing import Any

from matplotlib.figure import Figure

__all__ = ["Shown"]

_DOTS_PER_INCH = 100


class Shown(Figure):
    """A figure without pyplot. Without this, a notebook that has not loaded pyplot shows its name."""

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        """Write the figure; see `matplotlib.figure.Figure.savefig`."""
        with warnings.catch_warnings():
            # A class may have a name in any script. In SVG it is text, for which the browser has a font.
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            super().savefig(*args, **kwargs)

    def _repr_png_(self) -> bytes:
        written = io.BytesIO()
        self.savefig(written, format="png", dpi=_DOTS_PER_INCH)
        return written.getvalue()
