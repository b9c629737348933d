"""The figures equal scikit-learn's, also where classes have no photo or no prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import run_folders
from sklearn import metrics

from tlearn.errors import DatasetError
from tlearn.evaluation import evaluate, make_predictions, measured_split
from tlearn.evaluation.intervals import wilson


def table(true, predicted) -> pd.DataFrame:
    return pd.DataFrame({"label": list(true), "predicted": list(predicted)})


def drawn(classes: int, photos: int, *, seed: int = 0, skill: float = 0.7, names=None):
    names = names or [str(number) for number in range(classes)]
    generator = np.random.default_rng(seed)
    true = generator.integers(0, classes, photos)
    guess = generator.integers(0, classes, photos)
    predicted = np.where(generator.random(photos) < skill, true, guess)
    labels = np.asarray(names, dtype=object)
    return table(labels[true], labels[predicted]), names


CASES = {
    "every class present": drawn(7, 300),
    "two photos": (table(["a", "b"], ["b", "b"]), ["a", "b"]),
    "all right": (table(["a", "b", "b"], ["a", "b", "b"]), ["a", "b"]),
    "all wrong": (table(["a", "b", "b"], ["b", "a", "a"]), ["a", "b"]),
    "absent from the split, yet predicted": (
        table(["a", "a", "b", "b", "b"], ["a", "c", "b", "c", "a"]),
        ["a", "b", "c"],
    ),
    "absent from both": (table(["a", "a", "c"], ["a", "c", "c"]), ["a", "b", "c", "d"]),
    "never predicted": (table(["a", "b", "c", "c"], ["a", "a", "a", "c"]), ["a", "b", "c"]),
    "natural order, not alphabetic": drawn(12, 200, names=[str(number) for number in range(12)]),
    "labels that look like missing values": drawn(4, 80, names=["NA", "nan", "None", ""]),
}


@pytest.mark.parametrize("case", CASES)
def test_every_number_equals_scikit_learns(case):
    predictions, names = CASES[case]
    true, predicted = list(predictions["label"]), list(predictions["predicted"])
    found = evaluate(predictions, names)

    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        true, predicted, labels=names, zero_division=np.nan
    )
    rows = found.per_class
    assert list(rows["class"]) == names
    # Where a class was never predicted scikit-learn's precision is what zero_division says.
    np.testing.assert_allclose(rows["precision"], precision, rtol=1e-12)
    np.testing.assert_allclose(rows["recall"], recall, rtol=1e-12)
    np.testing.assert_allclose(rows["f1"], f1, rtol=1e-12)
    assert list(rows["support"]) == list(support)

    present = [name for name in names if name in true]
    expected = {
        "accuracy": metrics.accuracy_score(true, predicted),
        "balanced_accuracy": metrics.recall_score(
            true, predicted, labels=present, average="macro", zero_division=0
        ),
        "macro_f1": metrics.f1_score(
            true, predicted, labels=present, average="macro", zero_division=0
        ),
    }
    assert found.metrics == pytest.approx(expected, rel=1e-12)
    if set(predicted) <= set(true):  # otherwise scikit-learn warns before it gives the same
        assert found.metrics["balanced_accuracy"] == pytest.approx(
            metrics.balanced_accuracy_score(true, predicted), rel=1e-12
        )
    matrix = metrics.confusion_matrix(true, predicted, labels=names)
    assert (found.confusion.to_numpy() == matrix).all()
    assert list(found.confusion.index) == list(found.confusion.columns) == names


def test_balanced_accuracy_leaves_out_absent_classes_as_scikit_learn_does():
    predictions, names = CASES["absent from the split, yet predicted"]
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        expected = metrics.balanced_accuracy_score(predictions["label"], predictions["predicted"])
    assert evaluate(predictions, names).metrics["balanced_accuracy"] == pytest.approx(expected)


def test_a_class_without_photos_has_no_recall_rather_than_a_bad_one():
    predictions, names = CASES["absent from both"]
    rows = evaluate(predictions, names).per_class.set_index("class")
    columns = ["precision", "precision_low", "recall", "recall_low", "recall_high", "f1"]
    assert rows.loc["d", columns].isna().all()
    assert rows.loc["d", "support"] == 0


def test_wilson_intervals_stand_beside_precision_and_recall():
    predictions, names = drawn(5, 200)
    found = evaluate(predictions, names)
    hits = np.diag(found.confusion)
    low, high = wilson(hits, found.confusion.sum(axis=0))
    np.testing.assert_array_equal(found.per_class["precision_low"], low)
    np.testing.assert_array_equal(found.per_class["precision_high"], high)
    low, high = wilson(hits, found.confusion.sum(axis=1))
    np.testing.assert_array_equal(found.per_class["recall_low"], low)
    np.testing.assert_array_equal(found.per_class["recall_high"], high)


def test_the_bootstrap_equals_scikit_learns_figures_on_resampled_photos():
    predictions, names = drawn(4, 150, seed=2)
    true = predictions["label"].to_numpy(dtype=object)
    predicted = predictions["predicted"].to_numpy(dtype=object)
    generator = np.random.default_rng(5)
    figures = []
    for _ in range(600):
        rows = generator.integers(0, 150, 150)
        figures.append(
            (
                metrics.accuracy_score(true[rows], predicted[rows]),
                metrics.balanced_accuracy_score(true[rows], predicted[rows]),
                metrics.f1_score(true[rows], predicted[rows], average="macro"),
            )
        )
    expected = np.quantile(figures, [0.025, 0.975], axis=0)
    found = evaluate(predictions, names, resamples=4000).summary
    np.testing.assert_allclose(found["low"], expected[0], atol=0.015)
    np.testing.assert_allclose(found["high"], expected[1], atol=0.015)
    assert (found["low"] < found["value"]).all()
    assert (found["value"] < found["high"]).all()


def test_the_seed_decides_the_intervals():
    predictions, names = drawn(4, 150)
    first = evaluate(predictions, names, seed=1).summary
    pd.testing.assert_frame_equal(first, evaluate(predictions, names, seed=1).summary)
    assert not first.equals(evaluate(predictions, names, seed=2).summary)


def test_confused_pairs_are_counted_and_sorted():
    found = evaluate(table("aaaabbbbbbccc", "abbbbbbaccacc"), ["a", "b", "c"])
    expected = pd.DataFrame(
        [("a", "b", 3, 3 / 4), ("b", "c", 2, 2 / 6), ("c", "a", 1, 1 / 3), ("b", "a", 1, 1 / 6)],
        columns=["true", "predicted", "count", "share"],
    )
    pd.testing.assert_frame_equal(found.confused_pairs, expected, check_dtype=False)


def test_fifty_thousand_photos_of_a_thousand_classes():
    predictions, names = drawn(1000, 50_000)
    found = evaluate(predictions, names)
    true, predicted = predictions["label"], predictions["predicted"]
    assert found.metrics["accuracy"] == (true == predicted).mean()
    assert found.metrics["macro_f1"] == pytest.approx(
        metrics.f1_score(list(true), list(predicted), average="macro")
    )
    assert found.confusion.to_numpy().sum() == 50_000
    assert found.per_class["support"].sum() == 50_000
    accuracy = found.summary.set_index("metric").loc["accuracy"]
    error = 1.96 * np.sqrt(0.7 * 0.3 / 50_000)
    assert accuracy["high"] - accuracy["low"] == pytest.approx(2 * error, rel=0.1)


def test_no_prediction_at_all_is_a_clear_error():
    with pytest.raises(DatasetError, match="no photo to measure on.*0 rows"):
        evaluate(table([], []), ["a", "b"])


def test_a_label_that_is_no_class_is_named():
    with pytest.raises(ValueError, match=r"Every predicted must be.*'x'"):
        evaluate(table(["a"], ["x"]), ["a", "b"])


def test_class_names_must_differ():
    with pytest.raises(ValueError, match="differ from each other"):
        evaluate(table(["a"], ["a"]), ["a", "a"])


def test_predictions_put_probabilities_beside_the_truth():
    examples = run_folders.examples().iloc[[5, 80, 41]]
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5]])
    found = make_predictions(examples, probabilities, run_folders.CLASSES)
    assert list(found.columns) == [
        *("path", "split", "label", "predicted", "correct", "probability"),
        *("p[daisy]", "p[rose]", "p[tulip]"),
    ]
    assert list(found["label"]) == ["daisy", "tulip", "rose"]
    assert list(found["predicted"]) == ["daisy", "rose", "tulip"]
    assert list(found["correct"]) == [True, False, False]
    assert found["correct"].dtype == bool
    np.testing.assert_allclose(found["probability"], [0.7, 0.6, 0.5], rtol=1e-6)
    np.testing.assert_allclose(found.iloc[:, 6:].to_numpy(float), probabilities, rtol=1e-6)
    assert found["path"].tolist() == examples["path"].tolist()


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        ([[0.5, np.nan, 0.5]], "not finite numbers: the training has diverged"),
        ([[2.0, -3.1, 0.4]], "give the model's softmax, not its logits"),
        ([[1.5, -0.5, 0.0]], "give the model's softmax, not its logits"),
        ([[0.5, 0.5]], r"\(1, 3\).*shape \(1, 2\)"),
    ],
)
def test_what_is_no_probability_is_refused(probabilities, message):
    with pytest.raises(ValueError, match=message):
        make_predictions(
            run_folders.examples().head(1), np.array(probabilities), run_folders.CLASSES
        )


def test_no_held_out_photo_gives_an_empty_table():
    found = make_predictions(run_folders.examples().head(0), np.zeros((0, 3)), run_folders.CLASSES)
    assert len(found) == 0
    assert "p[rose]" in found


def test_the_test_split_is_measured_and_validation_only_without_one():
    predictions = run_folders.predictions()
    assert measured_split(predictions) == "test"
    assert measured_split(predictions.query("split == 'validation'")) == "validation"
