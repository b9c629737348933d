"""`tlearn report` and `tlearn runs`: what training gave."""

from __future__ import annotations

import webbrowser
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from tlearn.cli import completion, display, requiring
from tlearn.cli.display import ListFormat
from tlearn.cli.requiring import ConfidenceOption, RequireOption

if TYPE_CHECKING:
    from tlearn.comparing import Comparison
    from tlearn.reporting import Report

__all__ = ["REPORT_EXAMPLE", "RUNS_EXAMPLE", "ReportFormat", "report", "runs"]

REPORT_EXAMPLE = "tlearn report --format csv --table per_class > per_class.csv"
RUNS_EXAMPLE = "tlearn runs --format csv > runs.csv"


class ReportFormat(str, Enum):
    """How a report is written."""

    text = "text"
    csv = "csv"
    json = "json"
    markdown = "markdown"
    parquet = "parquet"


def report(
    run: Annotated[
        list[str] | None,
        typer.Argument(
            help="Run name or run folder; several with --compare. Default: the latest run.",
            autocompletion=completion.run_names,
        ),
    ] = None,
    form: Annotated[
        ReportFormat, typer.Option("--format", help="How to write it.")
    ] = ReportFormat.text,
    table: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only this table: summary, per_class, confusion, confused_pairs, stages, history, "
            "skipped, predictions, suspects, outliers, leaks or learning_curve. CSV and Parquet take one at a time; default: per_class. "
            "With --compare: differences, mcnemar, per_class or changes; default: differences.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="File to write to, or folder for one file per table. Default: the screen.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a page to look at, with photos and plots: one HTML file that needs no other.",
        ),
    ] = None,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page of --html in the browser.")
    ] = False,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare", help="Set the other runs against the first, on the same test photos."
        ),
    ] = False,
    intersect: Annotated[
        bool,
        typer.Option(
            "--intersect",
            help="With --compare: go on where test photos, classes or labels differ, with those "
            "that the runs share.",
        ),
    ] = False,
    require: RequireOption = None,
    with_confidence: ConfidenceOption = False,
    root: Annotated[Path, typer.Option(help="Where run folders are kept.")] = Path("saved_models"),
) -> None:
    """Say how good a run is: per class, with intervals, and what it confuses."""
    _check_options(run or [], compare, intersect, require or [], with_confidence)
    if open_page and html is None:
        raise typer.BadParameter("It opens the page that --html FILE writes.", param_hint="--open")
    if html is not None and compare:
        raise typer.BadParameter("It is of one run, without --compare.", param_hint="--html")
    found: Report | Comparison
    if compare:
        from tlearn import comparing

        found = comparing.compare(*(run or []), root=root, intersect=intersect)
    else:
        from tlearn import reporting

        found = reporting.report(run[0] if run else None, root=root)
        # Before the report, so that what cannot be asked for is said with nothing around it.
        checked = found.require(*(require or []), with_confidence=with_confidence)
        if html is not None:
            _show(found.page(html), open_page=open_page)
    if html is not None and form is ReportFormat.text and table is None and output is None:
        pass  # the page is what was asked for
    elif form is ReportFormat.text and table is None and output is None:
        display.stdout_console().print(found.text)
    else:
        written = found.write(form.value, output, table=table)
        if written is not None:
            display.stderr_console().print(f"Wrote {display.cell(written)}", soft_wrap=True)
    if require:
        requiring.conclude(checked)


def _check_options(
    run: list[str], compare: bool, intersect: bool, require: list[str], with_confidence: bool
) -> None:
    """Refuse options that mean nothing together."""
    if len(run) > 1 and not compare:
        raise typer.BadParameter("Several runs are for --compare; a report is of one.")
    if intersect and not compare:
        raise typer.BadParameter("--intersect is for --compare.")
    if require and compare:
        raise typer.BadParameter("--require is of one run, without --compare.")
    if with_confidence and not require:
        raise typer.BadParameter("--with-confidence is for --require.")


def _show(page: Path, *, open_page: bool) -> None:
    console = display.stderr_console()
    console.print(f"Wrote {display.cell(page)}", soft_wrap=True)
    if open_page and not webbrowser.open(page.absolute().as_uri()):
        console.print("No browser was found here; open the file yourself.")


def runs(
    root: Annotated[Path, typer.Option(help="Where run folders are kept.")] = Path("saved_models"),
    form: Annotated[ListFormat, typer.Option("--format", help="How to print.")] = ListFormat.text,
) -> None:
    """List the runs with their accuracy, the newest last."""
    from tlearn import runs as library

    found = library.table(root)
    if form is not ListFormat.text:
        display.write_frame(found, form)
        return
    if found.empty:
        display.stderr_console().print(
            f"There is no run in {display.cell(root)} yet. Make one with: "
            "tlearn finetune --dataset DIR",
            soft_wrap=True,
        )
        return
    rows = [_row(row) for row in found.to_dict("records")]
    columns = ("run", "trained on", "accuracy", "macro F1")
    display.stdout_console().print(display.table(columns, rows, numbers=2))


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    """A run in two lines; of one that is not finished only its name and its age are known."""
    created = "" if row["created"] != row["created"] else f"{row['created']:%Y-%m-%d %H:%M} UTC"
    name = Text(display.cell(row["name"]), style="bold")
    if row["state"] != "finished":
        state = Text(f"{row['state']}, {created}" if created else row["state"], style="yellow")
        return name, state
    data = f"{row['dataset']}: {row['photos']:,} photos, {row['classes']:,} classes"
    recipe = f"{row['recipe']} on {row['backbone']}"
    return (
        name.append(f"\n{created}", style="not bold"),
        Text(f"{display.cell(data)}\n{display.cell(recipe)}"),
        display.percent(row["accuracy"]),
        display.percent(row["macro_f1"]),
    )
