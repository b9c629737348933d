"""What long work tells whoever is watching. The library is silent unless it is given a watcher."""

from __future__ import annotations

from types import TracebackType

__all__ = ["Progress", "SILENT", "Task"]


class Task:
    """One piece of long work with a known or unknown number of steps; a context manager.

    This one shows nothing. The command line has one that draws a bar.
    """

    def advance(self, steps: int = 1) -> None:
        """Say that `steps` more steps are done."""

    def note(self, text: str) -> None:
        """Show `text` beside the bar, in place of the last note."""

    def __enter__(self) -> Task:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class Progress:
    """Someone who watches. This one hears everything and shows nothing; subclass it to show more."""

    def say(self, message: str) -> None:
        """Tell what has been decided or done."""

    def warn(self, message: str) -> None:
        """Tell what the user should look at, though the work goes on."""

    def task(self, description: str, total: int | None = None, unit: str = "photos") -> Task:
        """Begin a piece of long work.

        Args:
            description: What is being done, such as `"Reading photos"`.
            total: The number of steps, or `None` when it is not known.
            unit: What a step is, in the plural.

        Returns:
            A `Task`, to be used as a context manager.
        """
        return Task()


SILENT = Progress()
