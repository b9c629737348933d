"""Intervals against published values and against the bootstrap of photos itself."""

from __future__ import annotations

import numpy as np
import pytest

from tlearn.evaluation.intervals import percentile, resample, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (8, 10, 0.4902, 0.9433),
        (10, 10, 0.7225, 1.0),
    ],
)
def test_wilson_gives_the_published_values(successes, trials, low, high):
    got = wilson(successes, trials)
    assert got[0] == pytest.approx(low, abs=5e-5)
    assert got[1] == pytest.approx(high, abs=5e-5)


def test_wilson_is_exact_at_the_ends_and_unknown_without_a_trial():
    low, high = wilson([0, 7, 0], [7, 7, 0])
    assert low[0] == 0
    assert high[1] == 1
    assert np.isnan(low[2])
    assert np.isnan(high[2])


def test_wilson_holds_the_true_proportion_as_often_as_it_says():
    generator = np.random.default_rng(0)
    low, high = wilson(generator.binomial(30, 0.85, size=20_000), np.full(20_000, 30))
    assert ((low <= 0.85) & (high >= 0.85)).mean() == pytest.approx(0.95, abs=0.02)


def test_a_wider_confidence_gives_a_wider_interval():
    assert wilson(8, 10, confidence=0.99)[0] < wilson(8, 10, confidence=0.9)[0]


def test_resampling_counts_is_resampling_photos():
    """Mean and spread of each cell equal those of drawing the photos one by one."""
    counts = np.array([40, 7, 3, 50])
    drawn = np.concatenate(list(resample(counts, resamples=20_000)))
    photos = np.repeat(np.arange(4), counts)
    generator = np.random.default_rng(1)
    one_by_one = np.stack(
        [np.bincount(photos[generator.integers(0, 100, 100)], minlength=4) for _ in range(20_000)]
    )
    assert (drawn.sum(axis=1) == 100).all()
    np.testing.assert_allclose(drawn.mean(axis=0), one_by_one.mean(axis=0), atol=0.2)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(one_by_one.T), atol=1.0)


def test_resampling_depends_on_the_seed_alone():
    counts = np.arange(1, 2001)
    first, again, other = (
        np.concatenate(list(resample(counts, resamples=1500, seed=seed))) for seed in (3, 3, 4)
    )
    assert first.shape == (1500, 2000)
    assert (first == again).all()
    assert (first != other).any()


def test_percentile_leaves_as_much_on_either_side():
    assert percentile(np.arange(1001) / 1000) == pytest.approx((0.025, 0.975))
