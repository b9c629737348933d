"""How long work shows on the screen: bars on a terminal, a line per finished step elsewhere.

Everything goes to standard error.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType

import rich.progress
from rich.console import Console, RenderableType
from rich.progress import BarColumn, ProgressColumn, TaskProgressColumn
from rich.table import Column
from rich.text import Text

from tlearn.cli.display import lines, one_line, stderr_console
from tlearn.progress import Progress, Task

__all__ = ["Bars", "Lines", "watch"]

# Nobody thinks in batches: their number moves the bar, and the note has photos per second.
_BATCHES = "batches"
_SLOW = 0.05  # steps a second; below it the rate would be shown as 0.0
_WIDE = 100
_NARROW = 60
_SILENT = 60.0  # seconds after which a log is told how far the work is


def watch() -> Progress:
    """The watcher that suits standard error: `Bars` on a terminal, `Lines` in a pipe or a file."""
    console = stderr_console()
    if console.is_terminal and not console.is_dumb_terminal:
        return Bars(console)
    return Lines(console)


class _Rate(ProgressColumn):
    """Steps per second, in the task's own unit."""

    def __init__(self, *, named: bool) -> None:
        super().__init__(Column(no_wrap=True, justify="right"))
        self.named = named

    def render(self, task: rich.progress.Task) -> Text:
        """Such as `48 photos/s`, or `48/s` where there is little room."""
        speed = task.finished_speed or task.speed
        if speed is None or speed < _SLOW or task.fields["unit"] == _BATCHES:
            return Text("")
        return Text(
            f"{_round(speed)} {task.fields['unit']}/s" if self.named else f"{_round(speed)}/s"
        )


class _Left(ProgressColumn):
    """The time that the rest will take, at the pace of the last half minute."""

    max_refresh = 0.5

    def __init__(self, *, named: bool) -> None:
        super().__init__(Column(no_wrap=True, justify="right"))
        self.named = named

    def render(self, task: rich.progress.Task) -> Text:
        """Such as `1:05 left`, or `1:05` where there is little room."""
        if task.time_remaining is None or task.total is None:
            return Text("")
        minutes, seconds = divmod(int(task.time_remaining), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return Text(f"{clock} left" if self.named else clock)


class _Done(ProgressColumn):
    """How many steps are done, of how many."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, justify="right"))

    def render(self, task: rich.progress.Task) -> Text:
        """Such as `64/3,781`, or `64` when the end is not known."""
        if task.total is None:
            return Text(f"{int(task.completed):,}")
        return Text(f"{int(task.completed):,}/{int(task.total):,}")


def _round(speed: float) -> str:
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"


class _Step(Task):
    """A step that remembers what its last line needs."""

    def __init__(self, watcher: Lines, description: str, total: int | None, unit: str) -> None:
        self.watcher = watcher
        self.description = description
        self.total = total
        self.unit = unit
        self.done = 0
        self.text = ""
        self.began = self.told = time.monotonic()

    def advance(self, steps: int = 1) -> None:
        self.done += steps
        now = time.monotonic()
        if now - self.told >= _SILENT:
            self.told = now
            self.still(now - self.began)

    def still(self, seconds: float) -> None:
        """Tell how far long work is, such as `12,000 of 90,000 photos, 210 photos/s, 6 min 11 s left`."""
        if self.unit == _BATCHES or not self.done:
            return
        speed = self.done / seconds
        line = f"{self.description}: {self.done:,}"
        line += f" of {self.total:,} {self.unit}" if self.total else f" {self.unit}"
        line += f", {_round(speed)} {self.unit}/s" if speed >= _SLOW else ""
        if self.total and self.total > self.done:
            line += f", {_duration((self.total - self.done) / speed)} left"
        self.watcher.say(line)

    def note(self, text: str) -> None:
        self.text = one_line(text)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.watcher.say(self.summary())

    def summary(self) -> str:
        """What was done, how much of it, how fast, and the last note."""
        seconds = time.monotonic() - self.began
        if self.unit == _BATCHES:
            line = f"{self.description}: {_duration(seconds)}"
        elif self.done:
            amount = f"{self.done:,} {self.unit.removesuffix('s') if self.done == 1 else self.unit}"
            line = f"{self.description}: {amount} in {_duration(seconds)}"
        else:
            line = f"{self.description}: done in {_duration(seconds)}"
        if self.done > _SLOW * seconds and seconds >= 0.05 and self.unit != _BATCHES:
            line += f", {_round(self.done / seconds)} {self.unit}/s"
        return f"{line}, {self.text}" if self.text else line


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


class Lines(Progress):
    """Writes a plain line when a step is finished, and each minute in a long one; for logs and pipes.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, message: str) -> None:
        """Write a line."""
        self._print(Text(lines(message)))

    def warn(self, message: str) -> None:
        """Write a line that opens with `Warning:`."""
        line = Text("Warning: ", style="bold yellow").append(
            lines(message), style="default not bold"
        )
        self._print(line)

    def _print(self, line: Text) -> None:
        # In a file a message stays one line, to be found by grep; a terminal breaks it at words.
        self.console.print(line, soft_wrap=not self.console.is_terminal)

    def task(self, description: str, total: int | None = None, unit: str = "photos") -> Task:
        """Begin a step; its line follows when it is finished, and never when it failed."""
        return _Step(self, one_line(description), total, unit)


class _Bar(_Step):
    """A step that also moves a bar."""

    def __init__(self, watcher: Bars, description: str, total: int | None, unit: str) -> None:
        super().__init__(watcher, description, total, unit)
        self.bars = watcher
        self.row = watcher.screen.add_task(description, total=total, unit=unit, note="")

    def advance(self, steps: int = 1) -> None:
        super().advance(steps)
        self.bars.screen.advance(self.row, steps)

    def still(self, seconds: float) -> None:
        """Nothing: the bar tells it."""

    def note(self, text: str) -> None:
        super().note(text)
        self.bars.screen.update(self.row, note=self.text)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bars.close(self.row)
        super().__exit__(kind, error, trace)


class Bars(Lines):
    """Draws a bar per step under way, and leaves a line behind when the step is finished."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.screen = _Screen(*_columns(console.width), console=console, transient=True)

    def task(self, description: str, total: int | None = None, unit: str = "photos") -> Task:
        """Begin a step and draw its bar below those of the steps it is part of."""
        if not self.screen.tasks:
            self.screen.start()
        return _Bar(self, one_line(description), total, unit)

    def close(self, row: rich.progress.TaskID) -> None:
        """Take a bar away; the last one takes the whole display with it."""
        self.screen.remove_task(row)
        if not self.screen.tasks:
            self.screen.stop()


class _Screen(rich.progress.Progress):
    """Rich's display with each note on a line of its own, so that 80 letters hold the rest."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """A line per task, then its note."""
        for task in self.tasks:
            yield self.make_tasks_table([task])
            if task.fields["note"]:
                yield Text(f"  {task.fields['note']}", no_wrap=True, overflow="ellipsis")


class _Name(ProgressColumn):
    """What is being done, cut where the rest of the line would not fit."""

    def __init__(self, room: int) -> None:
        super().__init__(Column(no_wrap=True))
        self.room = room

    def render(self, task: rich.progress.Task) -> Text:
        """Such as `Stage unfreeze, epoch 2 of 5`."""
        name = Text(task.description)
        name.truncate(self.room, overflow="ellipsis")
        return name


def _columns(width: int) -> list[ProgressColumn]:
    """The columns that fit `width` letters; at 60 and fewer there is no bar."""
    if width <= _NARROW:
        share = TaskProgressColumn(show_speed=False)
        return [_Name(max(8, width - 22)), share, _Rate(named=False), _Left(named=False)]
    bar = 24 if width >= _WIDE else 8
    room = width - bar - 43
    return [_Name(room), BarColumn(bar_width=bar), _Done(), _Rate(named=True), _Left(named=True)]
