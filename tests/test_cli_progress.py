"""Bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import textwrap
import time

import pytest
from rich.console import Console

from tlearn.cli.progress import Bars, Lines


def lines_of(width: int = 200) -> tuple[Lines, io.StringIO]:
    stream = io.StringIO()
    return Lines(Console(file=stream, width=width, markup=False, highlight=False)), stream


def bars_of(width: int) -> tuple[Bars, io.StringIO]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None)
    return Bars(console), stream


def test_a_finished_step_leaves_one_line_with_amount_rate_and_last_note() -> None:
    watcher, stream = lines_of()
    with watcher.task("Stage head, epoch 1 of 3", total=64) as task:
        for loss in ("0.9", "0.5"):
            task.advance(32)
            task.note(f"loss {loss}")
    assert re.fullmatch(
        r"Stage head, epoch 1 of 3: 64 photos in 0\.\d s(, [\d,]+ photos/s)?, loss 0\.5\n",
        stream.getvalue(),
    )


def test_a_long_step_tells_a_log_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlearn.cli.progress._SILENT", 0.05)
    watcher, stream = lines_of()
    with watcher.task("Predicting", total=90) as task:
        task.advance(10)
        time.sleep(0.1)
        task.advance(10)
        task.advance(70)
    between, last = stream.getvalue().splitlines()
    assert re.fullmatch(r"Predicting: 20 of 90 photos, [\d,]+ photos/s, 0\.\d s left", between)
    assert last.startswith("Predicting: 90 photos in")


def test_a_step_in_batches_shows_its_time_and_note() -> None:
    watcher, stream = lines_of()
    with watcher.task("head, epoch 1 of 3", total=2, unit="batches") as task:
        task.advance(2)
        task.note("validation accuracy 0.9")
    assert stream.getvalue() == "head, epoch 1 of 3: 0.0 s, validation accuracy 0.9\n"


def test_a_step_without_an_amount_says_done() -> None:
    watcher, stream = lines_of()
    with watcher.task("Writing", unit="files"):
        pass
    assert stream.getvalue() == "Writing: done in 0.0 s\n"


def test_a_failed_step_leaves_no_line_that_looks_finished() -> None:
    watcher, stream = lines_of()
    with pytest.raises(ZeroDivisionError), watcher.task("Reading"):
        raise ZeroDivisionError
    assert stream.getvalue() == ""


def test_what_is_said_is_shown_as_it_is() -> None:
    watcher, stream = lines_of(width=20)
    watcher.say("photos/[red]x[/red]/:smile:.jpg and a name\x1b[2J that is long")
    watcher.warn("2 files:\n  a.jpg: empty\n  caf\udce9.jpg: empty")
    assert stream.getvalue() == (
        "photos/[red]x[/red]/:smile:.jpg and a name\\x1b[2J that is long\n"
        "Warning: 2 files:\n  a.jpg: empty\n  caf\\udce9.jpg: empty\n"
    )


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_bar_shows_step_share_rate_time_left_and_note_and_fits(width: int) -> None:
    watcher, _ = bars_of(width)
    with watcher.task("Stage unfreeze, epoch 2 of 5", total=4000) as task:
        row = watcher.screen.tasks[0]
        for _ in range(3):
            time.sleep(0.02)  # so that the rate is one that could be
            task.advance(1000)
        task.note("loss 0.43 accuracy 0.91")
        plain = Console(width=width, file=io.StringIO())
        plain.print(*watcher.screen.get_renderables())
        shown = plain.file.getvalue()  # type: ignore[attr-defined]
        assert row.completed == 3000
    assert all(len(line) <= width for line in shown.splitlines())
    assert "Stage unfreeze" in shown
    assert ("3,000/4,000" in shown) == (width > 60)
    assert ("75%" in shown) == (width <= 60)
    assert ("photos/s" in shown) == (width > 60)
    assert re.search(r"/s +0:0\d left" if width > 60 else r"/s +0:0\d", shown)
    assert "loss 0.43 accuracy 0.91" in shown


def test_bars_of_steps_within_steps_come_and_go() -> None:
    watcher, stream = bars_of(80)
    with watcher.task("Outer", total=2) as outer:
        with watcher.task("Inner", total=1) as inner:
            assert len(watcher.screen.tasks) == 2
            inner.advance()
        assert len(watcher.screen.tasks) == 1
        outer.advance(2)
    assert not watcher.screen.live.is_started
    assert stream.getvalue().index("Inner: 1 photo in") < stream.getvalue().index("Outer: 2 photos")


def test_a_failure_takes_the_bar_away() -> None:
    watcher, _ = bars_of(80)
    with pytest.raises(KeyboardInterrupt), watcher.task("Reading", total=9):
        raise KeyboardInterrupt
    assert not watcher.screen.live.is_started


PROGRAM = textwrap.dedent(
    """
    import time
    from tlearn.cli.progress import watch
    with watch().task("Reading", total=2) as task:
        task.advance()
        time.sleep(0.3)
        task.advance()
    """
)


def on_a_terminal(**environment: str) -> str:
    """What the program writes to a real terminal."""
    ours, theirs = pty.openpty()
    ran = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stderr=theirs, env={**os.environ, **environment}
    )
    os.close(theirs)
    heard = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end was closed
            break
        if not piece:
            break
        heard += piece
    os.close(ours)
    assert ran.wait() == 0
    return heard.decode()


def test_a_terminal_gets_a_bar_in_colour() -> None:
    shown = on_a_terminal(TERM="xterm-256color", COLUMNS="80", NO_COLOR="")
    assert "\u2501" in shown  # a piece of the bar
    assert re.search(r"\x1b\[[\d;]*3\d", shown)


def test_no_color_is_respected() -> None:
    shown = on_a_terminal(TERM="xterm-256color", COLUMNS="80", NO_COLOR="1")
    assert "\u2501" in shown
    assert not re.search(r"\x1b\[[\d;]*3\d", shown)


def test_a_dumb_terminal_gets_lines() -> None:
    shown = on_a_terminal(TERM="dumb")
    assert re.fullmatch(r"Reading: 2 photos in 0\.\d s, [\d.]+ photos/s\r\n", shown)
