"""False calls per Mb, as a card has them, and what a scan says of them."""

from __future__ import annotations

from typing import Any

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


class Model:
    """Of a model nothing counts here but its false calls."""

    def __init__(self, false_calls: FalseCalls | None) -> None:
        self.false_calls = false_calls


def told(min_prob: float, megabases: float, hits: int) -> Belief:
    model: Any = Model(CURVE)
    found = expected(model, min_prob, megabases, hits)
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
    unknown: Any = Model(None)
    known: Any = Model(CURVE)
    assert expected(unknown, 0.9, 10, 5) is None
    assert expected(None, 0.9, 10, 5) is None
    assert expected(known, 0.9, 10, 0) is None
