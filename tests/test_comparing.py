"""Runs are compared on the same photos only, and luck is called luck."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
import run_folders
from scipy import stats
from typer.testing import CliRunner

import tlearn
from tlearn.cli import app
from tlearn.comparing import paired
from tlearn.errors import RunError
from tlearn.evaluation import evaluate, make_predictions

NAMES = run_folders.CLASSES


def answered(examples: pd.DataFrame, wrong: set[int], names=NAMES, seed: int = 0) -> pd.DataFrame:
    """Predictions that are right but for some rows of the photos held out."""
    held_out = examples[examples["split"] != "train"].reset_index(drop=True)
    true = np.array([names.index(label) for label in held_out["label"]])
    said = np.array([(one + (row in wrong)) % len(names) for row, one in enumerate(true)])
    values = np.full((len(said), len(names)), 0.1 / (len(names) - 1))
    values[np.arange(len(said)), said] = 0.9
    return make_predictions(held_out, values, names)


def rows_of(examples: pd.DataFrame, count: int) -> list[int]:
    """The rows of the first test photos among those held out."""
    held_out = examples[examples["split"] != "train"].reset_index(drop=True)
    return list(held_out.index[held_out["split"] == "test"][:count])


def pair(root, first: set[int], second: set[int], photos: int = 600, **second_options):
    examples = run_folders.examples(photos=photos)
    return (
        run_folders.write_run(root, name="a", photos=photos, table=answered(examples, first)),
        run_folders.write_run(
            root, name="b", photos=photos, table=answered(examples, second), **second_options
        ),
    )


# --- figures ---------------------------------------------------------------------------------


def test_the_figures_are_those_of_each_run_and_the_test_is_scipys(tmp_path):
    rows = rows_of(run_folders.examples(photos=600), 30)
    runs = pair(tmp_path, set(rows[:12]), set(rows[10:15]))
    found = tlearn.compare(*runs)
    for column, run in zip(("first", "second"), runs, strict=True):
        measured = run.predictions.query("split == 'test'")
        expected = evaluate(measured, NAMES).summary["value"]
        assert list(found.differences[column]) == pytest.approx(list(expected))
    test = found.mcnemar.iloc[0]
    assert (test["fixed"], test["broken"], test["both_wrong"], test["photos"]) == (10, 3, 2, 90)
    assert test["p"] == pytest.approx(stats.binomtest(10, 13).pvalue)
    row = found.differences.iloc[0]
    assert row["difference"] == pytest.approx(7 / 90)
    assert row["low"] < row["difference"] < row["high"]
    assert found.per_class[["fixed", "broken"]].to_numpy().sum() == 13
    assert list(found.changes["change"]) == ["broken"] * 3 + ["fixed"] * 10
    assert set(found.changes["path"]) <= set(runs[0].splits["path"])


def test_a_small_difference_is_called_noise_and_a_large_one_is_not(tmp_path):
    rows = rows_of(run_folders.examples(photos=600), 40)
    small = tlearn.compare(*pair(tmp_path / "small", set(rows[:8]), set(rows[2:9])))
    assert set(small.differences["verdict"]) == {"within noise"}
    assert "within noise" in str(small)
    assert "cannot tell which is better" in str(small).replace("\n", " ")
    large = tlearn.compare(*pair(tmp_path / "large", set(rows[:30]), set(rows[:5])))
    assert set(large.differences["verdict"]) == {"better"}
    assert "b is better in accuracy, by 27.8 points" in str(large)
    turned = tlearn.compare(*reversed(large.runs))
    assert set(turned.differences["verdict"]) == {"worse"}
    assert max(map(len, str(large).splitlines())) <= 80


def test_runs_that_are_right_on_the_same_photos_are_told_apart_by_none(tmp_path):
    found = tlearn.compare(*pair(tmp_path, {1}, {1}))
    assert found.changes.empty
    assert found.mcnemar["p"][0] == 1
    assert "No photo tells the two apart" in str(found)
    # 30 photos of a class without a change do not prove that there is no difference.
    assert (found.per_class["recall_low"] < -0.02).all()


def test_more_runs_are_set_against_the_first_with_holms_correction(tmp_path):
    rows = rows_of(run_folders.examples(photos=600), 40)
    first, second = pair(tmp_path, set(rows[:12]), set(rows[8:12]))
    third = run_folders.write_run(
        tmp_path,
        name="c",
        photos=600,
        table=answered(run_folders.examples(photos=600), set(rows[4:15])),
    )
    found = tlearn.compare(first, second, third)
    assert list(found.mcnemar["run"]) == ["b", "c"]
    assert set(found.mcnemar["against"]) == {"a"}
    assert list(found.mcnemar["p_holm"]) == pytest.approx(list(paired.holm(found.mcnemar["p"])))
    assert found.mcnemar["p_holm"][0] == pytest.approx(2 * found.mcnemar["p"][0])
    assert "Holm's method" in str(found)


def test_newcombes_interval_is_the_published_one():
    # R. G. Newcombe, Statistics in Medicine 17 (1998), 2635-2650, table II, method 10.
    low, high = paired.newcombe(both=36, broken=12, fixed=2, neither=0)
    assert (-float(high), -float(low)) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_holms_correction_never_lets_a_larger_p_pass_a_smaller_one():
    assert list(paired.holm([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert list(paired.holm([0.9])) == [0.9]


# --- which photos ----------------------------------------------------------------------------


def test_a_folder_that_has_moved_holds_the_same_photos(tmp_path):
    examples = run_folders.examples(photos=600)
    moved = examples.assign(path=["/elsewhere" + path for path in examples["path"]])
    moved = moved.sample(frac=1, random_state=0, ignore_index=True)
    first, _ = pair(tmp_path, {1}, set())
    second = run_folders.write_run(
        tmp_path, name="moved", photos=600, table=answered(moved, set()), splits=moved
    )
    found = tlearn.compare(first, second)
    assert found.photos == 90
    assert not found.notes
    assert found.mcnemar["both_right"][0] + found.mcnemar["fixed"][0] == 90


def other_split(examples: pd.DataFrame) -> pd.DataFrame:
    """The same photos, half of the test photos changed with training photos."""
    splits = examples["split"].copy()
    test, train = (examples.index[splits == name] for name in ("test", "train"))
    splits.loc[test[::2]] = "train"
    splits.loc[train[: len(test[::2])]] = "test"
    return examples.assign(split=splits)


def test_different_test_photos_are_refused_unless_the_common_ones_are_asked_for(tmp_path):
    examples = run_folders.examples(photos=600)
    other = other_split(examples)
    first, _ = pair(tmp_path, {1}, set())
    second = run_folders.write_run(
        tmp_path, name="other", photos=600, table=answered(other, set()), splits=other
    )
    with pytest.raises(RunError, match="on 90 photos and other on 90, of which 45 are the same"):
        tlearn.compare(first, second)
    found = tlearn.compare(first, second, intersect=True)
    assert found.photos == 45
    told = " ".join(found.notes)
    assert "45 photos are left that all were tested on, of 90 of a, 90 of other" in told
    assert "45 photos that a was tested on had a part in the training of other" in told
    assert "45 photos that other was tested on had a part in the training of a" in told


def test_photos_that_only_one_run_knows_by_their_likes_are_named(tmp_path):
    examples = run_folders.examples(photos=600)
    bundle = examples["digest"].copy()
    test, train = (examples.index[examples["split"] == name] for name in ("test", "train"))
    bundle.loc[train[:3]] = bundle.loc[test[:3]].to_numpy()  # show the same
    knows = examples.assign(bundle=bundle)
    # The other run kept these away from its training.
    without = knows.drop(index=train[:3]).reset_index(drop=True)
    first = run_folders.write_run(
        tmp_path, name="a", photos=600, table=answered(without, set()), splits=without
    )
    second = run_folders.write_run(
        tmp_path, name="b", photos=600, table=answered(knows, set()), splits=knows
    )
    (note,) = tlearn.compare(first, second).notes
    assert note.startswith("3 of the compared photos show the same as photos that b was trained on")


def test_photos_with_another_label_are_refused_and_left_out(tmp_path):
    examples = run_folders.examples(photos=600)
    mended = examples.copy()
    mended.loc[mended.index[mended["split"] == "test"][:4], "label"] = "tulip"
    first, _ = pair(tmp_path, {1}, set())
    second = run_folders.write_run(
        tmp_path, name="mended", photos=600, table=answered(mended, set()), splits=mended
    )
    with pytest.raises(RunError, match="4 of the same photos have another label in mended"):
        tlearn.compare(first, second)
    assert tlearn.compare(first, second, intersect=True).photos == 86


def test_different_classes_are_refused_and_their_photos_left_out(tmp_path):
    names = (*NAMES, "violet")
    examples = run_folders.examples(names, 800)
    fewer = examples[examples["label"] != "violet"].reset_index(drop=True)
    first = run_folders.write_run(
        tmp_path, name="a", table=answered(fewer, set()), splits=fewer, photos=600
    )
    second = run_folders.write_run(
        tmp_path,
        name="b",
        class_names=names,
        table=answered(examples, {40}, names),
        splits=examples,
        photos=800,
    )
    with pytest.raises(RunError, match="know different classes: a lacks 'violet'"):
        tlearn.compare(first, second)
    found = tlearn.compare(first, second, intersect=True)
    assert list(found.per_class["class"]) == list(NAMES)
    assert found.photos == 90


def test_a_test_split_is_not_set_beside_photos_that_chose_the_weights(tmp_path):
    first, second = pair(tmp_path, {1}, set())
    table = second.predictions.query("split == 'validation'")
    table.to_parquet(second.path / "predictions.parquet", index=False)
    with pytest.raises(RunError, match="on its test photos and b on its validation"):
        tlearn.compare(first.path, second.path)


def test_one_run_alone_or_twice_is_no_comparison(tmp_path):
    first, _ = pair(tmp_path, {1}, set())
    for given in ((first,), (first, first)):
        with pytest.raises(RunError, match="of two different runs or more"):
            tlearn.compare(*given)


# --- forms -----------------------------------------------------------------------------------


def call(root, *words):
    runner = CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1"})
    return runner.invoke(app, ["report", "--root", str(root), *words])


def test_the_command_compares_and_writes_every_form(tmp_path):
    pair(tmp_path / "runs", {1, 31, 32}, {2, 33})
    root = tmp_path / "runs"
    shown = call(root, "--compare", "a", "b")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("b against a\n")
    rows = list(
        csv.DictReader(io.StringIO(call(root, "--compare", "a", "b", "--format=csv").stdout))
    )
    assert [row["metric"] for row in rows] == ["accuracy", "balanced_accuracy", "macro_f1"]
    told = json.loads(call(root, "--compare", "a", "b", "--format", "json").stdout)
    assert (told["runs"], told["photos"]) == (["a", "b"], 90)
    assert [row["class"] for row in told["per_class"]] == list(NAMES)
    assert "# b against a" in call(root, "--compare", "a", "b", "--format", "markdown").stdout
    folder = tmp_path / "tables"
    call(root, "--compare", "a", "b", "--format", "parquet", "--output", str(folder))
    assert {path.stem for path in folder.iterdir()} == {
        "differences",
        "mcnemar",
        "per_class",
        "changes",
    }
    wrong = call(root, "--compare", "a", "b", "--table", "confusion")
    assert wrong.exit_code == 1
    assert "There is no comparison table 'confusion'" in wrong.stderr


def test_options_that_mean_nothing_together_are_refused(tmp_path):
    pair(tmp_path, {1}, {2})
    for words in (
        ["a", "b"],
        ["a", "--intersect"],
        ["--compare", "a", "b", "--require", "accuracy>=0.1"],
        ["a", "--with-confidence"],
    ):
        assert call(tmp_path, *words).exit_code == 2
