from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import partial
from typing import Any

import builders
import naive
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premir.kernels import stems
from premir.kernels.codes import encode, reverse_complement
from premir.kernels.stems import INFINITE, StemCosts, scan_stems, select_stems
from premir.scanner.find.stem_costs import ANIMAL, HIGHEST

BLOCK = 4096  # the kernel's own block; tests only need sequences that are longer

# Multiples of ten with round numbers, so that hand cases can be added up in the head.
ROUND = StemCosts(
    cg=-300, au=-200, gu=-100, loop_open=50, bulge=10, interior=15, hairpin=400,
    hairpin_step=20, hairpin_free=4, min_loop=3,
)  # fmt: skip

# Learned costs that do not look at the letters around, nor at the length.
LEVEL = replace(ANIMAL, tilt=0, short_step=0, long_step=0)


def assert_as_twin(sequence: str, min_span: int, max_span: int, costs: StemCosts) -> None:
    codes = encode(sequence)
    energy, span = scan_stems(codes, min_span=min_span, max_span=max_span, costs=costs)
    expected_energy, expected_span = naive.scan_stems(
        codes.tolist(), min_span=min_span, max_span=max_span, costs=costs, infinite=INFINITE
    )
    assert energy.tolist() == expected_energy
    assert span.tolist() == expected_span


def best(sequence: str, costs: StemCosts = ROUND, min_span: int = 5) -> tuple[int, int, int]:
    """Energy, start and end of the best stem-loop of a short sequence."""
    codes = encode(sequence)
    energy, span = scan_stems(codes, min_span=min_span, max_span=len(sequence), costs=costs)
    row, column = np.unravel_index(energy.argmin(), energy.shape)
    length = int(span[row, column])
    start = (2 * int(column) + int(row) - (length - 1)) // 2
    return int(energy[row, column]), start, start + length


def inverted_repeat(rng: np.random.Generator, stem: int, loop: int, letters: str = "ACGT") -> str:
    left = "".join(rng.choice(list(letters), size=stem))
    return left + "A" * loop + builders.reverse_complement(left)


# Energies by hand


@pytest.mark.parametrize(
    "sequence, energy",
    [
        ("GGGAAAACCC", 400 - 3 * 300),
        ("GAGAAAACUC", 400 - 2 * 300 - 200),
        ("GUGAAAACGC", 400 - 2 * 300 - 100),
        ("GGGAAACCC", 400 - 3 * 300),  # the shortest loop
        ("GGGAAAAAACCC", 400 + 2 * 20 - 3 * 300),  # two nt beyond the free length
        ("GGGACCAAAAGGCCC", 400 - 5 * 300 + 50 + 10),  # bulge
        ("GGGACCAAAAGGACCC", 400 - 5 * 300 + 50 + 15),  # 1 x 1 interior loop
        ("GGGAACCAAAAGGAACCC", 400 - 5 * 300 + 50 + 2 * 15),  # 2 x 2
        ("GGGAACCAAAAGGACCC", 400 - 5 * 300 + 50 + 15 + 10),  # 2 x 1
    ],
)
def test_hand_energies(sequence: str, energy: int) -> None:
    assert best(sequence)[0] == energy


def test_hand_interval_of_the_outermost_pair() -> None:
    assert best("AAGGGAAAACCCAA") == (400 - 3 * 300, 2, 12)
    energy, span = scan_stems(encode("AAGGGAAAACCCAA"), min_span=5, max_span=14, costs=ROUND)
    start, end = select_stems(energy, span, highest=-400, radius=6)
    assert (start.tolist(), end.tolist()) == ([2], [12])
    assert start.dtype == end.dtype == np.int64


def test_hand_loop_shorter_than_allowed_is_none() -> None:
    energy, span = scan_stems(encode("GGCC"), min_span=2, max_span=4, costs=ROUND)
    assert (energy == INFINITE).all()
    assert not span.any()
    assert best("GGACC", costs=replace(ROUND, min_loop=1)) == (400 - 2 * 300, 0, 5)


def test_hand_dtypes_and_shapes() -> None:
    for n in (0, 1, 2, 7):
        energy, span = scan_stems(encode("G" * n), min_span=40, max_span=160, costs=ANIMAL)
        assert energy.shape == span.shape == (2, n)
        assert energy.dtype == span.dtype == np.int16


@pytest.mark.parametrize("sequence", ["", "A", "AC", "G" * 201, "A" * 120, "N" * 120, "AC" * 60])
def test_hand_nothing_pairs(sequence: str) -> None:
    energy, span = scan_stems(encode(sequence), min_span=5, max_span=50, costs=ANIMAL)
    assert (energy == INFINITE).all()
    assert not span.any()
    start, end = select_stems(energy, span, highest=0, radius=20)
    assert start.size == end.size == 0


def test_hand_unknown_letters_never_pair() -> None:
    """A run of N in a loop is crossed, in a stem it is not paired."""
    assert best("GGGNNNNCCC") == (400 - 3 * 300, 0, 10)
    assert best("GGGNCCAAAAGGNCCC")[0] == 400 - 5 * 300 + 50 + 15


@pytest.mark.parametrize(
    "sequence, window, tilt",
    [
        ("GGGAAAACCC", 5, 2),  # 6 strong and 4 weak letters: 60 x 2 / (2 x 30)
        ("GGGAAAACCC", 500, 2),
        ("GGGAAAACCC" + "A" * 40, 15, -6),  # 20 letters in reach: 60 x -8 / (2 x 40)
        ("GGGAAAACCC" + "N" * 40, 15, 2),  # unknown letters are not counted
        ("GGGNNNNCCC", 5, 6),  # 60 x 6 / (2 x 26) = 6.9, rounded down
    ],
)
def test_hand_tilt(sequence: str, window: int, tilt: int) -> None:
    """The C-G pairs of a centre are dearer by the tilt of the letters within the window."""
    costs = replace(ROUND, tilt=60, window=window)
    assert best(sequence, costs) == (400 - 3 * 300 + 3 * tilt, 0, 10)


def test_hand_tilt_of_each_pair() -> None:
    """A-U pairs gain what C-G pairs lose, wobbles neither."""
    costs = replace(ROUND, tilt=300, window=50)
    strong = best("GGGAAAACCC" + "G" * 60, costs)[0] - best("GGGAAAACCC", costs)[0]
    weak = best("AAACCCCUUU" + "G" * 60, costs)[0] - best("AAACCCCUUU", costs)[0]
    wobble = best("GGGAAAAUUU" + "C" * 60, costs)[0] - best("GGGAAAAUUU", costs)[0]
    assert strong > 0 > weak
    assert wobble <= 0


def test_hand_length_costs() -> None:
    costs = replace(ROUND, short=12, short_step=7, long=12, long_step=11)
    assert best("GGGAAAACCC", costs)[0] == 400 - 3 * 300 + 2 * 7
    assert best("GGGGAAAACCCC", costs)[0] == 400 - 4 * 300
    # The fifth pair is worth its length, a pair that costs more than it gives is left out.
    assert best("GGGGGAAAACCCCC", costs) == (400 - 5 * 300 + 2 * 11, 0, 14)
    assert best("GGGGGAAAACCCCC", replace(costs, long_step=200)) == (400 - 4 * 300, 1, 13)


def test_hand_default_costs_against_twin() -> None:
    rng = np.random.default_rng(3)
    assert_as_twin(builders.hairpin(rng, stem=25, loop=8), 10, 58, ANIMAL)


# Against the twin


@settings(max_examples=40, deadline=None)
@given(
    st.text(alphabet="ACGTN", max_size=90),
    st.integers(5, 40),
    st.integers(1, 90),
    st.sampled_from([ANIMAL, LEVEL, ROUND]),
)
def test_as_twin(sequence: str, min_span: int, max_span: int, costs: StemCosts) -> None:
    assert_as_twin(sequence, min_span, max_span, costs)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.builds(
        StemCosts,
        cg=st.integers(-400, -100),
        au=st.integers(-300, -50),
        gu=st.integers(-200, 50),
        loop_open=st.integers(0, 500),
        bulge=st.integers(1, 200),
        interior=st.integers(1, 200),
        hairpin=st.integers(0, 900),
        hairpin_step=st.integers(0, 60),
        hairpin_free=st.integers(3, 15),
        min_loop=st.integers(3, 8),
        tilt=st.integers(-200, 500),
        window=st.integers(0, 60),
        short_step=st.integers(0, 20),
        short=st.integers(0, 60),
        long_step=st.integers(0, 20),
        long=st.integers(20, 90),
    ),
)
def test_as_twin_under_any_costs(seed: int, costs: StemCosts) -> None:
    rng = np.random.default_rng(seed)
    hairpin = builders.hairpin(rng, stem=int(rng.integers(8, 25)), loop=int(rng.integers(3, 12)))
    flanks = [builders.random_sequence(rng, int(rng.integers(0, 30))) for _ in range(2)]
    assert_as_twin(flanks[0] + hairpin + flanks[1], costs.min_loop + 2, 70, costs)


@pytest.mark.parametrize(
    "sequence",
    [
        pytest.param("G" * 150, id="all G"),
        pytest.param("GC" * 99 + "G", id="GC repeat of odd length"),
        pytest.param("AT" * 80, id="AT repeat"),
        pytest.param("GT" * 80, id="wobbles only"),
        pytest.param("G" * 75 + "C" * 75, id="deepest nesting"),
        pytest.param("C" * 75 + "N" * 10 + "G" * 75, id="inverted repeat around N"),
        pytest.param("ACGT" * 10 + "N" * 50 + "ACGT" * 10, id="N run"),
        pytest.param("N" * 30 + "GGGGGGAAAACCCCCC" + "N" * 30, id="hairpin between N"),
    ],
)
def test_as_twin_on_adversarial_sequences(sequence: str) -> None:
    assert_as_twin(sequence, 40, 160, ANIMAL)
    assert_as_twin(sequence, 5, len(sequence), LEVEL)


@pytest.mark.parametrize("letters", ["ACGT", "GC", "AT"])
def test_as_twin_on_perfect_inverted_repeats_of_398(letters: str) -> None:
    sequence = inverted_repeat(np.random.default_rng(7), 197, 4, letters)
    assert len(sequence) == 398
    assert_as_twin(sequence, 40, 160, ANIMAL)


def test_as_twin_with_wide_bulges() -> None:
    """One arm far longer than the other: what lies inside a stem is far from its centre."""
    rng = np.random.default_rng(11)
    outer, inner = inverted_repeat(rng, 12, 0), inverted_repeat(rng, 12, 5)
    for left, right in ((25, 0), (0, 25), (9, 20)):
        sequence = outer[:12] + "A" * left + inner + "A" * right + outer[12:]
        assert_as_twin(sequence, 30, 120, ANIMAL)


@pytest.mark.parametrize("n", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 31])
def test_as_twin_across_blocks(n: int) -> None:
    sequence = builders.random_sequence(np.random.default_rng(n), n)
    assert_as_twin(sequence, 15, 30, ANIMAL)


# Speed


@pytest.mark.parametrize("name", ["_pair_row", "_loop_row", "_centre_row"])
def test_rows_are_vectorised_without_masked_loads(name: str) -> None:
    """Only AVX-512 has masked loads of int16: a loop that needs them is scalar elsewhere."""
    if os.environ.get("NUMBA_DISABLE_JIT"):
        pytest.skip("nothing is compiled")
    row: Any = getattr(stems, name)
    again = numba.njit(nogil=True, error_model="numpy")(row.py_func)  # a cache holds no LLVM code
    again.compile(row._signature)
    (code,) = again.inspect_llvm().values()
    assert re.search(r"<\d+ x i16>", code)
    assert "llvm.masked." not in code


# Invariances


@pytest.mark.parametrize("bulge", [0, 1, 6, 15, 30])
@pytest.mark.parametrize("side", ["left", "right"])
def test_no_seam_at_block_borders(bulge: int, side: str) -> None:
    """The same stem-loop has the same energy wherever it lies, bulges across a border included."""
    rng = np.random.default_rng(bulge)
    outer, inner = inverted_repeat(rng, 15, 0, "GC"), inverted_repeat(rng, 25, 5, "GC")
    left, right = ("A" * bulge, "") if side == "left" else ("", "A" * bulge)
    insert = outer[:15] + left + inner + right + outer[15:]
    longest = len(insert)  # no slack: the widest scan of a block reaches just far enough
    energy, span = scan_stems(encode(insert), min_span=40, max_span=longest, costs=LEVEL)
    expected = energy.min()
    assert expected < -2000
    for start in range(BLOCK - longest - 3, BLOCK + 4):
        sequence = "A" * start + insert + "A" * 300
        energy, span = scan_stems(encode(sequence), min_span=40, max_span=longest, costs=LEVEL)
        assert energy.min() == expected, start
        assert span.max() == longest, start


@pytest.mark.parametrize("max_span", [100, 160, 301])
def test_part_of_a_sequence_gives_the_same(max_span: int) -> None:
    """Whatever lies further away than half the longest span and the window does not matter."""
    rng = np.random.default_rng(max_span)
    codes = encode(builders.random_sequence(rng, 4 * BLOCK, gc=0.6))
    codes[6_000:6_050] = 4
    energy, span = scan_stems(codes, min_span=40, max_span=max_span, costs=ANIMAL)
    margin = max_span // 2 + ANIMAL.window + 1
    for start in rng.integers(1, 2 * BLOCK, 12):
        end = start + int(rng.integers(2 * margin + 100, 2 * BLOCK))
        part = scan_stems(codes[start:end].copy(), min_span=40, max_span=max_span, costs=ANIMAL)
        inside = slice(start + margin, end - margin)
        within = slice(margin, end - start - margin)
        assert np.array_equal(part[0][:, within], energy[:, inside])
        assert np.array_equal(part[1][:, within], span[:, inside])


@pytest.mark.parametrize("n", [399, 400, 2 * BLOCK + 77])
def test_reverse_complement_mirrors(n: int) -> None:
    """Without G-U pairs, whose complement A-C does not pair; the mere reverse mirrors always."""
    rng = np.random.default_rng(n)
    codes = encode(builders.random_sequence(rng, n))
    codes[n // 3 : n // 3 + 9] = 4
    watson_crick = replace(ANIMAL, gu=INFINITE)
    for other, costs in (
        (reverse_complement(codes), watson_crick),
        (codes[::-1].copy(), ANIMAL),
    ):
        energy, span = scan_stems(codes, min_span=40, max_span=160, costs=costs)
        mirrored = scan_stems(other, min_span=40, max_span=160, costs=costs)
        centres = np.arange(2 * n - 1)
        back = 2 * (n - 1) - centres
        assert span.any()
        assert np.array_equal(energy[centres % 2, centres // 2], mirrored[0][back % 2, back // 2])
        assert np.array_equal(span[centres % 2, centres // 2], mirrored[1][back % 2, back // 2])


def test_wider_spans_only_add() -> None:
    codes = encode(builders.random_sequence(np.random.default_rng(2), 3_000))
    narrow, _ = scan_stems(codes, min_span=40, max_span=100, costs=LEVEL)
    wide, span = scan_stems(codes, min_span=40, max_span=160, costs=LEVEL)
    assert (wide <= narrow).all()
    assert np.array_equal(wide[span <= 100], narrow[span <= 100])
    assert (wide < narrow).any()


def test_planted_hairpins_are_found_whole() -> None:
    genome, truth = builders.planted_genome(seed=1)
    for contig, sequence in genome.items():
        for strand in "+-":
            codes = encode(sequence)
            codes = codes if strand == "+" else reverse_complement(codes)
            energy, span = scan_stems(codes, min_span=40, max_span=160, costs=ANIMAL)
            start, end = select_stems(energy, span, highest=HIGHEST, radius=20)
            if strand == "-":
                start, end = len(sequence) - end, len(sequence) - start
            for where, first, last, name, side in truth:
                if (where, side) == (contig, strand):
                    shared = np.minimum(end, last) - np.maximum(start, first)
                    assert (10 * shared >= 8 * (last - first)).any(), name


def test_as_twin_beyond_int16() -> None:
    """200 C-G pairs would be -48,000: energies saturate and never wrap."""
    costs = replace(LEVEL, cg=-240)
    repeat = inverted_repeat(np.random.default_rng(4), 200, 4, "GC")
    energy, span = scan_stems(encode(repeat), min_span=40, max_span=len(repeat), costs=costs)
    centre = len(repeat) - 1
    assert energy[centre % 2, centre // 2] == energy.min() <= -32_000
    assert 260 <= span[centre % 2, centre // 2] <= len(repeat)
    assert_as_twin("ACCA" + repeat + "GUGU", 40, len(repeat) + 8, costs)
    assert_as_twin("ACCA" + repeat + "GUGU", 40, len(repeat) + 8, replace(costs, tilt=-900))


def test_costs_of_long_loops_and_spans_end_below_overflow() -> None:
    costs = replace(ANIMAL, hairpin_step=2_000, long_step=2_000)
    for each in (costs, ANIMAL):
        for table in (each.hairpin_loops(1_000), each.spans(1_000)):
            assert (np.diff(table[80:].astype(int)) >= 0).all()
            assert table.max() <= INFINITE
    rng = np.random.default_rng(3)
    assert_as_twin(builders.random_sequence(rng, 150), 5, 150, costs)


def test_no_stem_where_the_outermost_letters_cannot_pair() -> None:
    """However strong a stem is, no longer one is made of it with two letters that do not pair."""
    sequence = inverted_repeat(np.random.default_rng(4), 150, 4, "GC")
    sequence = "A" * 60 + sequence + "A" * 60
    energy, span = scan_stems(encode(sequence), min_span=40, max_span=400, costs=LEVEL)
    for row, column in np.argwhere(span > 0):
        length = int(span[row, column])
        start = (2 * int(column) + int(row) - (length - 1)) // 2
        outermost = sequence[start] + sequence[start + length - 1]
        assert outermost in ("GC", "CG"), (start, length)
    assert (energy[span == 0] == INFINITE).all()


# Selection


@st.composite
def landscapes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Energies with many ties and spans that fit their centres."""
    n = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    energy = (100 * rng.integers(-12, 4, (2, n))).astype(np.int16)
    energy[rng.random((2, n)) < 0.3] = INFINITE
    # An even centre has a middle nucleotide and so an odd span.
    span = np.stack([2 * rng.integers(20, 60, n) + 1, 2 * rng.integers(20, 60, n)])
    return energy, span.astype(np.int16)


@given(landscapes(), st.integers(-1200, 300), st.integers(0, 130))
def test_select_as_twin(
    landscape: tuple[np.ndarray, np.ndarray], highest: int, radius: int
) -> None:
    energy, span = landscape
    start, end = select_stems(energy, span, highest=highest, radius=radius)
    expected = naive.select_stems(energy.tolist(), span.tolist(), highest=highest, radius=radius)
    assert (start.tolist(), end.tolist()) == expected


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60))
def test_select_of_a_scan_as_twin(seed: int, radius: int) -> None:
    rng = np.random.default_rng(seed)
    sequence = builders.random_sequence(rng, 40) + builders.hairpin(rng, stem=20)
    energy, span = scan_stems(encode(sequence), min_span=10, max_span=80, costs=ANIMAL)
    start, end = select_stems(energy, span, highest=0, radius=radius)
    expected = naive.select_stems(energy.tolist(), span.tolist(), highest=0, radius=radius)
    assert (start.tolist(), end.tolist()) == expected
    assert ((0 <= start) & (start < end) & (end <= len(sequence))).all()


def landscape_of(values: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Energies given by centre, the shortest fitting spans."""
    energy = np.array(values, np.int16).reshape(-1, 2).T.copy()
    span = np.ones_like(energy)
    span[1] = 2
    return energy, span


@pytest.mark.parametrize(
    "values, highest, radius, centres",
    [
        ([-5, -5, -5, -5], -1, 2, [0]),  # of equal ones the first
        ([-5, -1, -1, -5], -1, 2, [0, 3]),  # beyond the radius both stay
        ([-5, -1, -1, -5], -1, 3, [0]),
        ([-1, -2, -3, -4], -1, 1, [3]),  # a slope has one end
        ([-1, -2, -3, -4], -1, 0, [0, 1, 2, 3]),
        ([-1, -2, -3, -4], -3, 0, [2, 3]),  # the highest energy is allowed
        ([-1, -2, -3, -4], -5, 0, []),
    ],
)
def test_hand_select(values: list[int], highest: int, radius: int, centres: list[int]) -> None:
    energy, span = landscape_of(values)
    start, end = select_stems(energy, span, highest=highest, radius=radius)
    assert (start + end - 1).tolist() == centres


def test_select_does_not_depend_on_what_lies_beyond_the_radius() -> None:
    codes = encode(builders.random_sequence(np.random.default_rng(9), 6_000, gc=0.6))
    energy, span = scan_stems(codes, min_span=40, max_span=100, costs=ANIMAL)
    start, end = select_stems(energy, span, highest=-800, radius=20)
    part = slice(1_000, 2_000)
    a, b = select_stems(energy[:, part].copy(), span[:, part].copy(), highest=-800, radius=20)
    middle = (start + end - 1) // 2
    inside = (middle >= 1_000 + 11) & (middle < 2_000 - 11)
    own = (a + b - 1) // 2
    inner = (own >= 11) & (own < 1_000 - 11)
    assert inside.sum() > 5
    assert np.array_equal(start[inside], a[inner] + 1_000)
    assert np.array_equal(end[inside], b[inner] + 1_000)


@given(
    st.lists(st.text(alphabet="ACGUN", min_size=1, max_size=70), min_size=1, max_size=8),
    st.sampled_from([LEVEL, ANIMAL, ROUND]),
)
@settings(deadline=None, max_examples=60)
def test_sequences_side_by_side_know_nothing_of_each_other(
    sequences: list[str], costs: StemCosts
) -> None:
    """All in one call or each in its own: the same energies, spans and selection."""
    codes = [encode(sequence) for sequence in sequences]
    borders = np.cumsum([0, *(part.size for part in codes)])
    scan = partial(scan_stems, min_span=10, max_span=60, costs=costs)
    energy, span = scan(np.concatenate(codes), borders=borders)
    start, end = select_stems(energy, span, highest=500, radius=12, borders=borders)
    found = []
    for part, first, last in zip(codes, borders[:-1], borders[1:], strict=True):
        own_energy, own_span = scan(part)
        assert np.array_equal(energy[:, first:last], own_energy)
        assert np.array_equal(span[:, first:last], own_span)
        own_start, own_end = select_stems(own_energy, own_span, highest=500, radius=12)
        found += [(first + a, first + b) for a, b in zip(own_start, own_end, strict=True)]
    assert list(zip(start, end, strict=True)) == found


def test_long_sequences_side_by_side() -> None:
    rng = np.random.default_rng(8)
    sizes = [3, BLOCK + 100, 1, 50, 2 * BLOCK, BLOCK]
    codes = [encode(builders.random_sequence(rng, size)) for size in sizes]
    borders = np.cumsum([0, *sizes])
    energy, span = scan_stems(
        np.concatenate(codes), min_span=40, max_span=160, borders=borders, costs=ANIMAL
    )
    for part, first, last in zip(codes, borders[:-1], borders[1:], strict=True):
        own_energy, own_span = scan_stems(part, min_span=40, max_span=160, costs=ANIMAL)
        assert np.array_equal(energy[:, first:last], own_energy)
        assert np.array_equal(span[:, first:last], own_span)
