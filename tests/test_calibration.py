"""Probabilities mean what they say, and who cannot know says so: the numbers, without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import run_folders
from sklearn.metrics import log_loss

from tlearn.calibration import (
    Limits,
    Scope,
    Target,
    calibrated,
    choose,
    coverage,
    fit,
    reliability,
    scope,
    scores,
    uncalibrated,
)
from tlearn.errors import RunError
from tlearn.prediction import thresholds


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def honest(photos: int, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is the truth, and labels drawn from it."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(photos, classes)) * 2
    draws = generator.random((photos, 1))
    return logits, (softmax(logits).cumsum(axis=1) < draws).sum(axis=1)


@pytest.mark.parametrize("too_sure", [0.5, 1.0, 2.0, 3.0])
def test_the_temperature_undoes_a_model_that_is_too_sure_or_too_unsure(too_sure: float) -> None:
    logits, labels = honest(5000)
    found = fit(logits * too_sure, labels)
    assert found.value == pytest.approx(too_sure, rel=0.07)
    assert not found.at_bound
    before, after = softmax(logits * too_sure), softmax(logits * too_sure / found.value)
    assert scores(after, labels)["nll"] <= scores(before, labels)["nll"] + 1e-5
    assert scores(after, labels)["ece"] < 0.03
    np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))


def test_probabilities_serve_as_well_as_logits() -> None:
    logits, labels = honest(500)
    by_probabilities = fit(np.log(softmax(3 * logits)), labels).value
    assert by_probabilities == pytest.approx(fit(3 * logits, labels).value, abs=1e-4)


def test_a_tiny_validation_split_moves_the_temperature_little() -> None:
    pulled = [fit(*honest(6, seed=seed)).value for seed in range(20)]
    alone = [fit(*honest(6, seed=seed), spread=np.inf).value for seed in range(20)]
    assert 0.4 < min(pulled) < max(pulled) < 2.5
    assert max(alone) > 4


def test_without_a_mistake_the_temperature_stays_within_bounds_and_that_is_said() -> None:
    logits, _ = honest(20)
    found = fit(logits, logits.argmax(axis=1))
    assert found.mistakes == 0
    assert 0.25 <= found.value < 1
    assert "without a mistake" in found.sentence


def test_one_class_and_no_photo_at_all_are_no_trouble() -> None:
    logits, _ = honest(30)
    assert 0.25 <= fit(logits, np.zeros(30, int)).value <= 10
    assert fit(np.zeros((0, 5)), np.zeros(0, int)).value == 1


def test_logits_that_are_far_apart_do_not_overflow() -> None:
    logits = np.array([[4e4, 0.0], [0.0, 4e4], [4e4, 0.0]])
    assert fit(logits, [0, 1, 1]).at_bound
    assert "end of what is allowed" in fit(logits, [0, 1, 1]).sentence


def test_uncalibrated_is_the_way_back() -> None:
    probabilities = softmax(honest(50)[0]).astype(np.float32)
    there = calibrated(probabilities, 1.7)
    assert there.dtype == np.float32
    np.testing.assert_allclose(uncalibrated(there, 1.7), probabilities, atol=1e-6)
    with pytest.raises(ValueError, match="above 0"):
        calibrated(probabilities, -1)


def test_ece_is_what_a_hand_computes() -> None:
    # Bins (0.6, 0.667] and (0.867, 0.933]: 0.5 right at 0.65, and 1 right at 0.9.
    probabilities = np.array([[0.65, 0.35], [0.35, 0.65], [0.9, 0.1], [0.1, 0.9]])
    found = scores(probabilities, [0, 0, 0, 1])
    assert found["ece"] == pytest.approx((2 * 0.15 + 2 * 0.1) / 4)
    assert found["brier"] == pytest.approx((2 * 0.35**2 + 2 * 0.65**2 + 4 * 0.1**2) / 4)
    assert found["nll"] == pytest.approx(log_loss([0, 0, 0, 1], probabilities))
    table = reliability([True, False, True, True], [0.65, 0.65, 0.9, 0.9])
    assert table["photos"].tolist() == [0] * 9 + [2, 0, 0, 0, 2, 0]
    assert table["accuracy"].dropna().tolist() == [0.5, 1.0]


def test_every_photo_is_in_one_bin_those_at_the_ends_too() -> None:
    table = reliability([True] * 4, [0.0, 1.0, 1 / 15, 0.5], bins=15)
    assert table["photos"].sum() == 4
    assert table["photos"].iloc[[0, -1]].tolist() == [2, 1]


def test_adaptive_bins_hold_equally_many_and_never_part_equals() -> None:
    logits, labels = honest(1500)
    found = scores(softmax(logits * 3), labels)
    sure = np.sort(softmax(logits * 3).max(axis=1))
    right = (logits.argmax(axis=1) == labels)[np.argsort(softmax(logits * 3).max(axis=1))]
    by_hand = np.mean(
        [
            abs(a.mean() - b.mean())
            for a, b in zip(sure.reshape(15, 100), right.reshape(15, 100), strict=True)
        ]
    )
    assert found["adaptive_ece"] == pytest.approx(by_hand)
    saturated = np.tile([1.0, 0.0], (60, 1))
    shuffled = np.random.default_rng(0).permutation([0] * 40 + [1] * 20)
    assert scores(saturated, shuffled)["adaptive_ece"] == pytest.approx(1 / 3)


def test_scores_of_nothing_are_nan_and_a_certain_mistake_is_finite() -> None:
    assert all(np.isnan(value) for value in scores(np.zeros((0, 3)), []).values())
    assert scores([[1.0, 0.0]], [1])["nll"] == pytest.approx(87.3, abs=0.1)
    with pytest.raises(ValueError, match=r"labels.shape=\(2,\)"):
        scores([[1.0, 0.0]], [1, 0])


def test_coverage_goes_from_the_surest_answer_to_all_of_them() -> None:
    table = coverage([True, True, False, True], [0.9, 0.8, 0.8, 0.5])
    assert table["threshold"].tolist() == [0.9, 0.8, 0.5]
    assert table["photos"].tolist() == [1, 3, 4]
    np.testing.assert_allclose(table["accuracy"], [1, 2 / 3, 3 / 4])
    assert (table["low"] <= table["accuracy"]).all()
    assert coverage([], []).empty


def sure_of(photos: int, mistakes_below: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    confidence = np.random.default_rng(seed).uniform(0.3, 1, photos)
    return confidence >= mistakes_below, confidence


def test_a_precision_is_reached_by_the_lower_end_of_its_interval() -> None:
    correct, confidence = sure_of(400, 0.5)
    found = choose(correct, confidence, Target("precision", 0.95))
    assert found.value is not None
    assert found.validation["precision_low"] >= 0.95
    assert found.validation["precision"] > 0.95
    # A little lower, and it is not shown any more.
    lower = choose(correct, confidence, Target("precision", 0.9))
    assert lower.value < found.value
    assert f"{found.value:.3f}" in found.sentence


def test_the_threshold_lies_between_two_photos() -> None:
    correct, confidence = sure_of(400, 0.5)
    found = choose(correct, confidence, Target("precision", 0.95)).value
    assert np.abs(confidence - found).min() > 0
    assert choose(correct, confidence, Target("coverage", 1)).value == 0


def test_a_precision_that_cannot_be_shown_is_not_replaced_by_another() -> None:
    few = choose(np.ones(50, bool), np.linspace(0.5, 1, 50), Target("precision", 0.95))
    assert few.value is None
    assert "takes 73 photos" in few.sentence
    assert "none is unsure" in few.sentence
    wrong = choose(np.zeros(500, bool), np.linspace(0.5, 1, 500), Target("precision", 0.95))
    assert wrong.value is None
    assert choose([], [], Target("precision", 0.5)).value is None
    assert choose(np.ones(73, bool), np.linspace(0.5, 1, 73), Target("precision", 0.95)).value == 0


def test_a_coverage_is_the_share_that_is_answered() -> None:
    correct, confidence = sure_of(400, 0.5)
    found = choose(correct, confidence, Target("coverage", 0.9))
    assert found.validation["answered"] == 360
    assert found.validation["coverage_low"] < 0.9 < found.validation["coverage_high"]


@pytest.mark.parametrize(
    ("precision", "share"), [(1.0, None), (0.0, None), (None, 0.0), (None, 1.1), (0.9, 0.9)]
)
def test_targets_that_mean_nothing_are_refused(precision: float, share: float) -> None:
    with pytest.raises(ValueError, match="Received"):
        Target.of(precision, share)


def test_the_default_is_a_precision_of_95_percent() -> None:
    assert Target.of(None, None) == Target("precision", 0.95)


def test_what_lies_far_from_all_training_photos_is_unlike() -> None:
    generator = np.random.default_rng(0)
    usual, strange = np.repeat([[3.0, 0.0], [0.0, 3.0]], 8, axis=1)
    train, validation = (generator.normal(usual, size=(count, 16)) for count in (300, 100))
    known = scope.Known.of(train)
    found = Scope(known, scope.limit(known.nearest(validation)))
    assert (found.distances(generator.normal(strange, size=(20, 16))) > 1).all()
    assert 0 < (found.distances(validation) > 1).sum() <= 5
    assert found.distances(train).max() < 0.05
    assert found.distances(np.zeros((0, 16))).shape == (0,)


def test_one_training_photo_and_dead_features_divide_by_nothing() -> None:
    alone = scope.Known.of(np.zeros((1, 4)))
    assert np.isfinite(alone.nearest(np.ones((2, 4)))).all()
    assert alone.nearest(np.zeros((1, 4))).tolist() == [0]


def test_of_new_photos_like_those_of_validation_at_most_the_share_is_flagged() -> None:
    flagged = []
    for seed in range(400):
        drawn = np.random.default_rng(seed).random(60)
        flagged.append((drawn[30:] > scope.limit(drawn[:30], share=0.1)).mean())
    assert np.mean(flagged) == pytest.approx(0.1, abs=0.015)


def test_a_handful_of_validation_photos_and_copies_still_give_a_limit() -> None:
    assert scope.limit([3.0, 1.0, 2.0]) == 3
    assert scope.limit([0.0, 0.0]) > 0
    with pytest.raises(ValueError, match="0 photos"):
        scope.limit([])


def test_rare_classes_are_among_the_photos_that_are_kept_to_compare_with() -> None:
    labels = np.array(["common"] * 5000 + ["rare"] * 20)
    rows = scope.pick(labels, 2048)
    assert len(rows) == 1024
    assert (labels[rows] == "rare").sum() == 20
    np.testing.assert_array_equal(rows, scope.pick(labels, 2048))
    assert len(scope.pick(labels[:50], 8)) == 50


def test_limits_reach_another_process_by_a_file(tmp_path: Path) -> None:
    known = scope.Known.of(np.random.default_rng(0).normal(size=(5, 4)))
    for given in (Limits(1.5, 0.8, Scope(known, 0.7)), Limits(threshold=0.5)):
        given.write(tmp_path / "limits.npz")
        read = Limits.read(tmp_path / "limits.npz")
        assert (read.temperature, read.threshold) == (given.temperature, given.threshold)
        assert (read.scope is None) == (given.scope is None)
    Limits(1.5, 0.8, Scope(known, 0.7)).write(tmp_path / "limits.npz")
    again = Limits.read(tmp_path / "limits.npz").scope
    asked = np.ones((2, 4))
    np.testing.assert_array_equal(again.distances(asked), Scope(known, 0.7).distances(asked))


def a_run(root: Path, skill: float) -> object:
    table = run_folders.predictions(photos=4000, skill=skill)
    return run_folders.write_run(root, photos=4000, table=table)


def test_a_finished_run_gives_another_threshold_without_training_again(tmp_path: Path) -> None:
    run = a_run(tmp_path, skill=2)
    low, high = (thresholds.of_run(run, Target("precision", wanted)) for wanted in (0.9, 0.95))
    assert low < high
    said = run.predictions.query("split == 'validation'")
    assert said.loc[said["probability"] >= high, "correct"].mean() > 0.95
    half = thresholds.of_run(run, Target("coverage", 0.5))
    assert (said["probability"] >= half).mean() == pytest.approx(0.5, abs=0.01)


def test_a_target_out_of_reach_is_an_error_where_nothing_is_lost_by_one(tmp_path: Path) -> None:
    run = a_run(tmp_path, skill=0)
    with pytest.raises(RunError, match=r"cannot be reached.*target_precision=0\.99"):
        thresholds.of_run(run, Target("precision", 0.99))
    with pytest.raises(RunError, match="bare SavedModel"):
        thresholds.of_run(Path("saved_model"), Target("precision", 0.9))


def test_the_run_folder_keeps_what_is_said_of_each_photo(tmp_path: Path) -> None:
    table = run_folders.predictions().assign(unsure=False, unlike=True, distance=np.float32(1.5))
    run = run_folders.write_run(tmp_path, table=table)
    pd.testing.assert_frame_equal(run.predictions, table)
