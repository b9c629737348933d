"""A run that is not good enough ends a pipeline, and says why."""

from __future__ import annotations

import numpy as np
import pytest
import run_folders
from sklearn import metrics
from typer.testing import CliRunner

from tlearn.cli import app
from tlearn.errors import RequirementError
from tlearn.evaluation import make_predictions
from tlearn.evaluation.intervals import f1_interval
from tlearn.reporting import Report, report

WEIRD = ("two words", "a[b]>=c", "日本語 🌷", "two\nlines")
CALIBRATION = {
    "temperature": 0.7,
    "photos": 90,
    "mistakes": 9,
    "at_bound": False,
    "before": {"ece": 0.05, "adaptive_ece": 0.05, "nll": 1.5, "brier": 0.3},
    "after": {"ece": 0.021, "adaptive_ece": 0.02, "nll": 1.4, "brier": 0.2},
}


@pytest.fixture(scope="module")
def flowers(tmp_path_factory) -> Report:
    root = tmp_path_factory.mktemp("flowers")
    return report(
        run_folders.write_run(root, photos=600, seed=3, changes={"calibration": CALIBRATION})
    )


def call(run: Report, *words: str):
    runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1"})
    return runner.invoke(app, ["report", str(run.run.path), *words])


def test_every_metric_can_be_required_and_is_the_reports(flowers):
    test = flowers.run.predictions.query("split == 'test'")
    for name, row in flowers.per_class.set_index("class").iterrows():
        for metric in ("precision", "recall", "f1"):
            (found,) = flowers.require(f"{metric}[{name}]>=0.5")
            assert found.value == row[metric]
            assert found.low < found.value < found.high
    (found,) = flowers.require("macro_f1 >= 0.5")
    assert found.value == pytest.approx(
        metrics.f1_score(list(test["label"]), list(test["predicted"]), average="macro")
    )
    assert [one.met for one in flowers.require("ece<0.03", "nll<=1.3", "brier>0.1")] == [
        True,
        False,
        True,
    ]


def test_a_run_that_is_good_enough_ends_with_0_and_others_with_2_and_all_that_failed(flowers):
    fine = call(flowers, "--require", "accuracy>=0.5", "--require", "recall[rose]>0.4")
    assert fine.exit_code == 0
    assert "accuracy>=0.5: met" in fine.stderr
    poor = call(
        flowers,
        *("--require", "accuracy>=0.99"),
        *("--require", "recall[rose]>=0.1"),
        *("--require", "f1[tulip]>=0.99"),
    )
    assert poor.exit_code == 2
    assert "accuracy>=0.99: not met" in poor.stderr
    assert "f1[tulip]>=0.99: not met" in poor.stderr
    assert "2 of 3 requirements not met." in poor.stderr
    assert poor.stdout.startswith("flowers-")  # the report is there all the same


def test_with_confidence_the_worse_end_of_the_interval_counts(flowers):
    row = flowers.summary.iloc[0]
    between = (row["low"] + row["value"]) / 2
    assert flowers.require(f"accuracy>={between}")[0].met
    sure = flowers.require(f"accuracy>={between}", with_confidence=True)[0]
    assert not sure.met
    assert sure.compared == row["low"]
    above = (row["high"] + row["value"]) / 2
    assert flowers.require(f"accuracy<={above}")[0].met
    assert flowers.require(f"accuracy<={above}", with_confidence=True)[0].compared == row["high"]
    with pytest.raises(RequirementError, match="ece has no interval"):
        flowers.require("ece<=0.1", with_confidence=True)


def test_few_photos_without_a_mistake_prove_little(tmp_path):
    examples = run_folders.examples().query("split != 'train'")
    true = np.eye(3)[[run_folders.CLASSES.index(label) for label in examples["label"]]]
    found = report(
        run_folders.write_run(tmp_path, table=make_predictions(examples, true, run_folders.CLASSES))
    )
    asked = ["accuracy>=0.95", "balanced_accuracy>=0.95", "macro_f1>=0.95"]
    asked += ["recall[rose]>=0.95", "precision[rose]>=0.95", "f1[rose]>=0.95"]
    assert all(one.met for one in found.require(*asked))
    assert not any(one.met for one in found.require(*asked, with_confidence=True))


def test_names_of_classes_may_hold_spaces_brackets_and_operators(tmp_path):
    found = report(run_folders.write_run(tmp_path, class_names=WEIRD, photos=400))
    for name in WEIRD:
        (one,) = found.require(f"recall[{name}] >= 0.1")
        assert one.class_name == name


def test_a_class_without_test_photos_meets_nothing(tmp_path):
    names = (*run_folders.CLASSES, "violet")
    examples = run_folders.examples().query("split != 'train'")
    generator = np.random.default_rng(0)
    table = make_predictions(examples, generator.dirichlet(np.ones(4), len(examples)), names)
    found = report(run_folders.write_run(tmp_path, class_names=names, table=table))
    for asked in ("recall[violet]>=0", "recall[violet]<=1"):
        (one,) = found.require(asked)
        assert not one.met
        assert "not known" in one.sentence


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("accuracy", "A requirement is a metric"),
        ("accuracy>=high", "A requirement is a metric"),
        ("accuracy>=nan", "A requirement is a metric"),
        ("accuracy=0.9", "A requirement is a metric"),
        ("__import__('os')>=1", "A requirement is a metric"),
        ("accuracy>=90", "a number from 0 to 1"),
        ("acuracy>=0.9", "no metric acuracy; there are accuracy, .*recall\\[CLASS\\]"),
        ("recall>=0.9", "no metric recall; there are accuracy"),
        ("accuracy[rose]>=0.9", "no metric accuracy\\[...\\]"),
        ("recall[dandelion]>=0.9", "no class 'dandelion'; its classes are 'daisy', 'rose'"),
    ],
)
def test_what_cannot_be_required_is_refused_with_what_can(flowers, asked, told):
    with pytest.raises(RequirementError, match=told):
        flowers.require(asked)
    result = call(flowers, "--require", asked)
    assert result.exit_code == 1
    assert result.stdout == ""


def test_a_run_without_calibration_cannot_be_asked_for_it(tmp_path):
    found = report(run_folders.write_run(tmp_path))
    with pytest.raises(RequirementError, match="says nothing of ece"):
        found.require("ece<=0.1")


def test_the_interval_of_f1_holds_the_true_f1_as_often_as_it_says():
    generator = np.random.default_rng(0)
    drawn = generator.multinomial(60, [0.2, 0.04, 0.06, 0.7], size=20_000)
    hits, involved = drawn[:, 0], drawn[:, :3].sum(axis=1)
    low, high = f1_interval(hits, involved)
    true = 2 * 0.2 / (2 * 0.2 + 0.04 + 0.06)
    assert ((low <= true) & (true <= high)).mean() == pytest.approx(0.95, abs=0.02)
