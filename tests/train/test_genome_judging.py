"""What families weigh when a genome network is judged and calibrated."""

from __future__ import annotations

import numpy as np
import pytest

from premir.train.genome.curves import false_calls, reliability
from premir.train.genome.judging import Curve, GenomeCalls, calibrate


def test_a_large_family_calibrates_no_more_than_its_weight():
    rng = np.random.default_rng(1)
    single, family, other = rng.normal(3, 1, 40), rng.normal(0, 1, 10), rng.normal(-1, 1, 400)

    def fit(known, weights):
        return calibrate(Curve(known, weights, other, np.sort(other)[::-1], 1.0))

    once = fit(np.concatenate([single, family]), np.ones(50))
    often = np.concatenate([single, np.repeat(family, 9)])
    weighed = fit(often, np.repeat([1.0, 1 / 9], [40, 90]))
    assert weighed == pytest.approx(once, rel=1e-3)
    assert fit(often, np.ones(130)) != pytest.approx(once, rel=0.1)


def test_hairpins_without_a_candidate_do_not_calibrate():
    rng = np.random.default_rng(2)
    known, other = rng.normal(1, 1, 30), np.sort(rng.normal(-1, 1, 300))[::-1]
    weights = np.linspace(0.1, 1, 30)
    fitted = calibrate(Curve(known, weights, other, other, 1.0))
    missed = np.concatenate([np.full(20, -np.inf), known])
    weights = np.concatenate([np.ones(20), weights])
    assert calibrate(Curve(missed, weights, other, other, 1.0)) == fitted


def test_a_large_family_is_found_no_more_than_its_weight():
    calls = np.arange(100.0)[::-1]
    # One family of three that is found at ten calls per Mb, two single hairpins that are not.
    known, weights = np.array([95.0, 95.0, 95.0, 50.0, 10.0]), np.array([1, 1, 1, 3, 3]) / 3
    summary = Curve(known, weights, calls, calls, 1.0).summary()
    assert summary["recall_at_10_per_mb"] == pytest.approx(1 / 3, abs=1e-4)
    assert summary["false_per_mb_at_recall_0.5"] == 50
    assert summary["false_per_mb_at_recall_0.7"] == 90


def test_a_curve_says_what_it_is_of():
    calls = np.arange(100.0)[::-1]
    curve = Curve(calls, np.ones(100), calls, calls, 61.2345, hairpins=50, families=7)
    told = curve.summary()
    assert (told["megabases"], told["hairpins"], told["families"]) == (61.234, 50, 7)


def test_false_calls_are_told_by_genome():
    genomes = (
        GenomeCalls("a", np.array([0.1, 0.6, 1.1, 1.6]), 2.0),
        GenomeCalls("b", np.array([0.6]), 1.0),
        GenomeCalls("c", np.array([0.6, 0.7, 1.2, 1.3]), 4.0),
        GenomeCalls("small", np.array([2.2]), 0.5),
    )
    calls = np.sort(np.concatenate([each.calls for each in genomes]))[::-1]
    curve = Curve(calls, np.ones(calls.size), calls, calls, 7.5, genomes=genomes)
    told = false_calls(curve, 2.0, -1.0)
    assert told["log_odds"][:5] == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert told["all"][0] == pytest.approx(10 / 7.5, abs=1e-3)
    assert told["log_odds"][-1] >= 2 * 2.2 - 1
    # At 0 (0.5 before calibration) 3 of a, 1 of b, 4 of c and that of the small one.
    assert [told[row][2] for row in ("all", "lowest", "median", "highest")] == [1.2, 1, 1, 1.5]
    # At 1 (1.0 before it) 2 of a, none of b, 2 of c.
    assert [told[row][4] for row in ("all", "lowest", "median", "highest")] == [
        pytest.approx(5 / 7.5, abs=1e-3), 0, 0.5, 1,
    ]  # fmt: skip
    assert told["all"][-1] == 0
    assert told["genomes"] == {"a": 2.0, "b": 1.0, "c": 4.0}


def test_a_probability_that_is_right_has_no_error():
    log_odds = np.log([0.2 / 0.8, 0.2 / 0.8, 0.8 / 0.2, 0.8 / 0.2])
    known, weights = np.append(log_odds, -np.inf), np.array([0.1, 0.1, 0.4, 0.4, 5.0])
    other = np.repeat(log_odds[[0, 2]], [80, 20])
    curve = Curve(known, weights, other, np.sort(other)[::-1], 1.0)
    told = reliability(curve, 1.0, 0.0)
    assert told["prob"] == pytest.approx([0.2, 0.8])
    assert told["share"] == pytest.approx([0.2, 0.8])
    assert told["weight"] == pytest.approx([0.5, 0.5])
    assert told["error"] == pytest.approx(0, abs=1e-4)
    sharper = reliability(curve, 3.0, 0.0)
    assert sharper["share"] == pytest.approx([0.2, 0.8])
    assert sharper["error"] == pytest.approx(0.2 - 1 / 65, abs=1e-3)
