"""Durations as people write them."""

from __future__ import annotations

import pytest

from tlearn.choosing import durations
from tlearn.errors import DurationError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h", 3600),
        ("1.5 h", 5400),
        ("1h30m", 5400),
        ("1 hour 30 min 5 sec", 5405),
        (" 2 Minutes ", 120),
        (".5m", 30),
        (12, 12),
        (0.5, 0.5),
    ],
)
def test_a_duration_is_read(text, seconds):
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "10", "m", "-5m", "0s", "ten minutes", "5m 1h", "1d", "nan", -1, 0, float("inf")]
)
def test_what_is_no_duration_is_named(text):
    with pytest.raises(DurationError, match=r"'90s', '10m'.*Received: duration="):
        durations.parse(text)


def test_a_flag_is_no_duration():
    with pytest.raises(DurationError):
        durations.parse(True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (90, "90 s"), (600, "10 min"), (3600, "1 h 0 min"), (3899, "1 h 5 min")],
)
def test_a_duration_is_written_in_words(seconds, words):
    assert durations.in_words(seconds) == words
