"""The report says what the predictions say, at 80 columns, and in every form it is written in."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import run_folders
from rich.cells import cell_len
from rich.console import Console
from sklearn import metrics

from tlearn.errors import RunError
from tlearn.evaluation import make_predictions
from tlearn.reporting import Report, report

WEIRD = ("NA", "a,b", "[red]no markup[/red]", "two\nlines", "日本語 🌷", "| pipe", "\x1b[31mred")
ALL = ["summary", "per_class", "confusion", "confused_pairs", "stages", "history", "skipped"]


@pytest.fixture(scope="module")
def flowers(tmp_path_factory) -> Report:
    return report(run_folders.write_run(tmp_path_factory.mktemp("flowers"), photos=600, seed=3))


@pytest.fixture(scope="module")
def weird(tmp_path_factory) -> Report:
    root = tmp_path_factory.mktemp("weird")
    return report(run_folders.write_run(root, class_names=WEIRD, photos=700))


def widest(text: str) -> int:
    return max(cell_len(line) for line in text.splitlines())


# --- numbers ---------------------------------------------------------------------------------


def test_the_numbers_are_those_stored_and_those_of_scikit_learn(flowers):
    run = flowers.run
    pd.testing.assert_frame_equal(flowers.summary, run.summary, check_dtype=False)
    pd.testing.assert_frame_equal(flowers.per_class, run.per_class, check_dtype=False)
    pd.testing.assert_frame_equal(flowers.confused_pairs, run.confused_pairs, check_dtype=False)
    assert (flowers.confusion.to_numpy() == run.confusion.to_numpy()).all()
    test = run.predictions.query("split == 'test'")
    accuracy = metrics.accuracy_score(list(test["label"]), list(test["predicted"]))
    assert flowers.summary["value"][0] == accuracy == run.info["metrics"]["accuracy"]
    assert flowers.split == "test"


def test_the_report_follows_the_predictions_not_the_tables_beside_them(tmp_path):
    run = run_folders.write_run(tmp_path)
    run.summary.assign(value=1.0).to_csv(run.path / "summary.csv", index=False)
    assert report(run).summary["value"][0] < 1


def test_without_a_run_the_latest_is_reported(tmp_path):
    run_folders.write_run(tmp_path, name="old", changes={"created": "2024-01-01T00:00:00Z"})
    latest = run_folders.write_run(tmp_path, name="new")
    assert report(root=tmp_path).run == latest
    assert report("old", root=tmp_path).run.name == "old"


def test_without_a_test_split_validation_is_measured_and_said(tmp_path):
    table = run_folders.predictions().query("split == 'validation'")
    run = run_folders.write_run(tmp_path)
    table.to_parquet(run.path / "predictions.parquet", index=False)
    found = report(run)
    assert found.split == "validation"
    assert found.per_class["support"].sum() == len(table)
    assert "There is no test split." in str(found)


def test_predictions_that_do_not_fit_the_labels_are_a_damaged_run(tmp_path):
    run = run_folders.write_run(tmp_path)
    (run.path / "labels.txt").write_text("daisy\nrose\n")
    with pytest.raises(RunError, match="is damaged: .*'tulip'"):
        report(run)
    run_folders.predictions().head(0).to_parquet(run.path / "predictions.parquet", index=False)
    with pytest.raises(RunError, match="is damaged: There is no photo to measure on"):
        report(run)


# --- text ------------------------------------------------------------------------------------


def test_the_text_tells_the_story_in_80_columns(flowers):
    text = str(flowers)
    assert widest(text) <= 80
    row = flowers.summary.iloc[0]
    right = round(row["value"] * 90)
    ends = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
    assert f"{100 * row['value']:.1f} %  {ends}" in text
    assert f"{right} of 90 test photos right" in text
    assert "efficientnet_lite0 trained on flowers" in text
    assert "from 81.2 % to 93.8 % (+12.5 points)" in text
    assert "3 files were skipped" in text
    assert "2   empty file   /photos/rose/empty.jpg" in text
    for name, *_, support in flowers.per_class.itertuples(index=False):
        assert f"{name}" in text
        assert f" {support} " in text
    pair = flowers.confused_pairs.iloc[0]
    assert f"{pair['true']} " in text.split("Most confused")[1]
    assert "\x1b" not in text


def test_the_classes_found_least_often_are_marked(flowers):
    marked = [line.split()[0] for line in str(flowers).splitlines() if line.endswith(" <")]
    assert marked == [flowers.per_class.sort_values("recall")["class"].iloc[0]]


def test_the_confusion_matrix_is_drawn_with_its_counts(flowers):
    lines = str(flowers).split("Confusion: ")[1].splitlines()[2:5]
    counts = [line.split()[2:] for line in lines]
    drawn = [[0 if cell == "." else int(cell) for cell in row] for row in counts]
    assert drawn == flowers.confusion.to_numpy().tolist()


@pytest.mark.parametrize("classes", [20, 21, 60])
def test_many_classes_still_fit(tmp_path, classes):
    names = [f"a class with quite a long name, number {number}" for number in range(classes)]
    text = str(report(run_folders.write_run(tmp_path, class_names=names, photos=classes * 40)))
    assert widest(text) <= 80
    assert ("Confusion: a row per true class" in text) == (classes <= 20)
    assert ("--format csv --table confusion" in text) == (classes > 20)
    assert ("the 20 of 60 with the lowest recall" in text) == (classes == 60)


def test_a_narrow_console_is_told_where_to_get_the_matrix(tmp_path):
    names = [f"class {number}" for number in range(20)]
    found = report(run_folders.write_run(tmp_path, class_names=names, photos=800))
    console = Console(width=40, file=io.StringIO(), color_system=None)
    console.print(found.text)
    assert "Confusion: 20 classes are too wide" in console.file.getvalue()
    assert widest(console.file.getvalue()) <= 40


def test_class_names_cannot_dress_or_steer_the_console(weird):
    console = Console(width=80, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(weird.text)
    text = console.file.getvalue()
    assert "[red]no markup[/red]" in text
    assert "\\x1b[31mred" in text
    assert "\x1b[31mred" not in text
    assert "two\\nlines" in text
    assert widest(str(weird)) <= 80


def test_a_class_without_a_test_photo_is_shown_as_unknown(tmp_path):
    names = (*run_folders.CLASSES, "violet")
    examples = run_folders.examples().query("split != 'train'")
    generator = np.random.default_rng(0)
    table = make_predictions(examples, generator.dirichlet(np.ones(4), len(examples)), names)
    text = str(report(run_folders.write_run(tmp_path, class_names=names, table=table)))
    row = next(line for line in text.splitlines() if line.startswith("violet"))
    assert row.split()[1] == "0"
    assert " - " in row
    assert "no test photo (1 class), out of the means" in text


def test_no_mistake_is_not_called_certain(tmp_path):
    examples = run_folders.examples().query("split != 'train'")
    true = np.eye(3)[[run_folders.CLASSES.index(label) for label in examples["label"]]]
    table = make_predictions(examples, true, run_folders.CLASSES)
    text = str(report(run_folders.write_run(tmp_path, table=table)))
    assert "No mistake, but 18 photos cannot prove more than 82.4 %." in text
    assert "No test photo was taken for another class." in text
    assert " <" not in text


@pytest.mark.parametrize(
    ("kept", "rows", "words"),
    [
        ([True, False], 2, "Unfreezing gained nothing on validation"),
        ([True], 1, "Nothing was unfrozen: the head alone was trained."),
    ],
)
def test_what_the_unfreeze_gained_is_said_plainly(tmp_path, kept, rows, words):
    run = run_folders.write_run(tmp_path)
    stages = run_folders.stages().head(rows).assign(kept=kept)
    stages.to_csv(run.path / "stages.csv", index=False)
    assert words in str(report(run))


def test_the_check_of_the_saved_model_is_told(tmp_path):
    run = run_folders.write_run(
        tmp_path, changes={"export": {"max_difference": 3.2e-7, "photos": 18}}
    )
    assert "The SavedModel answered all 18 test photos as the model did;" in str(report(run))
    assert "largest difference of a probability 3e-07." in str(report(run)).replace("\n", " ")


# --- files -----------------------------------------------------------------------------------


def test_csv_goes_to_the_standard_output_one_table_at_a_time(weird, capsys):
    assert weird.write("csv") is None
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert [row["class"] for row in rows] == list(WEIRD)
    assert [float(row["recall"]) for row in rows] == list(weird.per_class["recall"])
    stream = io.StringIO()
    weird.write("csv", stream, table="confusion")
    rows = list(csv.reader(io.StringIO(stream.getvalue(), newline="")))
    assert rows[0] == ["true/predicted", *WEIRD]
    assert [list(map(int, row[1:])) for row in rows[1:]] == weird.confusion.to_numpy().tolist()


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_folder_gets_every_table(weird, tmp_path, form):
    folder = tmp_path / "deep" / "report"
    assert weird.write(form, folder) == folder
    assert {path.stem for path in folder.iterdir()} == {*ALL, "predictions"}
    if form == "parquet":
        read = pd.read_parquet(folder / "per_class.parquet")
        assert list(read["class"]) == list(WEIRD)
        predictions = pd.read_parquet(folder / "predictions.parquet")
        assert len(predictions) == len(weird.run.predictions)
    (folder / "mine.txt").write_text("kept")
    (folder / f"summary.{form}").write_text("old")
    weird.write(form, folder)
    assert (folder / "mine.txt").read_text() == "kept"
    assert (folder / f"summary.{form}").read_bytes() != b"old"
    assert [path.name for path in folder.parent.iterdir()] == ["report"]


def test_a_path_with_the_forms_ending_is_one_file(flowers, tmp_path):
    assert flowers.write("csv", tmp_path / "report.csv") == tmp_path / "report.csv"
    assert list(pd.read_csv(tmp_path / "report.csv")["class"]) == list(run_folders.CLASSES)
    flowers.write("parquet", tmp_path / "pairs.parquet", table="confused_pairs")
    pairs = pd.read_parquet(tmp_path / "pairs.parquet")
    assert list(pairs["count"]) == list(flowers.confused_pairs["count"])
    flowers.write("csv", tmp_path / "one", table="predictions")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["predictions.csv"]


def test_json_holds_everything_and_nothing_that_json_lacks(tmp_path):
    names = (*run_folders.CLASSES, "violet")
    examples = run_folders.examples().query("split != 'train'")
    certain = np.tile([0.0, 0.0, 1.0, 0.0], (len(examples), 1))
    table = make_predictions(examples, certain, names)
    found = report(run_folders.write_run(tmp_path, class_names=names, table=table))
    assert found.write("json", tmp_path) == tmp_path / "report.json"

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    document = json.loads(text, parse_constant=refuse)
    assert list(document) == ["run", "path", "split", *ALL, "advice"]
    assert document["run"]["name"] == found.run.name
    assert document["confusion"]["classes"] == list(names)
    assert document["confusion"]["counts"] == found.confusion.to_numpy().tolist()
    assert document["per_class"][3]["recall"] is None
    assert document["summary"][0]["value"] == found.summary["value"][0]
    assert document["stages"][1]["kept"] is True


def test_markdown_is_a_table_per_table_whatever_the_names(weird, capsys):
    weird.write("markdown")
    text = capsys.readouterr().out
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == len(ALL)
    for block in blocks:
        bars = [line.replace("\\|", "").count("|") for line in block]
        assert len(set(bars)) == 1
    assert "\\| pipe" in text
    assert "two lines" in text


def test_text_can_be_a_file_too(flowers, tmp_path):
    flowers.write("text", tmp_path / "report.txt")
    assert (tmp_path / "report.txt").read_text(encoding="utf-8") == str(flowers)


@pytest.mark.parametrize(
    ("form", "table", "message"),
    [
        ("html", None, "no report form 'html'; there are text, csv"),
        ("csv", "per-class", "no report table 'per-class'; there are summary, per_class"),
        ("parquet", None, "Parquet is no text"),
    ],
)
def test_what_cannot_be_written_is_said(flowers, form, table, message):
    with pytest.raises(RunError, match=message):
        flowers.write(form, table=table)


@pytest.mark.parametrize(("form", "output"), [("csv", "all"), ("json", "a.json"), ("parquet", "p")])
def test_a_full_disk_leaves_the_old_report_and_nothing_half_written(
    tmp_path, small_disk, form, output
):
    disk = small_disk(24)
    names = [f"class {number}" for number in range(100)]
    found = report(run_folders.write_run(tmp_path, class_names=names, photos=4000))
    (disk / "a.json").write_text("old")
    with pytest.raises(RunError, match="disk is full"):
        found.write(form, disk / output)
    assert [path.name for path in disk.iterdir()] == ["a.json"]
    assert (disk / "a.json").read_text() == "old"


# --- start -----------------------------------------------------------------------------------


def test_a_report_imports_neither_tensorflow_nor_scikit_learn(flowers):
    code = """
import sys
from tlearn.reporting import report
print(report(sys.argv[1]))
heavy = {"tensorflow", "keras", "sklearn", "scipy", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
"""
    command = [sys.executable, "-c", code, str(flowers.run.path)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Macro F1" in done.stdout
