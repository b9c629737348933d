"""How long, as people write it: `90s`, `10m`, `1.5h`."""

from __future__ import annotations

import math
import re

from tlearn.errors import DurationError

__all__ = ["in_words", "parse"]

_SECONDS = {"h": 3600, "m": 60, "s": 1}
_NAMES = {
    "h": "h|hrs?|hours?",
    "m": "m|min|mins|minutes?",
    "s": "s|secs?|seconds?",
}
_NUMBER = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
# One to three parts, the larger unit before the smaller.
_DURATION = re.compile(
    r"\s*" + "".join(rf"(?:{_NUMBER}\s*(?:{_NAMES[unit]})\s*)?" for unit in _SECONDS),
    re.IGNORECASE,
)


def parse(text: str | float) -> float:
    """Read a duration.

    Args:
        text: Such as `"90s"`, `"10m"`, `"1.5 h"` or `"1h 30m"`, or a number of seconds. Upper and
            lower case are the same.

    Returns:
        Seconds, above 0.

    Raises:
        DurationError: It is no such duration, or takes no time.

    Example:

    ```python
    parse("1h 30m")  # 5400.0
    ```
    """
    seconds = 0.0
    if isinstance(text, str):
        if found := _DURATION.fullmatch(text):
            parts = zip(found.groups(), _SECONDS.values(), strict=True)
            seconds = sum(float(number) * unit for number, unit in parts if number)
    elif not isinstance(text, bool):
        seconds = float(text)
    if math.isfinite(seconds) and seconds > 0:
        return seconds
    raise DurationError(
        "A duration must be a number above 0 with its unit, such as '90s', '10m' or '1h 30m'. "
        f"Received: duration={text!r}"
    )


def in_words(seconds: float) -> str:
    """Write a duration so that a person grasps it.

    Args:
        seconds: 0 or more.

    Returns:
        Such as `"45 s"`, `"12 min"` or `"1 h 5 min"`.
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
