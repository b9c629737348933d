"""A report for a console: headline, stages, classes, confusion, files left out, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tlearn.reporting import sentences, sureness
from tlearn.reporting.console import new_table, plain_text
from tlearn.reporting.doubts import doubtful
from tlearn.reporting.matrix import ConfusionMatrix
from tlearn.reporting.next_steps import next_steps
from tlearn.reporting.wording import decimal, duration, interval, percent, shown

if TYPE_CHECKING:
    import pandas as pd

    from tlearn.reporting import Report

__all__ = ["layout", "rendered"]

MOST_CLASSES = 50  # more are not listed one by one
MOST_ROWS = 10  # of confused pairs and of reasons for skipping
WORST = 3  # classes that are marked


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
    return plain_text(layout(report), width=width)


def _headline(report: Report) -> RenderableType:
    title = Text(shown(report.run.name), style="bold")
    lines: list[RenderableType] = [title, Text(shown(sentences.headline(report))), Text()]
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(justify="right", no_wrap=True, style="bold")
    facts.add_column(no_wrap=True)
    facts.add_column()
    photos = int(report.per_class["support"].sum())
    words = {"photos": photos, "split": report.split, "right": photos - sentences.wrong(report)}
    for row in report.summary.itertuples():
        name, meaning = sentences.TITLES[str(row.metric)]
        ends = f"{100 * row.low:.1f} to {100 * row.high:.1f}"
        facts.add_row(name, f"{100 * row.value:.1f} %", ends, meaning.format(**words))
    lines += [facts, Text(), Text(sentences.gain(report))]
    lines += [Text(leak) for leak in sentences.leaks(report)]
    info = report.run.info
    sure = sureness.calibration(info, report.split), sureness.threshold(info), sureness.scope(info)
    lines += [Text(sentence) for sentence in sure if sentence]
    lines += [Text(caveat) for caveat in sentences.caveats(report)]
    skipped = f"{len(report.skipped):,} files were skipped; see below."
    lines.append(Text(skipped if len(report.skipped) else "No file was skipped."))
    lines += [Text(proof) for proof in sentences.proof(report)]
    lines.append(Text("Ranges are 95 % intervals, by Wilson's formula."))
    return Group(*lines)


def _stages(report: Report) -> RenderableType:
    table = new_table()
    table.add_column("Stage", overflow="fold")
    for name in ("Epochs", "Rate", "Trained weights", "Accuracy", "Log loss", "Time"):
        table.add_column(name, justify="right")
    table.add_column("")
    for row in report.stages.itertuples():
        table.add_row(
            Text(shown(row.stage)),
            f"{row.epochs}",
            "-" if row.learning_rate != row.learning_rate else f"{row.learning_rate:.2g}",
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
    table = new_table()
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
    table = new_table()
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
    table = new_table()
    table.add_column("Files", justify="right")
    table.add_column("Reason", overflow="fold")
    table.add_column("Such as", overflow="fold")
    for reason, row in reasons.head(MOST_ROWS).iterrows():
        table.add_row(f"{row['size']:,}", Text(shown(reason)), Text(shown(row["first"])))
    how = Text("All of them: --format csv --table skipped", style="dim")
    return _titled(f"{len(report.skipped):,} files skipped", table, how)


def _titled(title: str, *parts: RenderableType) -> Group:
    return Group(Text(title, style="bold"), *parts)


def _worst(per_class: pd.DataFrame) -> set[object]:
    below = per_class[per_class["recall"] < per_class["recall"].max()]
    return set(below["recall"].nsmallest(min(WORST, len(per_class) // 2)).index)
