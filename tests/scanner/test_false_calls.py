"""False calls per Mb, as a card has them, and what a scan says of them."""

from __future__ import annotations

import numpy as np
import pytest

from premir.scanner.report.belief import Belief, expected
from premir.scanner.score.false_calls import FalseCalls

TABLE = {
    "log_odds": [0, 1, 2, 3],
    "all": [100, 10, 1, 0],
    "median": [90, 9, 0, 0],
    "lowest": [40, 4, 0, 0],
    "highest": [400, 40, 4, 0],
    "megabases": 50,
    "genomes": {"a": 30, "b": 20},
}


CURVE = FalseCalls.of(TABLE)


def told(min_prob: float, megabases: float, hits: int) -> Belief:
    found = expected(CURVE, min_prob, megabases, hits)
    assert found is not None
    return found


def test_rates_are_interpolated_in_their_logarithm():
    rates = CURVE.per_mb(np.array([-5, 0, 0.5, 1, 1.75, 2, 2.5, 3, 9.0]))
    fewest = 0.5 / 50
    assert rates == pytest.approx(
        [100, 100, 10**1.5, 10, 10**0.25, 1, np.sqrt(fewest), fewest, fewest]
    )
    assert CURVE.span(1.0) == pytest.approx((4, 40))


def test_no_more_hits_are_expected_to_be_false_than_there_are():
    prob = 1 / (1 + np.exp(-2.0))
    few, many = told(prob, 10, 1_000), told(prob, 10, 12)
    assert (few.lowest, few.highest) == (0, 40)
    assert (many.lowest, many.highest) == (0, 12)
    assert told(prob, 308.5, 5_000).as_json()["highest"] == 1_234
    assert few.as_json() == pytest.approx(
        {"per_mb_lowest": 0.01, "per_mb": 1, "per_mb_highest": 4, "lowest": 0, "highest": 40}
    )
    assert str(few) == (
        "in genomes that it never saw this model makes 0.01 to 4 false calls per Mb at this "
        "threshold: expect 0 to 40 of these hits to be false"
    )


def test_rates_are_said_with_two_digits():
    said = str(told(1 / (1 + np.exp(-0.5)), 10, 1_000))
    assert "makes 13 to 130 false calls per Mb" in said
    assert "expect 126 to 1000 of these hits" in said


@pytest.mark.parametrize("min_prob, rate", [(0, 100), (1, 0.01)])
def test_the_ends_of_probability_have_rates(min_prob, rate):
    assert told(min_prob, 1, 500).per_mb == pytest.approx(rate)


def test_nothing_is_expected_where_nothing_is_known():
    assert expected(None, 0.9, 10, 5) is None
    assert expected(CURVE, 0.9, 10, 0) is None


def test_rates_of_lifted_log_odds_are_those_of_random_evidence():
    """Background with evidence drawn as it is defined has as many calls as is said."""
    rng = np.random.default_rng(4)
    calls = -3 - np.log(rng.random(400_000)) / 0.6
    at = np.arange(-4.0, 14.1, 0.5)
    rates = np.array([(calls >= t).sum() / 1e3 for t in at])
    curve = FalseCalls(at, rates, rates / 2, rates * 2, fewest=0.0005)
    weight, hinge, lowest = 2.0, 1.0, -1.0
    evidence = weight * np.maximum(0, -np.log10(rng.random(calls.size)) - hinge)
    total = np.where(calls >= lowest, calls + evidence, calls)
    lifted = curve.lifted(weight, hinge, lowest)
    for t in (-3.0, -1.5, 0.0, 2.0, 4.0, 6.0):
        said, found = lifted.per_mb(np.array([t]))[0], (total >= t).sum() / 1e3
        assert said == pytest.approx(found, rel=0.03)
        assert lifted.span(t) == pytest.approx((said / 2, said * 2), rel=0.01)
    # It differs from the model's own where it counts, and what is not lifted stays.
    assert lifted.per_mb(np.array([4.0]))[0] > 1.05 * curve.per_mb(np.array([4.0]))[0]
    assert lifted.per_mb(np.array([-2.0]))[0] == pytest.approx(
        curve.per_mb(np.array([-2.0]))[0], rel=0.01
    )


def test_rates_of_lowered_log_odds_are_those_of_background_that_lost_them():
    rng = np.random.default_rng(4)
    calls = -3 - np.log(rng.random(400_000)) / 0.6
    at = np.arange(-4.0, 16.1, 0.5)
    rates = np.array([(calls >= t).sum() / 1e3 for t in at])
    curve = FalseCalls(at, rates, rates / 2, rates * 2, fewest=0.0005)
    penalties, share = np.array([0.0, 1.0, 4.0]), np.array([0.5, 0.2, 0.3])
    total = calls - rng.choice(penalties, calls.size, p=share)
    lowered = curve.lowered(penalties, share)
    for t in (-3.0, 0.0, 2.0, 4.0):
        said, found = lowered.per_mb(np.array([t]))[0], (total >= t).sum() / 1e3
        assert said == pytest.approx(found, rel=0.03)
        assert lowered.span(t) == pytest.approx((said / 2, said * 2), rel=0.01)
        assert said < 0.8 * curve.per_mb(np.array([t]))[0]
