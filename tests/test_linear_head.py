"""The head that is solved is the best head there is."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from tlearn.stages import linear_head


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order].astype("float16"), labels[order]
    return images[:1000], labels[:1000], images[1000:], labels[1000:]


def one_hot(labels: np.ndarray) -> np.ndarray:
    return np.eye(10, dtype="float32")[labels]


def test_it_is_as_good_as_scikit_learns_best(digits):
    train, labels, held_out, held_out_labels = digits
    found = linear_head.fit(train, one_hot(labels), held_out, held_out_labels)
    theirs = max(
        LogisticRegression(C=c, max_iter=3000)
        .fit(train.astype(float) / 6, labels)
        .score(held_out.astype(float) / 6, held_out_labels)
        for c in (0.01, 0.1, 1)
    )
    assert found.accuracy >= theirs - 0.01


def test_the_head_gives_the_scores_that_were_reported(digits):
    train, labels, held_out, held_out_labels = digits
    found = linear_head.fit(train, one_hot(labels), held_out, held_out_labels)
    scores = held_out.astype("float32") @ found.kernel + found.bias
    accuracy, log_loss = linear_head.score(scores, held_out_labels)
    assert accuracy == pytest.approx(found.accuracy, abs=1e-6)
    assert log_loss == pytest.approx(found.log_loss, abs=1e-3)


def test_more_features_than_photos(digits):
    train, labels, held_out, held_out_labels = digits
    few = linear_head.fit(train[:30], one_hot(labels[:30]), held_out, held_out_labels)
    assert few.accuracy > 0.6
    assert np.isfinite(few.kernel).all()


def test_features_that_say_nothing_give_the_classes_frequencies():
    random = np.random.default_rng(0)
    labels = random.choice(3, 600, p=(0.6, 0.3, 0.1))
    noise = random.normal(size=(600, 5))
    targets = np.eye(3, dtype="float32")[labels]
    found = linear_head.fit(noise[:400], targets[:400], noise[400:], labels[400:])
    answers = np.exp(noise[400:] @ found.kernel + found.bias)
    answers = (answers / answers.sum(axis=1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(answers, (0.6, 0.3, 0.1), atol=0.06)


def test_weights_count_a_photo_more(digits):
    train, labels, held_out, held_out_labels = digits
    is_eight = labels == 8
    weights = np.where(is_eight, 50.0, 1.0)
    plain = linear_head.fit(train, one_hot(labels), held_out, held_out_labels)
    heavy = linear_head.fit(train, one_hot(labels), held_out, held_out_labels, weights=weights)

    def eights(head: linear_head.LinearHead) -> int:
        scores = held_out.astype("float32") @ head.kernel + head.bias
        return int((scores.argmax(axis=1) == 8).sum())

    assert eights(heavy) > eights(plain)


def test_constant_features_do_no_harm():
    labels = np.array([0, 1] * 10)
    targets = np.eye(2, dtype="float32")[labels]
    found = linear_head.fit(np.ones((20, 4)), targets, np.ones((20, 4)), labels)
    assert np.isfinite(found.log_loss)


def test_features_that_are_not_finite_are_refused():
    values = np.full((4, 2), np.inf, np.float32)
    with pytest.raises(ValueError, match="not finite"):
        linear_head.fit(values, np.eye(2, dtype="float32")[[0, 1, 0, 1]], values, np.zeros(4, int))
