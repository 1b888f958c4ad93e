"""From calls in decoys to rates of false calls, q-values and what a scan says of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from premir.scanner.report.belief import by_decoys
from premir.scanner.score.decoy_rates import DecoyRates, q_values
from premir.scanner.score.false_calls import FalseCalls
from premir.scanner.score.inflation import NONE, Inflation

RATES = np.array([100.0, 0.01])
CURVE = FalseCalls(np.array([0.0, 10.0]), RATES, RATES, RATES, fewest=0.001)
SPREADS = {"own_factor": 2.0, "own_spread": 0.4, "calls_spread": 0.5, "spread": 0.3, "weight": 4.0}
TWICE = Inflation(np.array([0.0, 10.0]), np.array([2.0, 2.0]), **SPREADS)


def rates(calls, megabases=20.0, inflation=TWICE, curve=CURVE):
    return DecoyRates(np.sort(np.array(calls, float)), megabases, inflation, curve)


def test_hand_case():
    # Six of eight calls at 5 and above, where the card says 1 per Mb and twice those of decoys.
    found = rates([1, 2, 5, 6, 6, 7, 8, 9])
    assert found.per_mb(np.array([5.0])) == pytest.approx((6 + 4) / (20 / 2 + 4 / 1))
    rate, low, high = found.interval(5.0)
    factor = np.exp(1.645 * np.sqrt(1 / 10 + 0.09))
    assert (rate, low, high) == pytest.approx((10 / 14, 10 / 14 / factor, 10 / 14 * factor))


def test_few_decoys_leave_the_card_and_many_overrule_it():
    at = np.array([5.0])
    assert rates([], megabases=1e-6).per_mb(at) == pytest.approx(1, rel=1e-4)
    many = rates(np.full(40_000, 6.0), megabases=10_000)
    assert many.per_mb(at) == pytest.approx(8, rel=1e-3)


def test_without_a_card_decoys_count_as_the_genome_does():
    found = rates([1, 2, 3], megabases=2, inflation=NONE, curve=None)
    assert found.per_mb(np.array([0.0, 2.0, 9.0])) == pytest.approx([1.75, 1.25, 0.25])
    assert found.against_card(2.0) is None


def test_a_genome_and_the_card_disagree():
    calls = np.full(90, 5.5)
    # (90 + 4) / (10 + 4) and (40 + 4) / (10 + 4) per Mb, where the card says 1.
    assert rates(calls).against_card(5.0) == pytest.approx(94 / 14)
    assert rates(calls[:30]).against_card(5.0) is None
    assert rates(calls[:2], megabases=100).against_card(5.0) == pytest.approx(6 / 54)


def own_rates(calls, low, searched=10.0, curve=CURVE, inflation=TWICE):
    return DecoyRates.of_genome(
        np.sort(np.array(calls, float)),
        20.0,
        low=low,
        searched=searched,
        inflation=inflation,
        curve=curve,
    )


def test_low_scoring_calls_of_a_genome_tell_it_from_others():
    usual = float(CURVE.per_mb(np.array([0.0]))[0] - CURVE.per_mb(np.array([3.0]))[0])
    decoys = np.linspace(0, 2.9, round(usual * 20 / 2))
    # As many as the card and its decoys say: nothing moves.
    as_told = own_rates([*decoys, 5, 6], round(usual * 10))
    assert as_told.card == pytest.approx(1, abs=0.01)
    assert as_told.inflation.at(np.array([5.0])) == pytest.approx([2], abs=0.02)
    # Three times as many as in its decoys and as the card says, in numbers beyond chance.
    more = own_rates([*decoys, 5, 6], round(usual * 30))
    chance = 1 / (usual * 30)
    assert more.card == pytest.approx(3 ** (0.25 / (0.25 + chance)), rel=0.01)
    assert more.inflation.at(np.array([5.0])) == pytest.approx([6], rel=0.05)
    at = np.array([4.0])
    assert more.per_mb(at) == pytest.approx(3 * as_told.per_mb(at), rel=0.05)
    # Nothing is known of a genome without calls, and hardly anything of one with a few.
    small = own_rates([], 3, searched=0.01)
    assert 1 < small.card < 2


def test_a_rate_without_a_card_is_of_decoys_alone():
    found = own_rates([1, 2, 5], 1_000, curve=None, inflation=NONE)
    assert found.per_mb(np.array([2.0])) == pytest.approx(2.5 / 20)


table = st.lists(st.floats(0, 12), max_size=40)


@given(table, st.floats(0.01, 100), st.lists(st.floats(-1, 13), min_size=2, max_size=30))
def test_a_rate_never_rises_with_the_score(calls, megabases, scores):
    rising = Inflation(np.array([0.0, 6.0]), np.array([1.3, 5.0]), **SPREADS)
    found = rates(calls, megabases, rising)
    values = found.per_mb(np.sort(np.array(scores)))
    assert np.all(np.diff(values) <= 1e-9 * values[:-1])
    # A rate is that of the score, whatever else is asked for.
    assert values.tolist() == [found.per_mb(np.array([x]))[0] for x in sorted(scores)]


def naive_q(scores, found, megabases):
    def share(t):
        expected = float(found.per_mb(np.array([t]))[0]) * megabases
        return min(1.0, expected / sum(s >= t for s in scores))

    return [min(share(t) for t in scores if t <= s) for s in scores]


@given(st.lists(st.sampled_from([0.5, 1.0, 4.25, 7.0, 9.5, 11.0]), max_size=12), table)
def test_q_values_as_they_are_defined(scores, calls):
    found = rates(calls)
    values = q_values(np.array(scores), found, 3.0)
    assert values.tolist() == pytest.approx(naive_q(scores, found, 3.0))


def test_what_is_said():
    found = rates(np.full(90, 5.5))
    prob = 1 / (1 + np.exp(-5.0))
    said = by_decoys(found, prob, 65.0, np.array([0.1, 0.2, 0.5, *[1.0] * 400]))
    assert (said.hits, said.sure, said.highest) == (403, 2, 403)
    assert str(said) == (
        f"of 403 hits expect {said.lowest} to 403 to be false, by 20 Mb of decoys; 2 have q <= 0.2"
    )
    assert list(said.remarks()) == [
        "there are 6.7 times more false calls in this genome than in those that the model was "
        "judged on: it is unlike them"
    ]
    assert said.as_json()["times_card"] == 6.71
    few = by_decoys(rates([], megabases=1_000), prob, 0.001, np.empty(0))
    assert str(few).startswith("of 0 hits expect 0 to be false")
    (remark,) = few.remarks()
    assert "times fewer false calls" in remark
    assert list(by_decoys(rates([], 10), prob, 1, np.empty(0)).remarks()) == []
