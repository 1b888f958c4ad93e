from __future__ import annotations

import builders
import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premir.kernels.codes import UNKNOWN, encode
from premir.kernels.energies import current_parameters
from premir.kernels.mfe import fold_batch
from premir.kernels.pairing import pack, pair_table, terminal_loop
from premir.kernels.sites import ACROSS, ASIDE, CELLS, FIELDS, UNPAIRED, look_across, site_cells

BRANCHED = "(((.((...)).(((((....)))))...((...))..)))"
"""A stem with side arms on either side of its loop."""


def assert_alike(sequence, pairs):
    """Cells of all places, by the kernel and by its naive twin."""
    sequence = sequence.replace("T", "U")
    codes, loop = encode(sequence), terminal_loop(pairs)
    assert loop is not None
    everywhere = np.arange(codes.size)
    found = site_cells(codes, look_across(pairs, loop), loop, everywhere)
    first = np.cumsum([0, *(high - low + 1 for low, high in FIELDS)])
    assert first[-1] == CELLS
    for site in everywhere.tolist():
        values = naive.site_values(sequence, pairs.tolist(), loop, site)
        expected = [
            int(start) + min(max(value, low), high) - low
            for value, (low, high), start in zip(values, FIELDS, first, strict=False)
        ]
        assert found[site].tolist() == expected


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_as_twin(seed):
    rng = np.random.default_rng(seed)
    sequences = [
        builders.random_sequence(rng, int(rng.integers(0, 25)))
        + builders.hairpin(rng, stem=int(rng.integers(4, 40)))
        + builders.random_sequence(rng, int(rng.integers(0, 25)))
        for _ in range(3)
    ]
    codes, offsets = pack([encode(text) for text in sequences])
    pairs, _ = fold_batch(codes, offsets, current_parameters())
    for text, a, b in zip(sequences, offsets, offsets[1:], strict=False):
        if terminal_loop(pairs[a:b]) is not None:
            assert_alike(text, pairs[a:b])


@pytest.mark.parametrize("structure", ["(...)", "((...))", "." * 30 + "(...)" + "." * 30, BRANCHED])
def test_odd_folds_as_twin(structure):
    letters = builders.random_sequence(np.random.default_rng(1), len(structure))
    assert_alike(letters, pair_table(structure))


def test_unknown_letters_have_a_cell_of_their_own():
    assert_alike("GGGNACNCAACCC", pair_table("(((.(...).)))"))


def test_what_faces_a_letter_is_reckoned_from_the_nearest_pair():
    pairs = pair_table("..((.((....))..))")
    kinds, facing = look_across(pairs, (7, 11))
    assert kinds.tolist() == [UNPAIRED if c == "." else ACROSS for c in "..((.((....))..))"]
    assert facing[:7].tolist() == [18, 17, 16, 15, 14, 12, 11]
    assert facing[16] == 2
    assert (look_across(pair_table(BRANCHED), (17, 21))[0] == ASIDE).sum() == 8


def test_beyond_the_ends_there_is_nothing():
    pairs = pair_table("((...))")
    cells = site_cells(encode("GGAAACC"), look_across(pairs, (2, 5)), (2, 5), np.array([0]))
    first = np.cumsum([0, *(high - low + 1 for low, high in FIELDS)])
    kinds = cells[0, 3:39] - first[3:39]
    assert kinds.tolist() == [0] * 10 + [2, 2, 1, 1, 1, 2, 2] + [0] * 19
    letters = cells[0, 75:85] - first[75:85]
    assert letters.tolist() == [UNKNOWN] * 4 + [2, 2, 0, 0, 0, 1]
