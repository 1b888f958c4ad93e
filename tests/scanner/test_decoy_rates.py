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
TWICE = Inflation(np.array([0.0, 10.0]), np.array([2.0, 2.0]), spread=0.3, weight=4.0)


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


def test_decoys_and_card_disagree():
    calls = np.full(60, 5.5)
    # 60 calls in 20 Mb, twice as many in genomes, where the card says 1 per Mb.
    assert rates(calls).against_card(5.0) == pytest.approx(6)
    assert rates(calls[:30]).against_card(5.0) is None
    assert rates(calls[:2], megabases=100).against_card(5.0) == pytest.approx(0.04)
    assert rates([], megabases=1).against_card(5.0) is None
    assert rates([], megabases=1_000).against_card(5.0) < 0.01


table = st.lists(st.floats(0, 12), max_size=40)


@given(table, st.floats(0.01, 100), st.lists(st.floats(-1, 13), min_size=2, max_size=30))
def test_a_rate_never_rises_with_the_score(calls, megabases, scores):
    rising = Inflation(np.array([0.0, 6.0]), np.array([1.3, 5.0]), spread=0.3, weight=4.0)
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
    found = rates(np.full(60, 5.5))
    prob = 1 / (1 + np.exp(-5.0))
    said = by_decoys(found, prob, 65.0, np.array([0.1, 0.2, 0.5, *[1.0] * 400]))
    assert (said.hits, said.sure, said.highest) == (403, 2, 403)
    assert str(said) == (
        f"of 403 hits expect {said.lowest} to 403 to be false, by 20 Mb of decoys; 2 have q <= 0.2"
    )
    assert list(said.remarks()) == [
        "decoys of this genome have 6 times more false calls than the genomes that the model was "
        "judged on: it is unlike them"
    ]
    assert said.as_json()["times_card"] == 6
    few = by_decoys(rates([], megabases=1_000), prob, 0.001, np.empty(0))
    assert str(few).startswith("of 0 hits expect 0 to be false")
    (remark,) = few.remarks()
    assert "times fewer false calls" in remark
    assert list(by_decoys(rates([], 9), prob, 1, np.empty(0)).remarks()) == []
