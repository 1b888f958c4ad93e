"""What reads say of a hairpin: patterns on a fold, verdicts, likelihoods."""

from __future__ import annotations

import math

import numpy as np
import pytest

from premir.kernels.pairing import pair_table
from premir.scanner.report.evidence.reads.pattern import Pattern, Reads
from premir.scanner.report.evidence.reads.stacks import UNIT
from premir.scanner.report.evidence.reads.verdict import log_likelihood_ratio, verdict_of

ARM, LOOP = 30, 12
STEM = "(" * ARM + "." * LOOP + ")" * ARM
# Position i faces 71 - i. A mature at 2..23 has its star at 48 + 2 .. 71 - 2 + 2.
MATURE, STAR = (2, 24), (71 - 21, 71 - 2 + 3)
LONE = {"both_arms", "homogeneity", "overhangs", "apart"}
"""Rules that ask for two arms."""
IDEAL = [(*MATURE, 90), (*STAR, 10)]


def pattern(stacks, antisense=0.0, structure=STEM):
    start, end, count = np.array(stacks, float).reshape(-1, 3).T
    reads = Reads(start.astype(int), end.astype(int), np.rint(count * UNIT).astype(np.int64))
    places = len(stacks) + (antisense > 0)
    return Pattern(pair_table(structure), reads, round(antisense * UNIT), places)


def test_ideal_stacks_keep_every_rule():
    found = pattern(IDEAL)
    assert found.loop == (30, 42)
    assert found.dominant == 0
    assert found.expected == STAR
    assert (found.star, found.star_reads) == ("as_expected", 10 * UNIT)
    assert found.overhangs == (2, 2)
    assert found.apart == STAR[0] - MATURE[1] == 26
    assert (found.exact, found.near, found.in_loop) == (100 * UNIT, 0, 0)
    verdict = verdict_of(found)
    assert (verdict.name, verdict.failed) == ("supported", ())
    # The same with the arms' roles turned round.
    turned = pattern([(*MATURE, 10), (*STAR, 90)])
    assert (turned.dominant, turned.expected) == (1, MATURE)
    assert verdict_of(turned).name == "supported"


@pytest.mark.parametrize(
    "stacks, antisense, structure, failed, name",
    [
        ([(*MATURE, 6), (*STAR, 3.9)], 0, STEM, {"reads"}, "thin"),
        ([(*MATURE, 6), (*STAR, 3.9)], 0.2, STEM, {"reads"}, "partial"),
        ([(*MATURE, 98), (*STAR, 1.9)], 0, STEM, {"both_arms"}, "partial"),
        ([(*MATURE, 100)], 0, STEM, LONE, "one_arm"),
        (
            [(*MATURE, 32), (1, 24, 31), (3, 24, 30), (*STAR, 9)],
            0,
            STEM,
            {"homogeneity"},
            "partial",
        ),
        ([(*MATURE, 80), (STAR[0], STAR[1] + 3, 20)], 0, STEM + "...", {"overhangs"}, "weak"),
        ([(*MATURE, 60), (7, 29, 30), (*STAR, 10)], 0, STEM, {"precision"}, "partial"),
        (IDEAL, 25.1, STEM, {"antisense"}, "antisense"),
        (IDEAL, 25, STEM, set(), "supported"),
        (IDEAL, 401, STEM, {"antisense"}, "wrong_strand"),
        ([], 50, STEM, LONE | {"reads", "precision", "antisense", "paired"}, "wrong_strand"),
        ([(*MATURE, 70), (2, 20, 21), (*STAR, 9)], 0, STEM, {"size"}, "partial"),
        ([(8, 30, 90), (36, 58, 10)], 0, "(" * 30 + "...." + ")" * 30, {"apart"}, "partial"),
        ([(2, 24, 90), (50, 73, 10)], 0, "." * 74, LONE | {"precision", "paired"}, "against"),
    ],
)
def test_each_rule_can_fail(stacks, antisense, structure, failed, name):
    verdict = verdict_of(pattern(stacks, antisense, structure))
    assert verdict.name == name
    assert set(verdict.failed) == failed


def test_no_reads_say_nothing():
    verdict = verdict_of(pattern([]))
    assert (verdict.name, verdict.failed, verdict.llr) == ("none", (), 0)


def test_a_mature_that_pairs_with_its_own_arm_or_hardly_at_all_has_no_star():
    branched = "((((((" + "(((...)))" + "(" * 20 + "." * 12 + ")" * 26
    assert pattern([(3, 25, 50)], structure=branched).expected is None
    bare = "." * 12 + "(" * 18 + "." * 12 + ")" * 18 + "." * 12
    assert pattern([(2, 24, 50)], structure=bare).expected is None  # 12 of 22 pair
    assert pattern([(6, 28, 50)], structure=bare).expected == (46, 68)  # 16 of 22
    assert pattern([(2, 24, 50)], structure="." * 72).arms == (None, None)


def test_partners_of_unpaired_positions_are_reckoned_from_the_nearest_pair():
    bulged = "((((((..((((((((((((((((((((((" + "." * 12 + "))))))))))))))))))))))))))))"
    found = pattern([(2, 24, 5)], structure=bulged)
    assert [found.opposite(at) for at in (0, 5, 6, 7, 8, 29)] == [69, 64, 63, 64, 63, 42]
    assert pattern([(2, 24, 5)], structure="(" + "." * 20 + ")").opposite(9) is None


def test_the_log_likelihood_ratio_is_the_formula():
    found = pattern([(*MATURE, 60), (5, 27, 10), (26, 48, 6), (*STAR, 4)], 20)
    depth = min(math.log(101), math.log(51), 5)
    shares = {0.64: (0.80, 0.30), 0.10: (0.12, 0.10), 0.06: (0.06, 0.40), 0.20: (0.02, 0.20)}
    where = sum(share * math.log(one / other) for share, (one, other) in shares.items())
    expected = depth * (where + math.log(0.95 / 0.60)) + 3.9
    assert log_likelihood_ratio(found) == pytest.approx(expected)
    # One read of the star, and one elsewhere on its arm.
    exact, other = math.log(0.80 / 0.30), math.log(0.06 / 0.40)
    depth, size = min(math.log(101), math.log(21), 5), math.log(0.95 / 0.60)
    for star, where, value in [
        ((*STAR, 1), exact, 2.5),
        ((44, 66, 1), 0.99 * exact + 0.01 * other, -2.6),
    ]:
        found = pattern([(*MATURE, 99), star])
        assert log_likelihood_ratio(found) == pytest.approx(depth * (where + size) + value)
    # No star, and no place for one.
    depth = math.log(11)
    for structure, value in [(STEM, -1.3), ("." * 12 + "(" * 18 + STEM[30:60] + "." * 12, -4.3)]:
        found = pattern([(*MATURE, 99)], structure=structure)
        assert log_likelihood_ratio(found) == pytest.approx(depth * (exact + size) + value)
