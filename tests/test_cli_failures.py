"""How a failure reaches the user."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tlearn import errors
from tlearn.cli.failures import Verbs, explain
from tlearn.hushing import hushed


def app_that(action: Callable[[], None]) -> typer.Typer:
    app = typer.Typer(cls=Verbs, pretty_exceptions_enable=False)

    @app.callback()
    def root(debug: bool = False) -> None:
        """Have a --debug, as tlearn has."""

    @app.command()
    def act(text: str = "") -> None:
        """Do what is asked."""
        action()

    return app


def raising(error: BaseException) -> typer.Typer:
    def action() -> None:
        raise error

    return app_that(action)


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's."""


@pytest.mark.parametrize("name", sorted(set(errors.__all__) - {"MissingExtra"}))
def test_every_error_of_ours_is_one_line_and_an_exit_code(name: str) -> None:
    result = CliRunner().invoke(
        raising(getattr(errors, name)("No [red] cats. Received: x=1")), "act"
    )
    code = {"AccuracyDropError": 4, "WorkerLost": 5}.get(name, 1)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr == "Error: No [red] cats. Received: x=1\n"


def test_a_missing_extra_says_how_to_install_it() -> None:
    result = CliRunner().invoke(raising(errors.MissingExtra("x", "heic", "HEIC photos")), "act")
    assert result.exit_code == 1
    assert result.stderr.endswith("pip install 'tlearn[heic]'\n")


def test_the_files_that_an_error_names_keep_their_lines() -> None:
    error = errors.DecodeError(
        "None could be read. Received:\n  a.jpg: empty\n  \x1b]0;b.jpg: empty"
    )
    result = CliRunner().invoke(raising(error), "act")
    assert result.stderr == (
        "Error: None could be read. Received:\n  a.jpg: empty\n  \\x1b]0;b.jpg: empty\n"
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space left on the disk"),
        (ResourceExhaustedError("x.data; No space left on device"), "no space left on the disk"),
        (OSError(errno.EDQUOT, "Quota", "x/y"), "x/y: the disk quota is used up"),
        (OSError(errno.EROFS, "Read-only", "x/y"), "x/y: the place is read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "x/y"), "x/y: permission denied"),
        (PermissionError(errno.EPERM, "Not permitted", "x/y"), "x/y: permission denied"),
        (MemoryError(), "smaller --batch-size"),
        (ResourceExhaustedError("OOM when allocating"), "smaller --batch-size"),
    ],
)
def test_the_machines_troubles_are_told_with_a_remedy(error: Exception, words: str) -> None:
    result = CliRunner().invoke(raising(error), "act")
    assert result.exit_code == 1
    assert words in result.stderr
    assert "bug" not in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "error", [KeyError("label"), FileNotFoundError(2, "No such", "x"), ValueError()]
)
def test_anything_else_is_called_a_bug(error: Exception) -> None:
    result = CliRunner().invoke(raising(error), "act")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: This is a bug in tlearn ({type(error).__name__}")
    assert "--debug" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["--debug", "act"], ["act", "--debug"]])
def test_debug_before_or_after_the_verb_lets_the_exception_through(command: list[str]) -> None:
    result = CliRunner().invoke(raising(errors.RunError("gone")), command)
    assert isinstance(result.exception, errors.RunError)
    assert result.stderr == ""


def test_what_stands_after_two_dashes_is_no_debug() -> None:
    app = typer.Typer(cls=Verbs)
    seen = []

    @app.callback()
    def root(debug: bool = False) -> None:
        """Have a --debug, as tlearn has."""
        seen.append(debug)

    @app.command()
    def act(name: str) -> None:
        """Remember the name."""
        seen.append(name)

    assert CliRunner().invoke(app, ["act", "--", "--debug"]).exit_code == 0
    assert seen == [False, "--debug"]


def test_the_command_lines_own_mistakes_keep_exit_code_2() -> None:
    assert CliRunner().invoke(raising(ValueError()), ["act", "--nothing"]).exit_code == 2
    assert CliRunner().invoke(raising(typer.BadParameter("no")), ["act"]).exit_code == 2


def test_ctrl_c_is_one_line_and_exit_code_130() -> None:
    result = CliRunner().invoke(raising(KeyboardInterrupt()), "act")
    assert (result.exit_code, result.stderr) == (130, "Stopped by Ctrl-C.\n")


def test_an_error_without_words_has_its_name() -> None:
    assert explain(errors.RunError()) == "RunError"


# A verb that never ends, so that there is something to stop, with a folder that it must remove.
ENDLESS = """
import sys, time, shutil
from pathlib import Path
import tlearn.cli.application as application
folder = Path(sys.argv.pop())
def endless():
    '''Never end.'''
    try:
        folder.mkdir()
        time.sleep(60)
    finally:
        shutil.rmtree(folder)
application.app.command("endless")(endless)
sys.argv = ["tlearn", "endless"]
application.main()
"""


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, "Stopped by Ctrl-C.\n"), (signal.SIGTERM, 143, "")],
)
def test_a_stopped_command_cleans_up(
    tmp_path: Path, number: signal.Signals, code: int, said: str
) -> None:
    folder = tmp_path / "half-written"
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(folder)], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not folder.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, heard = process.communicate(timeout=60)
    assert (process.returncode, heard) == (code, said)
    assert not folder.exists()


def test_native_chatter_is_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    with hushed():
        os.write(2, b"oneDNN custom operations are on\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_native_chatter_is_shown_when_the_work_fails(capfd: pytest.CaptureFixture[str]) -> None:
    def load() -> None:
        with hushed():
            os.write(2, b"cannot load libcudart\n")
            raise ImportError

    with pytest.raises(ImportError):
        load()
    assert capfd.readouterr().err == "cannot load libcudart\n"
