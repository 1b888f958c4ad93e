from __future__ import annotations

import itertools
from collections import Counter

import builders
import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from premir.kernels.codes import UNKNOWN, decode, encode
from premir.kernels.shuffling import shuffle


def shuffled(letters: str, seed: int = 0) -> str:
    codes = encode(letters)
    draws = np.random.default_rng(seed).random(codes.size)
    return decode(shuffle(codes, np.array([0, codes.size]), draws))


def neighbours(letters: str) -> Counter[str]:
    return Counter(map("".join, itertools.pairwise(letters)))


def test_hand_case() -> None:
    # From A there is AA, AC and AC; the last step from A must lead on to C.
    codes = encode("AACACN")
    draws = np.array([0.0, 0.9, 0.0, 0.0, 0.0, 0.5])
    assert decode(shuffle(codes, np.array([0, 6]), draws)) == "ACAACN"


@pytest.mark.parametrize("letters", ["", "A", "N", "AC", "NAN", "ACG", "AAAA", "NNN", "ACACAC"])
def test_what_has_no_other_order_stays(letters: str) -> None:
    assert shuffled(letters) == letters


@pytest.mark.parametrize("gc", [0.1, 0.5, 0.9])
def test_neighbours_are_as_frequent_as_before(gc: float) -> None:
    letters = builders.random_sequence(np.random.default_rng(3), 10_000, gc).replace("T", "U")
    other = shuffled(letters)
    assert neighbours(other) == neighbours(letters)
    assert (other[0], other[-1]) == (letters[0], letters[-1])
    assert sum(a == b for a, b in zip(letters, other, strict=True)) < 9_000


def test_unknown_letters_and_what_borders_part_stay_in_place() -> None:
    rng = np.random.default_rng(5)
    letters = builders.random_sequence(rng, 500) + 30 * "N" + builders.random_sequence(rng, 470)
    codes = encode(letters)
    borders = np.array([0, 200, 200, 520, 1_000])
    other = shuffle(codes, borders, rng.random(codes.size))
    assert np.array_equal(other == UNKNOWN, codes == UNKNOWN)
    for edge in (0, 199, 200, 499, 530, 999):
        assert other[edge] == codes[edge]
    for start, end in ((0, 200), (200, 500), (530, 1_000)):
        assert neighbours(decode(other[start:end])) == neighbours(decode(codes[start:end]))
    assert Counter(itertools.pairwise(other)) == Counter(itertools.pairwise(codes))


def test_all_orders_are_equally_likely() -> None:
    letters = "ACGAACGUCA"
    walks = {
        "".join(("A", *inner, "A"))
        for inner in itertools.permutations("CGAACGUC")
        if neighbours("".join(("A", *inner, "A"))) == neighbours(letters)
    }
    repeats = 400 * len(walks)
    codes = np.tile(encode(letters), repeats)
    draws = np.random.default_rng(1).random(codes.size)
    text = decode(shuffle(codes, np.arange(0, codes.size + 1, len(letters)), draws))
    found = Counter(text[n : n + len(letters)] for n in range(0, len(text), len(letters)))
    assert set(found) == walks
    # Chi squared of len(walks) - 1 degrees of freedom: five standard deviations.
    spread = sum((found[each] - 400) ** 2 / 400 for each in walks)
    assert spread < len(walks) + 5 * (2 * len(walks)) ** 0.5


@given(st.lists(st.integers(0, 4), max_size=40), st.data())
def test_as_twin(letters: list[int], data: st.DataObject) -> None:
    inner = data.draw(st.lists(st.integers(0, len(letters)), max_size=3))
    borders = [0, *sorted(inner), len(letters)]
    draws = np.random.default_rng(data.draw(st.integers(0, 2**31))).random(len(letters)).tolist()
    other = shuffle(np.array(letters, np.uint8), np.array(borders), np.array(draws))
    assert other.tolist() == naive.shuffle(letters, borders, draws)


@given(st.sampled_from(["AC", "ACG", "ACGU"]), st.integers(0, 2**31), st.integers(1, 40))
def test_as_twin_of_few_kinds(alphabet: str, seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    codes = encode("".join(rng.choice(list(alphabet), size)))
    draws = rng.random(size)
    other = shuffle(codes, np.array([0, size]), draws)
    assert other.tolist() == naive.shuffle(codes.tolist(), [0, size], draws.tolist())
