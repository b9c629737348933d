"""`tlearn serve`."""

from __future__ import annotations

import logging
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from tlearn.cli import completion, display, quieting

if TYPE_CHECKING:
    from tlearn.serving.servable import Servable

__all__ = ["EXAMPLE", "serve"]

EXAMPLE = "tlearn serve clothing-efficientnet_lite0 --open"

_WHO = "Who may ask"
_HOW_MUCH = "How much at once"


def serve(
    context: typer.Context,
    run: Annotated[
        list[str] | None,
        typer.Argument(
            help="Run names, run folders, or folders with numbered versions (NAME/VERSION/"
            "saved_model.pb). Default: the latest run.",
            autocompletion=completion.run_names,
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any that is free.")
    ] = 8501,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.")
    ] = False,
    reload_every: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, help="How often to look for a newer version; 0 for never."
        ),
    ] = 2.0,
    root: Annotated[Path, typer.Option(help="Where run folders are kept.")] = Path("saved_models"),
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; 0.0.0.0 for all that reach this machine, which needs a key.",
            rich_help_panel=_WHO,
        ),
    ] = "127.0.0.1",
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="TLEARN_API_KEY",
            show_envvar=True,
            metavar="KEY",
            help="What each request must bring; better given by the environment.",
            rich_help_panel=_WHO,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name by which a proxy calls this server. May be given several times.",
            rich_help_panel=_WHO,
        ),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Pages of this server may ask, such as https://example.org. May be given several "
            "times.",
            rich_help_panel=_WHO,
        ),
    ] = None,
    batch_size: Annotated[
        int,
        typer.Option(
            min=1, help="Photos that the model sees at once, at most.", rich_help_panel=_HOW_MUCH
        ),
    ] = 32,
    batch_delay: Annotated[
        float,
        typer.Option(
            metavar="MS",
            min=0,
            help="Milliseconds that a photo waits for others at most.",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = 5.0,
    queue: Annotated[
        int,
        typer.Option(
            min=1,
            help="Photos that may wait; more are refused with 429.",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = 256,
    max_body: Annotated[
        str, typer.Option(metavar="SIZE", help="Size of a request.", rich_help_panel=_HOW_MUCH)
    ] = "32MiB",
    max_pixels: Annotated[
        float,
        typer.Option(
            metavar="MILLIONS",
            min=0.001,
            help="Pixels of a photo, in millions.",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = 50.0,
    max_photos: Annotated[
        int, typer.Option(min=1, help="Photos in a request.", rich_help_panel=_HOW_MUCH)
    ] = 64,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.01,
            help="Until a request that has arrived is answered.",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = 30.0,
    receive_timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.01,
            help="In which a request must arrive.",
            rich_help_panel=_HOW_MUCH,
        ),
    ] = 30.0,
) -> None:
    """Serve runs to other programs, and on a page to try them."""
    from tlearn.memory import parse_size
    from tlearn.serving import finding, listening
    from tlearn.serving.settings import Settings

    listening.require_extra()
    settings = Settings(
        host=host,
        port=port,
        api_key=api_key,
        allowed_hosts=tuple(allow_host or ()),
        allowed_origins=tuple(allow_origin or ()),
        batch_size=batch_size,
        batch_delay=batch_delay / 1000,
        queue=queue,
        body_bytes=parse_size(max_body),
        photo_pixels=round(max_pixels * 1e6),
        photos=max_photos,
        timeout=timeout,
        receive_timeout=receive_timeout,
        reload_every=reload_every,
    ).check()
    sources = finding.find(run or [], root)
    # Before the seconds that TensorFlow takes to load.
    listener = listening.listen(settings)
    url = listening.address(listener)
    quieting.load_tensorflow_for(context)
    logging.getLogger("tlearn.serving").addHandler(_Telling())
    logging.getLogger("tlearn.serving").setLevel(logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it tells of every broken form
    from tlearn.serving import running

    def ready(models: tuple[Servable, ...]) -> None:
        console = display.stdout_console()
        for model in models:
            about = f"{model.name}, version {model.version}: {len(model.class_names)} classes"
            console.print(Text(display.cell(about)), soft_wrap=True)
        console.print(Text(f"Serving at {url}/ - stop with Ctrl-C", "bold"), soft_wrap=True)
        if open_page:
            # In a thread, since a browser in the terminal keeps whoever opens it waiting.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    running.serve(sources, settings, listener, ready)


class _Telling(logging.Handler):
    """Puts what the server has to say on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        display.stderr_console().print(display.one_line(record.getMessage()), soft_wrap=True)
