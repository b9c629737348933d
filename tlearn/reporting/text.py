"""A report for a console: headline, stages, classes, confusion, files left out, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tlearn.evaluation.intervals import wilson
from tlearn.reporting.doubts import doubtful
from tlearn.reporting.matrix import ConfusionMatrix
from tlearn.reporting.next_steps import next_steps
from tlearn.reporting.wording import count, decimal, duration, interval, percent, shown

if TYPE_CHECKING:
    import pandas as pd

    from tlearn.reporting import Report

__all__ = ["layout", "rendered"]

MOST_CLASSES = 50  # more are not listed one by one
MOST_ROWS = 10  # of confused pairs and of reasons for skipping
WORST = 3  # classes that are marked

_TITLES = {
    "accuracy": ("Accuracy", "{right:,} of {photos:,} {split} photos right"),
    "balanced_accuracy": ("Balanced accuracy", "mean recall of the classes"),
    "macro_f1": ("Macro F1", "mean F1 of the classes"),
}


def layout(report: Report) -> Group:
    """All parts of the report, one below the other."""
    parts = [_headline(report), _stages(report), _classes(report)]
    parts += [ConfusionMatrix(report.confusion), _pairs(report)]
    parts += [*doubtful(report.run), _skipped(report), *next_steps(report)]
    lines: list[RenderableType] = []
    for part in parts:
        lines += [part, Text()]
    return Group(*lines[:-1])


def rendered(report: Report, *, width: int = 80) -> str:
    """The report as plain text, `width` columns wide, without colour."""
    console = Console(width=width, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(layout(report))
    return "\n".join(line.rstrip() for line in capture.get().split("\n"))


def _headline(report: Report) -> RenderableType:
    info = report.run.info
    data = info["dataset"]
    told = f"{info['backbone']} trained on {data.get('name')} by {info['recipe']}: "
    told += f"{count(data.get('photos'))} photos of {count(data.get('classes'))} classes"
    parts = [f"{count(data.get(name))} {name}" for name in ("train", "validation", "test")]
    title = Text(shown(report.run.name), style="bold")
    lines: list[RenderableType] = [title, Text(shown(f"{told} ({', '.join(parts)})")), Text()]
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(justify="right", no_wrap=True, style="bold")
    facts.add_column(no_wrap=True)
    facts.add_column()
    photos = int(report.per_class["support"].sum())
    words = {"photos": photos, "split": report.split, "right": photos - _wrong(report)}
    for row in report.summary.itertuples():
        name, meaning = _TITLES[str(row.metric)]
        ends = f"{100 * row.low:.1f} to {100 * row.high:.1f}"
        facts.add_row(name, f"{100 * row.value:.1f} %", ends, meaning.format(**words))
    lines += [facts, Text(), Text(_gain(report))]
    lines += [Text(leak) for leak in _leaks(report)]
    if report.split != "test":
        lines.append(
            Text(
                "There is no test split. Validation photos chose the weights, so expect somewhat "
                "less on new photos."
            )
        )
    if not _wrong(report):
        low = float(wilson(photos, photos)[0])
        lines.append(
            Text(f"No mistake, but {photos:,} photos cannot prove more than {100 * low:.1f} %.")
        )
    skipped = f"{len(report.skipped):,} files were skipped; see below."
    lines.append(Text(skipped if len(report.skipped) else "No file was skipped."))
    lines += [Text(proof) for proof in _proof(report)]
    lines.append(Text("Ranges are 95 % intervals, by Wilson's formula."))
    return Group(*lines)


def _leaks(report: Report) -> list[str]:
    """What the accuracy would be without photos that can be known from another split."""
    found = report.run.info.get("leaks") or {}
    if not found.get("photos"):
        return []
    told = f"{count(found['photos'])} {report.split} photos can be known from another split"
    if found.get("accuracy") is None:
        return [f"{told}, which is all of them. Name them: --format csv --table leaks."]
    ends = f"{100 * found['low']:.1f} to {100 * found['high']:.1f}"
    return [
        f"{told}; without them accuracy is {100 * found['accuracy']:.1f} % ({ends}). "
        "Name them: --format csv --table leaks."
    ]


def _gain(report: Report) -> str:
    head = (report.run.info.get("validation") or {}).get("head")
    final = (report.run.info.get("validation") or {}).get("final")
    if len(report.stages) < 2 or head is None or final is None:
        return "Nothing was unfrozen: the head alone was trained."
    values = f"{100 * head:.1f} % to {100 * final:.1f} %"
    points = 100 * (final - head)
    kept = report.stages.loc[report.stages["kept"], "stage"]
    if list(kept) == [report.stages["stage"].iloc[0]]:
        return "Unfreezing gained nothing on validation: the frozen backbone's weights were kept."
    return f"Unfreezing took validation accuracy from {values} ({points:+.1f} points)."


def _proof(report: Report) -> list[str]:
    """What the run says of the check of its SavedModel, if it says anything."""
    export = report.run.info.get("export") or {}
    difference, photos = export.get("max_difference"), export.get("photos")
    if difference is None or photos is None:
        return []
    return [
        f"The SavedModel answered all {count(photos)} {report.split} photos as the model did; "
        f"largest difference of a probability {difference:.1g}."
    ]


def _stages(report: Report) -> RenderableType:
    table = _new_table()
    table.add_column("Stage", overflow="fold")
    for name in ("Epochs", "Rate", "Trained weights", "Accuracy", "Log loss", "Time"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in report.stages.itertuples():
        table.add_row(
            Text(shown(row.stage)),
            f"{row.epochs}",
            f"{row.learning_rate:.2g}",
            f"{row.trainable_parameters:,}",
            percent(row.validation_accuracy),
            decimal(row.validation_log_loss),
            duration(row.seconds),
            "kept" if row.kept else "",
        )
    return _titled("Stages of the training, measured on validation, accuracy in %", table)


def _classes(report: Report) -> RenderableType:
    rows, worst = report.per_class, _worst(report.per_class)
    title = f"Classes, on {report.split} photos, in %"
    if len(rows) > MOST_CLASSES:
        rows = rows.sort_values("recall", kind="stable").head(MOST_ROWS * 2)
        title += f": the {len(rows)} of {len(report.per_class):,} with the lowest recall"
    table = _new_table()
    table.add_column("Class", overflow="fold")
    table.add_column("Photos", justify="right")
    for name in ("Precision", "95 %", "Recall", "95 %", "F1"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, style="bold red")
    for index, row in zip(rows.index, rows.itertuples(), strict=True):
        table.add_row(
            Text(shown(rows.at[index, "class"])),
            f"{row.support:,}",
            percent(row.precision),
            interval(row.precision_low, row.precision_high),
            percent(row.recall),
            interval(row.recall_low, row.recall_high),
            percent(row.f1),
            "<" if index in worst else "",
        )
    notes = ["< lowest recall"] if worst else []
    if empty := int((report.per_class["support"] == 0).sum()):
        which = "1 class" if empty == 1 else f"{empty} classes"
        notes.append(f"- no {report.split} photo ({which}), out of the means")
    lines = ["; ".join(notes)] if notes else []
    if len(rows) < len(report.per_class):
        lines.append("All of them: --format csv --table per_class")
    return _titled(title, table, *(Text(line, style="dim") for line in lines))


def _pairs(report: Report) -> RenderableType:
    pairs = report.confused_pairs
    if pairs.empty:
        return Text(f"No {report.split} photo was taken for another class.")
    more = f" ({MOST_ROWS} of {len(pairs):,})" if len(pairs) > MOST_ROWS else ""
    table = _new_table()
    table.add_column("True class", overflow="fold")
    table.add_column("taken for", overflow="fold")
    table.add_column("Photos", justify="right")
    table.add_column("% of the class", justify="right")
    for row in pairs.head(MOST_ROWS).itertuples():
        names = Text(shown(row.true)), Text(shown(row.predicted))
        table.add_row(*names, f"{row.count:,}", percent(row.share))
    return _titled(f"Most confused{more}", table)


def _skipped(report: Report) -> RenderableType:
    if report.skipped.empty:
        return Text("Every file was read.")
    reasons = report.skipped.groupby("reason", sort=False)["path"].agg(["size", "first"])
    reasons = reasons.sort_values("size", ascending=False, kind="stable")
    table = _new_table()
    table.add_column("Files", justify="right")
    table.add_column("Reason", overflow="fold")
    table.add_column("Such as", overflow="fold")
    for reason, row in reasons.head(MOST_ROWS).iterrows():
        table.add_row(f"{row['size']:,}", Text(shown(reason)), Text(shown(row["first"])))
    how = Text("All of them: --format csv --table skipped", style="dim")
    return _titled(f"{len(report.skipped):,} files skipped", table, how)


def _new_table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)


def _titled(title: str, *parts: RenderableType) -> Group:
    return Group(Text(title, style="bold"), *parts)


def _worst(per_class: pd.DataFrame) -> set[object]:
    below = per_class[per_class["recall"] < per_class["recall"].max()]
    return set(below["recall"].nsmallest(min(WORST, len(per_class) // 2)).index)


def _wrong(report: Report) -> int:
    return int(report.confused_pairs["count"].sum())
