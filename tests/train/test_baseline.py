from __future__ import annotations

import builders
import numpy as np
import pytest

from premir.kernels.codes import encode
from premir.kernels.pairing import pair_table
from premir.scanner.find.hairpins import join
from premir.train.baseline import BOOSTINGS, EIGHT, all_numbers, eight_numbers, fit_baseline
from premir.train.dataset import Dataset


def test_eight_numbers_of_a_hairpin_done_by_hand():
    hairpins = join(
        [
            (encode("AGCCUUGGCAAA"), pair_table(".(((...)))..")[:12], -300),
            (encode("GGGAAACCC"), pair_table("(((...)))"), -150),
            (encode("AAAA"), pair_table("...."), 0),
        ]
    )
    expected = [
        [12, -3.0, -0.25, 0.5, 1, 2, 0, 0.5],
        [9, -1.5, -1.5 / 9, 6 / 9, 0, 0, 1, 6 / 9],
        [4, 0, 0, 0, 4, 4, 0, 0],
    ]
    assert len(EIGHT) == 8
    assert eight_numbers(hairpins) == pytest.approx(np.array(expected))
    assert all_numbers(hairpins)[:, :2].tolist() == [[12, -300], [9, -150], [4, 0]]


def longer(hairpins):
    return hairpins.lengths > 70


def rich_in_adenine(hairpins):
    return all_numbers(hairpins)[:, 30] > 250


@pytest.mark.parametrize("told, better", [(longer, ["eight", "all"]), (rich_in_adenine, ["all"])])
def test_baseline_learns_what_its_numbers_tell(told, better):
    rng = np.random.default_rng(0)

    def data():
        hairpins = builders.random_hairpins(rng, [*rng.integers(60, 80, 400)])
        return Dataset(hairpins, told(hairpins).astype(np.int64), (), {})

    training, test = data(), data()
    for numbers in BOOSTINGS:
        scores = fit_baseline(training, seed=0, numbers=numbers)(test.hairpins)
        again = fit_baseline(training, seed=0, numbers=numbers)(test.hairpins)
        assert np.array_equal(scores, again)
        right = ((scores > 0.5) == (test.labels == 1)).mean()
        assert (right > 0.95) == (numbers in better), (numbers, right)
