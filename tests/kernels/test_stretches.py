"""Stretches that sequences share, against the twin that compares them letter by letter."""

from __future__ import annotations

import builders
import naive
import numpy as np
import pytest

from premir.kernels.codes import UNKNOWN, encode, reverse_complement
from premir.kernels.pairing import pack
from premir.kernels.stretches import STRETCH, Stretches


def sequences(seed: int) -> list[np.ndarray]:
    """Random ones with copies of each other's pieces, simple repeats, unknown letters, ends."""
    rng = np.random.default_rng(seed)
    found = [encode(builders.random_sequence(rng, int(rng.integers(0, 90)))) for _ in range(30)]
    found += [encode("ACAC" * 20), encode("A" * 40), encode("ACGTTGCA" * 6), found[0][:0]]
    for size in (19, 20, 21, 40):
        piece = encode(builders.random_sequence(rng, size))
        for _ in range(2):
            left, right = (encode(builders.random_sequence(rng, 25)) for _ in range(2))
            found.append(np.concatenate([left, piece, right]))
    found.append(found[-1].copy())
    found[-1][40] = UNKNOWN
    return found


@pytest.mark.parametrize("fewest", [0, 5, 8])
def test_shared_stretches_are_those_of_the_twin(fewest):
    known, asked = sequences(1)[::2], sequences(1)[1::2]
    table = Stretches.of(*pack(known), fewest=fewest)
    expected = set().union(*(naive.stretches(each.tolist(), fewest, STRETCH) for each in known))
    assert table.keys.size == len(expected)
    codes, offsets = pack(asked)
    shared = table.shared_with(codes, offsets[:-1], offsets[1:])
    assert shared.tolist() == [
        bool(expected & naive.stretches(each.tolist(), 0, STRETCH)) for each in asked
    ]
    assert 0 < shared.sum() < shared.size


def test_a_stretch_is_of_one_strand_and_of_one_sequence():
    rng = np.random.default_rng(2)
    piece = encode(builders.random_sequence(rng, STRETCH))
    table = Stretches.of(piece, np.array([0, STRETCH]))
    whole = np.array([0]), np.array([STRETCH])
    assert table.shared_with(piece, *whole).all()
    assert not table.shared_with(reverse_complement(piece), *whole).any()
    assert not table.shared_with(piece, np.array([0, 10]), np.array([10, STRETCH])).any()
    assert not Stretches.of(piece, np.array([0, 10, STRETCH])).keys.size


def test_stretches_are_counted_wherever_they_stand():
    rng = np.random.default_rng(3)
    pieces = [encode(builders.random_sequence(rng, STRETCH)) for _ in range(3)]
    table = Stretches.of(*pack(pieces[:2]))
    codes = np.concatenate([pieces[n] for n in (0, 2, 0, 1, 0)])
    counts = np.ones(2, np.int64)
    table.count(codes, counts)
    assert sorted(counts.tolist()) == [2, 4]
    rare = table.take(counts == 2)
    place = np.array([0]), np.array([STRETCH])
    assert rare.shared_with(pieces[1], *place).all()
    assert not rare.shared_with(pieces[0], *place).any()
    assert Stretches.union([rare, table]).keys.tolist() == table.keys.tolist()
