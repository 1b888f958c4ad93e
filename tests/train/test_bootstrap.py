"""Weighted measures against the measures of samples that are really repeated."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from premir.train.bootstrap import (
    MEASURES,
    intervals,
    paired_intervals,
    resamples,
    weighted_measures,
)
from premir.train.judging import Scored
from premir.train.metrics import evaluate


def scored(seed, count=300, ties=False):
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < 0.2).astype(np.int64)
    probabilities = np.clip(rng.normal(0.3 + 0.4 * labels, 0.2), 0, 1)
    if ties:
        probabilities = np.round(probabilities, 1)
    return Scored(labels, probabilities, rng.random(count) < 0.1)


@pytest.mark.parametrize("ties", [False, True])
def test_weights_are_repetitions(ties):
    test = scored(0, ties=ties)
    weights = resamples(test.labels, count=20, seed=3)
    found = weighted_measures(test.labels, test.probabilities, weights)
    for row, times in zip(found, weights.astype(int), strict=True):
        labels, probabilities = (np.repeat(a, times) for a in (test.labels, test.probabilities))
        assert row == pytest.approx(astuple(evaluate(labels, probabilities)))


@pytest.mark.parametrize("level", [0.0, 0.49, 0.5, 1.0])
def test_nothing_or_everything_called(level):
    labels = np.array([1, 0, 0, 1])
    probabilities = np.full(4, level)
    found = weighted_measures(labels, probabilities, np.ones((1, 4)))
    assert found[0] == pytest.approx(astuple(evaluate(labels, probabilities)))


def test_resamples_keep_the_size_of_each_class():
    labels = scored(1).labels
    weights = resamples(labels, count=50, seed=0)
    for label in (0, 1):
        assert (weights[:, labels == label].sum(axis=1) == (labels == label).sum()).all()
    assert len({row.tobytes() for row in weights}) == 50


def test_intervals_hold_the_measures_and_shrink_with_more_data():
    widths = []
    for count in (200, 3200):
        tests = [scored(n, count) for n in range(2)]
        low, high = intervals([[each] for each in tests], clean=False, count=300)
        rows = [astuple(each.judgement().as_published) for each in tests]
        assert (low < np.mean(rows, axis=0)).all()
        assert (high > np.mean(rows, axis=0)).all()
        widths.append(high - low)
    assert (widths[1] < widths[0]).all()


def test_contaminated_samples_can_be_left_out():
    test = scored(4)
    wrong = Scored(
        test.labels, np.where(test.contaminated, 1 - test.labels, test.labels) * 1.0,
        test.contaminated,
    )  # fmt: skip
    low, high = intervals([[wrong]], clean=True, count=50)
    assert np.allclose([low, high], 1)
    low, _ = intervals([[wrong]], clean=False, count=50)
    assert (low < 1).all()
    assert len(low) == len(MEASURES)


def test_folds_are_resampled_each_by_itself():
    """The mean of five alike test sets varies by the root of five less than one of them."""
    fold = scored(0, 400)
    one, five = (intervals([[fold]] * n, clean=False) for n in (1, 5))
    ratio = (five[1] - five[0]) / (one[1] - one[0])
    assert ratio == pytest.approx(np.full(len(MEASURES), 5**-0.5), rel=0.12)


def test_seeds_of_one_test_set_are_resampled_together():
    fold = scored(0, 400)
    for one, three in zip(
        intervals([[fold]], clean=False), intervals([[fold] * 3], clean=False), strict=True
    ):
        assert one == pytest.approx(three)


def test_paired_intervals_are_of_the_same_resamples():
    """The difference from oneself is none; from a noisy twin it varies less than either does."""
    one, noise = scored(0, 400), np.random.default_rng(1).normal(0, 0.03, 400)
    assert np.abs(paired_intervals([([one, one], one)], clean=True)).max() < 1e-12
    twin = Scored(one.labels, np.clip(one.probabilities + noise, 0, 1), one.contaminated)
    (low, high), (alone_low, alone_high) = (
        paired_intervals([([twin], one)], clean=False),
        intervals([[twin]], clean=False),
    )
    assert (high - low < 0.7 * (alone_high - alone_low)).all()
    ours, theirs = (astuple(each.judgement().as_published) for each in (twin, one))
    difference = np.subtract(ours, theirs)
    assert ((low <= difference + 1e-9) & (difference - 1e-9 <= high)).all()
    cleaner = paired_intervals([([twin], one)], clean=True)
    assert not np.allclose(cleaner[0], low)


def test_paired_intervals_of_several_test_sets_are_of_their_mean():
    one, other = scored(0, 400), scored(1, 300)
    better = Scored(one.labels, one.labels.astype(float), one.contaminated)
    alone = np.array(paired_intervals([([better], one)], clean=False))
    low, high = paired_intervals([([better], one), ([other], other)], clean=False)
    np.testing.assert_allclose([low, high], alone / 2, atol=1e-12)
