"""`tlearn export`: a run for other runtimes, and proof that each file answers as the run does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from tlearn.cli import completion, display, quieting

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXAMPLE", "export"]

EXAMPLE = "tlearn export clothing --format litert,onnx --quantize none,int8"


def export(
    context: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="Run name or run folder. Default: the latest run.",
            autocompletion=completion.run_names,
        ),
    ] = None,
    formats: Annotated[
        str,
        typer.Option(
            "--format", metavar="NAMES", help="savedmodel, litert, onnx, openvino; by commas."
        ),
    ] = "savedmodel",
    quantize: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="none, float16, int8, dynamic; by commas, each format is made in each.",
        ),
    ] = "none",
    max_drop: Annotated[
        float,
        typer.Option(
            metavar="POINTS",
            min=0,
            max=100,
            help="Exit with 4, and keep nothing, if a file's accuracy on the test photos is lower "
            "by more percentage points.",
        ),
    ] = 1.0,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where NAME/VERSION/ goes. Default: RUN/exports."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What a server calls it. Default: the run's.")
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Only show what has been exported so far.")
    ] = False,
    root: Annotated[Path, typer.Option(help="Where run folders are kept.")] = Path("saved_models"),
) -> None:
    """Export a run to SavedModel, LiteRT, ONNX or OpenVINO, proven on its test photos."""
    from tlearn import runs
    from tlearn.formats import kinds, versions

    found = runs.load(run, root)
    place = found.exports_path if output is None else output
    if listing:
        _list(versions.listed(place), place)
        return
    names, quantizations = formats.split(","), quantize.split(",")
    # What can be wrong is told at once, and not after the seconds that TensorFlow takes to load.
    kinds.wanted([one.strip() for one in names], [one.strip() for one in quantizations])
    os.environ["KERAS_BACKEND"] = "tensorflow"  # a file of Keras's is the same for all of them
    quieting.load_tensorflow_for(context)
    from tlearn.cli.progress import watch
    from tlearn.formats.exporting import export_run

    done = export_run(
        found,
        formats,
        quantize=quantize,
        max_drop=max_drop,
        output=output,
        name=name,
        progress=watch(),
    )
    console = display.stdout_console()
    console.print(display.table(_HEADINGS, _rows(done.table), numbers=7))
    console.print(
        f"On {int(done.table['photos'].iloc[0]):,} test photos, one at a time on this machine; "
        "changed: other class than the run's.",
        style="dim",
    )
    if "openvino" in set(done.table["format"]):
        console.print(
            "OpenVINO: compile with EXECUTION_MODE_HINT=ACCURACY, as here; processors that have "
            "bfloat16 compute in it otherwise, and answer differently.",
            style="yellow",
        )
    console.print(Text(f"Wrote {display.cell(done.folder)}", style="bold green"), soft_wrap=True)


_HEADINGS = (
    "format",
    "quantized",
    "accuracy",
    "drop",
    "changed",
    "largest diff.",
    "size",
    "per photo",
    "memory",
)


def _rows(table: pd.DataFrame) -> list[tuple[object, ...]]:
    return [
        (
            row["format"],
            row["quantization"],
            display.percent(row["accuracy"]),
            f"{row['drop']:.1f}",
            f"{row['changed']:,}",
            f"{row['max_difference']:.1g}",
            f"{row['bytes'] / 1e6:.1f} MB",
            f"{row['milliseconds']:.1f} ms",
            f"{row['peak_memory'] / 1e6:.0f} MB",
        )
        for row in table.to_dict("records")
    ]


def _list(table: pd.DataFrame, place: Path) -> None:
    console = display.stdout_console()
    if table.empty:
        console.print(f"Nothing has been exported to {display.cell(place)} yet.", soft_wrap=True)
        return
    places = [
        f"{name}/{version}" for name, version in zip(table["name"], table["version"], strict=True)
    ]
    rows = [(at, *row) for at, row in zip(places, _rows(table), strict=True)]
    console.print(display.table(("version", *_HEADINGS), rows, numbers=7))
