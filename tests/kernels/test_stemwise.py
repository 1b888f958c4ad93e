from __future__ import annotations

import itertools

import builders
import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premir.kernels.codes import decode, encode
from premir.kernels.energies import current_parameters
from premir.kernels.mfe import fold_batch
from premir.kernels.pairing import pack
from premir.kernels.stemwise import (
    COLUMN_FIELDS,
    NUMBERS,
    count_columns,
    fill_columns,
    numbers_of,
)

BRANCHED = "GGGAGGGACCGCAAAGCGGAGGAUGCAAAGCAUCCAGGGGAAACCCCAUCCCAAUCCC"
"""Folds into a stem that holds two side arms."""


def filled(codes, pairs, offsets):
    """Columns of each hairpin, and a row of zeros behind each: (fields, count + 1) arrays."""
    counts = count_columns(pairs, offsets)
    starts = np.concatenate([[0], np.cumsum(counts + 1)])
    rows = np.zeros((starts[-1], len(COLUMN_FIELDS)), np.float32)
    fill_columns(codes, pairs, offsets, starts[:-1], rows)
    return [rows[a:b].T for a, b in itertools.pairwise(starts)]


def described(sequences):
    """Columns and numbers by the kernel and by its naive twin, each by name."""
    codes, offsets = pack([encode(text) for text in sequences])
    pairs, mfe = fold_batch(codes, offsets, current_parameters())
    counts = count_columns(pairs, offsets)
    columns = filled(codes, pairs, offsets)
    numbers = numbers_of(codes, pairs, mfe, offsets)
    names = [name for name, _ in NUMBERS]
    for n, (a, b) in enumerate(itertools.pairwise(offsets)):
        text, own = decode(codes[a:b]), pairs[a:b].tolist()
        naive_columns = naive.stem_columns(text, own)
        expected = np.zeros_like(columns[n])
        for number, column in enumerate(naive_columns):
            for field, value in column.items():
                expected[COLUMN_FIELDS.index(field), number] = value
        naive_numbers = naive.fold_numbers(text, own, int(mfe[n]))
        assert set(naive_numbers) <= set(names)
        yield (
            (counts[n], columns[n], dict(zip(names, numbers[n].tolist(), strict=True))),
            (len(naive_columns), expected, {name: naive_numbers.get(name, 0) for name in names}),
        )


def assert_alike(sequences):
    for found, expected in described(sequences):
        assert found[0] == expected[0]
        np.testing.assert_array_equal(found[1], expected[1])
        assert found[2] == expected[2]


@given(seed=st.integers(0, 10_000), unknown=st.sampled_from([0, 0.05, 0.5]))
@settings(max_examples=40, deadline=None)
def test_columns_and_numbers_equal_the_naive_ones(seed, unknown):
    rng = np.random.default_rng(seed)
    sequences = [builders.random_sequence(rng, int(size)) for size in rng.integers(1, 200, 4)]
    sequences += [
        builders.random_sequence(rng, int(rng.integers(0, 25)))
        + builders.hairpin(rng, stem=int(rng.integers(3, 40)))
        + builders.random_sequence(rng, int(rng.integers(0, 25)))
        for _ in range(4)
    ]
    assert_alike([builders.with_unknown(rng, text, unknown) for text in sequences])


@pytest.mark.parametrize(
    "sequence",
    [
        "N",
        "NNNNNNNN",
        "GGGGNANACCCC",
        "A",
        "ACGU",
        "A" * 50,
        "GGGGAAAACCCC",
        "GGGGAAACCCC",
        "UGUGUGUGUGUGUGUGUGUGUGUGU",
        BRANCHED,
    ],
)
def test_odd_folds_are_described(sequence):
    assert_alike([sequence])


def test_a_stem_goes_on_beyond_side_arms():
    ((_, columns, numbers), _expected), = described([BRANCHED])  # fmt: skip
    assert numbers["branched letters inside the stem"] > 0
    assert columns[COLUMN_FIELDS.index("left branched")].any()


def test_every_letter_stands_in_one_column():
    ((count, columns, _), _expected), = described([BRANCHED])  # fmt: skip
    shown = [
        letter
        for side in ("left", "right")
        for letter in "ACGU"
        for _ in range(int(columns[COLUMN_FIELDS.index(f"{side} {letter}"), :count].sum()))
    ]
    assert sorted(shown) == sorted(BRANCHED)


def test_unknown_letters_are_zero_in_all_one_hots():
    sequence = "GGGGAGAANAAUUCCCCC"
    codes, offsets = pack([encode(sequence)])
    pairs = np.full(codes.size, -1, np.int16)
    pairs[:4], pairs[-4:] = np.arange(17, 13, -1), np.arange(3, -1, -1)
    (columns,) = filled(codes, pairs, offsets)
    gaps = columns[8:10, :-1].sum(axis=0)
    known = columns[:8, :-1].sum(axis=0)
    assert np.flatnonzero(known + gaps < 2).tolist() == [0]  # beside the apex
    numbers = numbers_of(codes, pairs, np.zeros(1, np.int32), offsets)[0]
    assert 900 < sum(numbers[30:34]) < 950
