"""The nearest known hairpin: the kernel against a slow twin, and what a resemblance is."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premir.kernels.codes import encode
from premir.kernels.pairing import pack
from premir.kernels.similarity import BAND, NONE, SEED, KnownHairpins

SCORES = np.array([[0, -1, -2], [3, -3, -8], [5, -6, -9]], np.int32)
RNG = np.random.default_rng(5)
LET_7 = "UGGGAUGAGGUAGUAGGUUGUAUAGUUUUAGGGUCACACCCACCACUGGGAGAUAACUAUACAAUCUACUGUCUUUCCUA"
ARMS = ((5, 27), (56, 77))


def coded_as(letters):
    return encode(letters) if isinstance(letters, str) else np.array(letters, np.uint8)


def index(known, arms, classes=None):
    """An index of letters or codes, and the classes of their letters by hairpin."""
    coded = [coded_as(each) for each in known]
    codes, offsets = pack(coded)
    if classes is None:
        classes = [
            [int(any(start <= at < end for start, end in own)) for at in range(len(each))]
            for each, own in zip(known, arms, strict=True)
        ]
    places = [
        (n, offsets[n] + start, offsets[n] + end)
        for n, own in enumerate(arms)
        for start, end in own
    ]
    flat = np.array([kind for own in classes for kind in own], np.uint8)
    rows = np.array(places, np.int64).reshape(-1, 3)
    return KnownHairpins.of(codes, offsets, flat, rows), coded, classes


def nearest(hairpins, queries, *, fewest=0, penalties=None, scores=SCORES):
    """The kernel's answer for letters or codes."""
    coded = [
        encode(each) if isinstance(each, str) else np.array(each, np.uint8) for each in queries
    ]
    penalties = np.zeros(len(hairpins.offsets) - 1, np.int32) if penalties is None else penalties
    found, score = hairpins.nearest(
        *pack(coded), scores=scores, fewest=fewest, penalties=np.asarray(penalties, np.int32)
    )
    return found.tolist(), score.tolist()


def compare(known, arms, queries, *, fewest=0, penalties=None, classes=None):
    hairpins, coded, classes = index(known, arms, classes)
    penalties = penalties or [0] * len(known)
    found, score = nearest(hairpins, queries, fewest=fewest, penalties=penalties)
    for query, own, value in zip(queries, found, score, strict=True):
        letters = coded_as(query).tolist()
        expected, best = naive.nearest_known(
            letters, [each.tolist() for each in coded], arms, classes, SCORES.tolist(), fewest,
            penalties, SEED, BAND,
        )  # fmt: skip
        assert (own, value) == (NONE if expected is None else expected, best)
    return found, score


def mutated(letters, rng, exchanged, gaps):
    """A relative: letters exchanged, left out and put in."""
    out = []
    for letter in letters:
        if rng.random() < gaps:
            continue
        out.append(int(rng.integers(0, 4)) if rng.random() < exchanged else letter)
        if rng.random() < gaps:
            out.append(int(rng.integers(0, 4)))
    return out


@pytest.mark.parametrize("seed", range(6))
def test_relatives_and_strangers_as_the_naive_twin(seed):
    rng = np.random.default_rng(seed)
    known = [rng.integers(0, 4, rng.integers(40, 90)).tolist() for _ in range(4)]
    arms = [((2, 24), (len(each) - 22, len(each))) for each in known]
    classes = [rng.integers(0, 3, len(each)).tolist() for each in known]
    queries = [mutated(each, rng, 0.03 * n, 0.01 * n) for n, each in enumerate(known * 2)]
    queries += [rng.integers(0, 4, 60).tolist(), queries[0][10:], queries[1][:-30]]
    found, _ = compare(known, arms, queries, classes=classes)
    assert found[:2] == [0, 1]
    compare(known, arms, queries, fewest=30, penalties=[0, 5, 200, 1], classes=classes)


CODES = st.lists(st.integers(0, 4), min_size=0, max_size=40)


@settings(max_examples=60, deadline=None)
@given(known=st.lists(st.integers(0, 4), min_size=12, max_size=40), query=CODES, cut=st.integers())
def test_any_letters_as_the_naive_twin(known, query, cut):
    """Unknown letters, few letters, and a query that holds a piece of the known hairpin."""
    start = cut % (len(known) - SEED)
    arms = [((0, 12), (start, len(known)))]
    compare([known], arms, [query, known, query + known[start:] + query, known[: start + 9]])


def test_edges():
    hairpins, *_ = index([LET_7], [ARMS])
    assert nearest(hairpins, ["", "ACG", "A" * 80, "N" * 80]) == ([NONE] * 4, [0] * 4)
    empty, *_ = index([], [])
    assert nearest(empty, [LET_7]) == ([NONE], [0])
    # A mature that begins before the query, and one that ends behind it.
    compare([LET_7], [ARMS], [LET_7[6:], LET_7[:20], LET_7[6:14], "N" + LET_7[6:]])


def test_a_seed_may_differ_in_one_letter_and_not_in_two():
    arms = [(ARMS[0],)]
    hairpins, *_ = index([LET_7], arms)
    (whole,) = nearest(hairpins, [LET_7])[1]
    one = LET_7[:9] + "C" + LET_7[10:]
    two = LET_7[:9] + "CC" + LET_7[11:]
    assert LET_7[9] != "C" != LET_7[10]
    found, score = nearest(hairpins, [one, two])
    assert found == [0, NONE]
    assert score == [whole - SCORES[1, 0] + SCORES[1, 1], 0]


def test_of_equals_the_first_and_penalties_count():
    hairpins, *_ = index([LET_7, LET_7], [ARMS, ARMS])
    (score,) = nearest(hairpins, [LET_7])[1]
    assert nearest(hairpins, [LET_7]) == ([0], [score])
    assert nearest(hairpins, [LET_7], penalties=[1, 0]) == ([1], [score])
    assert nearest(hairpins, [LET_7], penalties=[3, 2]) == ([1], [score - 2])


def test_matures_that_hardly_agree_are_not_aligned():
    hairpins, *_ = index([LET_7], [ARMS])
    arm = sum(SCORES[1, 0] for _ in range(*ARMS[0]))
    assert nearest(hairpins, [LET_7[:30]], fewest=arm)[0] == [0]
    assert nearest(hairpins, [LET_7[:30]], fewest=arm + 1)[0] == [NONE]
