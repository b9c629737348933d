"""How names and numbers are worded in a report for a console."""

from __future__ import annotations

import math
import unicodedata

from tlearn.files.tables import printable

__all__ = ["count", "decimal", "duration", "interval", "percent", "shown"]

_STEERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def shown(text: object) -> str:
    """`text` on one line, with no character that could steer the terminal."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in {"Cc", "Zl", "Zp"}
        or unicodedata.bidirectional(character) in _STEERING
        else character
        for character in printable(str(text))
    )


def percent(value: float) -> str:
    """A fraction in percent with one decimal, `-` when there is none."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def decimal(value: float) -> str:
    """A number with three decimals, `-` when there is none."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def interval(low: float, high: float) -> str:
    """Two fractions in whole percent, nothing when there are none."""
    return "" if math.isnan(low) else f"{100 * low:.0f}-{100 * high:.0f}"


def duration(seconds: float) -> str:
    """Seconds as `M:SS` or `H:MM:SS`, `-` when they are not known."""
    if math.isnan(seconds):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours}:{minutes_left:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(value: object) -> str:
    """A whole number with thousands marked, `?` when it is not known."""
    return f"{value:,}" if isinstance(value, int) else "?"
