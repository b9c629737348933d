"""How a failure reaches the user: one clear line and an exit code.

```
0    it went well
1    a mistake of the user's, or of the machine (disk full, out of memory), or a bug in tlearn
2    the command was not understood (typer's own errors)
3    `tlearn check --fail-on` found what it names
4    `tlearn export`: a file loses more accuracy than --max-drop allows
5    another worker of this run was lost: start all of them again
130  stopped by Ctrl-C
143  ended by SIGTERM
```

`docs/errors.md` lists the messages. With `--debug`, before or after the verb, the traceback is
shown in place of the line.
"""

from __future__ import annotations

import errno
import sys
from typing import Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from tlearn.cli.display import lines, one_line, stderr_console
from tlearn.errors import AccuracyDropError, TlearnError, WorkerLost
from tlearn.interrupts import Terminated

__all__ = ["Verbs", "explain"]

# typer has carried a copy of click since 0.24, so that its exceptions have no one public home.
_ClickException = typer.BadParameter.__mro__[2]
_TYPERS_OWN = (_ClickException, typer.Exit, typer.Abort)

_THE_MACHINE = {
    errno.ENOSPC: "there is no space left on the disk. Free some, or choose another --output.",
    errno.EDQUOT: "the disk quota is used up. Free some space, or choose another --output.",
    errno.EROFS: "the place is read-only. Choose another one, for instance with --output.",
    errno.EACCES: "permission denied. Choose a place you may use, or change its permissions.",
    errno.EPERM: "permission denied. Choose a place you may use, or change its permissions.",
}
_TOO_LOW = 4
_LOST = 5
_OUT_OF_MEMORY = (
    "The memory is used up. Try a smaller --batch-size or --image-size, or a smaller backbone "
    "(`tlearn backbones`)."
)


def explain(error: BaseException) -> str:
    """Say what went wrong, for a person who does not read tracebacks.

    Args:
        error: Whatever was raised.

    Returns:
        A line without the leading `Error: `; lines that name files may follow it.
    """
    if isinstance(error, TlearnError):
        return lines(str(error)) or type(error).__name__
    text = one_line(str(error))
    # TensorFlow reports a full disk as ResourceExhaustedError too.
    if "No space left on device" in text:
        return f"Writing failed: {_THE_MACHINE[errno.ENOSPC]}"
    if isinstance(error, OSError) and error.errno in _THE_MACHINE:
        return f"{one_line(str(error.filename or 'Writing failed'))}: {_THE_MACHINE[error.errno]}"
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return _OUT_OF_MEMORY
    kind = type(error).__name__
    return (
        f"This is a bug in tlearn ({kind}{': ' if text else ''}{text}). "
        "Run the same command with --debug to see where it happened, and report it."
    )


def _code(error: Exception) -> int:
    if isinstance(error, AccuracyDropError):
        return _TOO_LOW
    return _LOST if isinstance(error, WorkerLost) else 1


class Verbs(TyperGroup):
    """The group of all verbs: takes `--debug` anywhere and turns exceptions into lines."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let `--debug` stand after the verb too, where one adds it to a failed command."""
        end = args.index("--") if "--" in args else len(args)
        rest = [argument for argument in args[:end] if argument != "--debug"]
        moved = ["--debug"] if len(rest) < end else []
        return super().parse_args(ctx, [*moved, *rest, *args[end:]])

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; a failure prints one line on standard error and sets the exit code."""
        debug = bool(ctx.params.get("debug"))
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as asked:
            if debug:
                raise
            if isinstance(asked, Terminated):  # whoever did it does not read
                raise typer.Exit(143) from None
            stderr_console().print("Stopped by Ctrl-C.")
            raise typer.Exit(130) from None
        except Exception as error:
            broken_pipe = isinstance(error, OSError) and error.errno == errno.EPIPE
            if debug or broken_pipe or isinstance(error, _TYPERS_OWN):
                raise
            sys.stdout.flush()
            console = stderr_console()
            line = Text("Error: ", style="bold red").append(
                explain(error), style="default not bold"
            )
            console.print(line, soft_wrap=not console.is_terminal)
            raise typer.Exit(_code(error)) from None
