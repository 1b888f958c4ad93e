from __future__ import annotations

import re
from itertools import pairwise

import builders
import data_sets
import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premir.kernels.codes import encode
from premir.kernels.pairing import (
    CHANNELS,
    FEATURE_SCHEMA,
    MAX_LENGTH,
    dot_bracket,
    longest_stem,
    pack_tensor,
    pair_table,
    pairing_tensors,
    terminal_loop,
)
from premir.scanner.find import viennarna
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.genome.fasta import read_records

BALANCED = [
    "",
    ".",
    "()",
    "..",
    "(.)",
    "()()",
    "(((...))).",
    "..((((...))..(((....)))..))..",
    "((((..((...))..((....))))))..(((...)))",
    "." * 398,
    "(" * 199 + ")" * 199,
    "(" * 197 + "...." + ")" * 197,
    "." * 100 + "(" * 90 + "." * 18 + ")" * 90 + "." * 100,
]
# Structure, the letter at fault, its position counted from 1.
UNBALANCED = [
    ("(", "(", 1),
    (")", ")", 1),
    ("())", ")", 3),
    ("(()", "(", 1),
    ("((.)(", "(", 5),
    ("...)", ")", 4),
    (")(", ")", 1),
    ("(((...)))]", "]", 10),
    ("((N))", "N", 3),
    ("(&)", "&", 2),
    ("( )", " ", 2),
    ("(" * 398, "(", 398),
    (")" * 398, ")", 1),
]
# Table 1 of Do et al. (2018): positives and negatives of the three data sets.
DATA_SETS = [("human", 863, 7422), ("whole", 1677, 8266), ("new", 690, 8246)]

seeds = st.integers(0, 2**32 - 1)


def tensors_of(hairpins: Hairpins, width: int | None = None) -> np.ndarray:
    return pairing_tensors(
        hairpins.codes, hairpins.pairs, hairpins.mfe, hairpins.offsets, width=width
    )


def folded(sequences: list[str]) -> Hairpins:
    folds = viennarna.fold(sequences)
    offsets = np.zeros(len(sequences) + 1, np.int64)
    np.cumsum([len(sequence) for sequence in sequences], out=offsets[1:])
    return Hairpins(
        encode("".join(sequences)),
        np.concatenate([pair_table(structure) for structure, _ in folds]),
        np.array([mfe for _, mfe in folds], np.int32),
        offsets,
    )


def assert_lossless(hairpins: Hairpins, width: int | None = None) -> None:
    dense = tensors_of(hairpins, width)
    for n in range(len(hairpins)):
        codes, pairs, mfe = pack_tensor(dense[n])
        expected_codes, expected_pairs, expected_mfe = hairpins[n]
        assert codes.dtype == np.uint8
        assert pairs.dtype == np.int16
        assert codes.tolist() == expected_codes.tolist()
        assert pairs.tolist() == expected_pairs.tolist()
        assert mfe == expected_mfe


# The paper's Fig. 1


def test_hand_figure_1_tensor_value_by_value() -> None:
    """GCCCUUGGCA: pairs (0, 8), (1, 7), (2, 6) at -3.00 kcal/mol."""
    sequence, structure = "GCCCUUGGCA", "(((...)))."
    pairs = pair_table(structure)
    assert pairs.tolist() == [8, 7, 6, -1, -1, -1, 2, 1, 0, -1]
    dense = pairing_tensors(
        encode(sequence), pairs, np.array([-300], np.int32), np.array([0, 10], np.int64)
    )
    assert dense.shape == (1, 9, 10, 10)
    assert dense.dtype == np.float32
    expected = np.zeros((9, 10, 10), np.float32)
    for i, j in [(0, 8), (1, 7), (2, 6)]:
        expected[0, i, j] = expected[0, j, i] = -3.0
    for position, letter in enumerate(sequence):
        expected[1 + "ACGU".index(letter), position, :] = 1.0
        expected[5 + "ACGU".index(letter), :, position] = 1.0
    assert np.array_equal(dense[0], expected)
    assert dense[0, 0].sum() == -18.0  # the sign stays: not the absolute value
    assert dense[0, 3, 0].tolist() == [1.0] * 10  # row 0 is G: channel 3 holds row letters
    assert dense[0, 7, :, 0].tolist() == [1.0] * 10  # column 0 is G: channel 7, column letters
    assert dense[0, 1, 9].tolist() == [1.0] * 10
    assert dense[0, 5, :, 9].tolist() == [1.0] * 10


def test_figure_1_fold() -> None:
    assert viennarna.fold(["GCCCUUGGCA"]) == [("(((...))).", -300)]


def test_hand_schema_constants() -> None:
    assert CHANNELS == 9
    assert FEATURE_SCHEMA == "do2018-v2"


# Dot-bracket and pair table


@pytest.mark.parametrize("structure", BALANCED)
def test_hand_pair_table(structure: str) -> None:
    pairs = pair_table(structure)
    assert pairs.dtype == np.int16
    assert pairs.tolist() == naive.pair_table(structure)
    assert dot_bracket(pairs) == structure == naive.dot_bracket(pairs.tolist())


@pytest.mark.parametrize("structure, letter, position", UNBALANCED)
def test_hand_pair_table_names_the_fault(structure: str, letter: str, position: int) -> None:
    message = f"dot-bracket: unexpected or unmatched {letter!r} at position {position}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pair_table(structure)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        naive.pair_table(structure)


def test_hand_pair_table_of_a_letter_beyond_latin_1() -> None:
    message = "dot-bracket: unexpected or unmatched '€' at position 2"
    with pytest.raises(ValueError, match=f"^{message}$"):
        pair_table("(€)")


def test_pair_table_longest_and_too_long() -> None:
    half = MAX_LENGTH // 2
    pairs = pair_table("(" * half + "." + ")" * half)
    assert pairs[0] == MAX_LENGTH - 1 == 32766
    assert pairs[-1] == 0
    assert pairs[half] == -1
    with pytest.raises(ValueError, match=r"^structure of 32768 nt is longer than 32767$"):
        pair_table("." * (MAX_LENGTH + 1))


@given(st.text(alphabet="().", max_size=60))
def test_pair_table_as_twin_on_any_text(structure: str) -> None:
    try:
        expected = naive.pair_table(structure)
    except ValueError as error:
        with pytest.raises(ValueError, match=f"^{re.escape(str(error))}$"):
            pair_table(structure)
    else:
        assert pair_table(structure).tolist() == expected


@given(seeds, st.integers(0, 398))
def test_dot_bracket_round_trip(seed: int, length: int) -> None:
    pairs = builders.random_pairs(np.random.default_rng(seed), length, min_loop=0)
    structure = dot_bracket(np.array(pairs, np.int16))
    assert structure == naive.dot_bracket(pairs)
    assert pair_table(structure).tolist() == pairs


# Tensors


@pytest.mark.parametrize("lengths", [[0], [1], [5], [7, 12], [3, 0, 1, 13, 2], [21] * 3])
@pytest.mark.parametrize("extra", [None, 0, 1, 8])
def test_hand_tensors_as_twin(lengths: list[int], extra: int | None) -> None:
    hairpins = builders.random_hairpins(np.random.default_rng(sum(lengths)), lengths, unknown=0.2)
    width = max(lengths) + (extra or 0)
    dense = tensors_of(hairpins, None if extra is None else width)
    assert dense.shape == (len(lengths), 9, width, width)
    for n in range(len(lengths)):
        codes, pairs, mfe = hairpins[n]
        expected = naive.pairing_tensor(codes.tolist(), pairs.tolist(), mfe, width)
        assert np.array_equal(dense[n], np.array(expected, np.float32).reshape(9, width, width))


@settings(max_examples=25, deadline=None)
@given(seeds, st.lists(st.integers(0, 40), min_size=1, max_size=4), st.integers(0, 5))
def test_tensors_and_packing_as_twins(seed: int, lengths: list[int], extra: int) -> None:
    hairpins = builders.random_hairpins(np.random.default_rng(seed), lengths, unknown=0.2)
    width = max(1, max(lengths) + extra)
    dense = tensors_of(hairpins, width)
    for n in range(len(lengths)):
        codes, pairs, mfe = hairpins[n]
        expected = naive.pairing_tensor(codes.tolist(), pairs.tolist(), mfe, width)
        assert np.array_equal(dense[n], np.array(expected, np.float32))
        own = pack_tensor(dense[n])
        twin = naive.pack_tensor(dense[n].tolist())
        assert (own[0].tolist(), own[1].tolist(), own[2]) == twin
    told = [n for n in range(len(lengths)) if (hairpins[n][0] < 4).any()]
    assert_lossless(hairpins.take(told), width)


@pytest.mark.parametrize("length", [45, 96, 398])
def test_round_trip_of_folds(length: int) -> None:
    rng = np.random.default_rng(length)
    folds = folded([builders.random_sequence(rng, length).replace("T", "U") for _ in range(3)])
    assert (folds.pairs >= 0).any()
    assert_lossless(folds)
    assert_lossless(folds, width=400)


def test_hand_round_trip_of_random_folds() -> None:
    lengths = [0, 1, 2, 45, 96, 17]
    assert_lossless(builders.random_hairpins(np.random.default_rng(1), lengths))


def test_round_trip_of_the_deepest_nesting() -> None:
    pairs = pair_table("(" * 199 + ")" * 199)
    codes = encode("G" * 199 + "C" * 199)
    assert_lossless(
        Hairpins(codes, pairs, np.array([-32_768], np.int32), np.array([0, 398], np.int64))
    )


@pytest.mark.parametrize("mfe", [-1, -3, -7, -10, -29, -57, -299, -301, -9_999, -123_456])
def test_hand_mfe_survives_float32(mfe: int) -> None:
    hairpins = Hairpins(
        encode("GAAAC"), pair_table("(...)"), np.array([mfe], np.int32), np.array([0, 5], np.int64)
    )
    assert tensors_of(hairpins)[0, 0, 0, 4] == np.float32(mfe / 100)
    assert_lossless(hairpins)


def test_hand_nothing_paired() -> None:
    hairpins = Hairpins(
        encode("AAAAAA"), pair_table("......"), np.zeros(1, np.int32), np.array([0, 6], np.int64)
    )
    assert not tensors_of(hairpins)[:, 0].any()
    assert_lossless(hairpins, width=9)


def test_hand_no_hairpins_at_all() -> None:
    empty = builders.random_hairpins(np.random.default_rng(0), [])
    assert tensors_of(empty).shape == (0, 9, 0, 0)
    assert tensors_of(empty, width=5).shape == (0, 9, 5, 5)


def test_hand_an_unknown_letter_is_zero_in_its_own_one_hots() -> None:
    mfe, offsets = np.full(1, -100, np.int32), np.array([0, 5], np.int64)
    (tensor,) = pairing_tensors(encode("GANAC"), pair_table("(...)"), mfe, offsets)
    assert not tensor[1:5, 2].any()
    assert not tensor[5:9, :, 2].any()
    assert tensor[3, 0].tolist() == [1.0] * 5  # G stands in all of its row, the unknown column too
    assert pack_tensor(tensor)[0].tolist() == [2, 0, 4, 0, 1]
    empty = pairing_tensors(encode("NN"), pair_table(".."), mfe * 0, np.array([0, 2], np.int64))
    assert pack_tensor(empty[0])[0].size == 0


def test_hand_tensors_refuse_what_is_no_letter_and_narrow_tensors() -> None:
    mfe, offsets = np.zeros(1, np.int32), np.array([0, 5], np.int64)
    pairs = pair_table("(...)")
    with pytest.raises(ValueError, match=r"^a code above 4 is no letter$"):
        pairing_tensors(encode("GANAC") + np.uint8(1), pairs, mfe, offsets)
    message = r"^a hairpin of 5 nt does not fit tensors of width 4$"
    with pytest.raises(ValueError, match=message):
        pairing_tensors(encode("GAAAC"), pairs, mfe, offsets, width=4)


def test_tensors_do_not_depend_on_their_batch() -> None:
    hairpins = builders.random_hairpins(np.random.default_rng(5), [30, 12, 45, 1])
    together = tensors_of(hairpins)
    for n in range(len(hairpins)):
        assert np.array_equal(tensors_of(hairpins.take([n]), width=45)[0], together[n])


# Terminal loop


@pytest.mark.parametrize(
    "structure, interval",
    [
        ("", None),
        (".....", None),
        ("(...)", (1, 4)),
        ("..(((...)))..", (5, 8)),
        ("((..((....))...))", (6, 10)),  # an interior loop belongs to the stem
        ("((...))((...))", (2, 5)),  # of equal stems the first
        ("((...))(((...)))", (10, 13)),
        ("((((((...))(((....)))))))", (14, 18)),  # the stem ends at the multiloop
        ("((...).)", (2, 5)),  # a bulge
        ("()", (1, 1)),
    ],
)
def test_hand_terminal_loop(structure: str, interval: tuple[int, int] | None) -> None:
    assert terminal_loop(pair_table(structure)) == interval


@pytest.mark.parametrize(
    "structure, stem",
    [
        ("((..))", [(1, 4), (0, 5)]),
        ("((.(...)).)", [(3, 7), (1, 8), (0, 10)]),
        ("(((...))(...))", [(2, 6), (1, 7)]),
        ("(((...)))...((...))", [(2, 6), (1, 7), (0, 8)]),
        (".....", []),
        ("", []),
    ],
)
def test_hand_longest_stem(structure: str, stem: list[tuple[int, int]]) -> None:
    pairs = pair_table(structure)
    assert [tuple(pair) for pair in longest_stem(pairs).tolist()] == stem
    assert naive.longest_stem(pairs.tolist()) == stem


@settings(deadline=None)
@given(seeds, st.integers(0, 120), st.integers(0, 4))
def test_longest_stem_as_twin(seed: int, length: int, min_loop: int) -> None:
    pairs = builders.random_pairs(np.random.default_rng(seed), length, min_loop=min_loop)
    stem = longest_stem(np.array(pairs, np.int16))
    assert [tuple(pair) for pair in stem.tolist()] == naive.longest_stem(pairs)


# The paper's data sets


@pytest.mark.parametrize("name, positives, negatives", DATA_SETS)
def test_table_1_counts(name: str, positives: int, negatives: int) -> None:
    folder = data_sets.benchmark_dir() / "sequences"
    for part, count in (("pos", positives), ("neg", negatives)):
        records = read_records(folder / f"{name}_{part}.fa")
        assert len(records) == count
        assert all(45 <= len(sequence) <= 398 for _, sequence in records)
        assert all(set(sequence) <= set("ACGU") for _, sequence in records)


def test_table_1_lengths_reach_both_ends() -> None:
    folder = data_sets.benchmark_dir() / "sequences"
    lengths = [
        len(sequence)
        for name, _, _ in DATA_SETS
        for part in ("pos", "neg")
        for _, sequence in read_records(folder / f"{name}_{part}.fa")
    ]
    assert min(lengths) == 45
    assert max(lengths) == 398


def test_round_trip_of_benchmark_sequences() -> None:
    folder = data_sets.benchmark_dir() / "sequences"
    records = sorted(read_records(folder / "new_pos.fa"), key=lambda record: len(record[1]))
    chosen = [sequence for _, sequence in records[:: max(1, len(records) // 12)]]
    folds = folded(chosen)
    for a, b in pairwise(folds.offsets):
        assert dot_bracket(folds.pairs[a:b].copy()).count("(") > 0
    assert_lossless(folds)
