"""Kin of sequences in a genome: the kernel against a slow twin."""

from __future__ import annotations

import builders
import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premir.kernels.codes import encode, reverse_complement
from premir.kernels.kin import _DROP, _FEWEST, MOST, WORD, Sought, kin, least_score
from premir.kernels.pairing import pack

RNG = np.random.default_rng(3)
UNIT = builders.random_sequence(RNG, 90)
OTHER = builders.random_sequence(RNG, 90)
LEAST = 24
Places = list[tuple[int, int, int, int]]
"""Contig, start, end and strand."""


def found(
    contigs: list[np.ndarray], hits: Places, *, least: int = LEAST, piece: int = 1 << 20
) -> list[int]:
    """Kin of what lies at some places, through the kernel, reading so many letters at a time."""
    genome, borders = pack(contigs)
    cut = [contigs[c][a:b] if s > 0 else reverse_complement(contigs[c][a:b]) for c, a, b, s in hits]
    codes, offsets = pack(cut)
    sought = Sought.of(codes, offsets)
    own = np.array([(borders[c] + a, borders[c] + b) for c, a, b, _ in hits], np.int64)
    counts, done = np.zeros(codes.size, np.uint8), np.zeros(len(hits), np.uint8)
    margin = max(part.size for part in cut)
    for first in range(0, genome.size, piece):
        end = min(first + piece, genome.size)
        origin = max(0, first - margin)
        sought.count(
            genome[origin : end + margin], origin=origin, inner=(first, end), borders=borders,
            own=own, least=least, counts=counts, done=done,
        )  # fmt: skip
    result: list[int] = kin(counts.astype(np.uint16), offsets).tolist()
    return result


def expected(contigs: list[np.ndarray], hits: Places, *, least: int = LEAST) -> list[int]:
    lists = [each.tolist() for each in contigs]
    rules = {"k": WORD, "fewest": _FEWEST, "drop": _DROP, "least": least, "most": MOST}
    return [naive.kin(lists, c, (a, b), s, **rules) for c, a, b, s in hits]


def changed(text: str, every: int) -> str:
    """Every so many letters are others."""
    swap = str.maketrans("ACGT", "CGTA")
    return "".join(x.translate(swap) if n % every == every - 1 else x for n, x in enumerate(text))


def coded(*texts: str) -> list[np.ndarray]:
    return [encode(text) for text in texts]


MINUS = naive.decode(naive.reverse_complement(naive.encode(UNIT)))


@pytest.mark.parametrize(
    "contigs, count",
    [
        ((UNIT,), 0),
        ((UNIT + OTHER + UNIT,), 1),
        ((UNIT + OTHER + MINUS,), 1),
        ((UNIT + OTHER, UNIT, MINUS), 2),
        ((UNIT + OTHER + UNIT[:LEAST],), 1),
        ((UNIT + OTHER + UNIT[: LEAST - 1],), 0),
        ((UNIT + OTHER + changed(UNIT, 14),), 1),
        ((UNIT + OTHER + changed(UNIT, WORD),), 0),
        # Neither contig alone holds enough of it.
        ((UNIT + OTHER + UNIT[:20], UNIT[20:40] + OTHER), 0),
        ((UNIT + OTHER + UNIT[:20] + "N" + UNIT[21:31],), 1),
        ((UNIT + OTHER + (UNIT + "A") * (MOST + 3),), MOST),
    ],
)
def test_hand_made_genomes(contigs: tuple[str, ...], count: int) -> None:
    genome = coded(*contigs)
    for strand in (1, -1):
        hits = [(0, 0, len(UNIT), strand)]
        assert found(genome, hits) == [count] == expected(genome, hits)


def test_a_simple_repeat_has_no_kin() -> None:
    genome = coded("UG" * 45 + OTHER + "UG" * 45)
    assert found(genome, [(0, 0, 90, 1)]) == [0]


def test_its_own_place_is_no_kin_though_its_arms_pair() -> None:
    genome = coded(UNIT + "GAAA" + MINUS + OTHER)
    assert found(genome, [(0, 0, 184, 1)]) == [0]


letters = st.sampled_from("ACGU")
parts = st.sampled_from(
    [UNIT, MINUS, OTHER, changed(UNIT, 20), UNIT[10:50], "N" * 5, UNIT[:30] + "N" + UNIT[31:60]]
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(parts, min_size=1, max_size=5), min_size=1, max_size=4),
    st.integers(0, 60),
    st.integers(WORD, 40),
    st.integers(50, 400),
)
def test_equals_the_twin_whatever_the_pieces(
    texts: list[list[str]], start: int, least: int, piece: int
) -> None:
    genome = coded(*("".join(each) for each in texts))
    hits = [
        (n, min(start, contig.size), min(start + 80, contig.size), 1 - 2 * (n % 2))
        for n, contig in enumerate(genome)
    ]
    assert found(genome, hits, least=least, piece=piece) == expected(genome, hits, least=least)
    mirrored = [reverse_complement(contig) for contig in genome]
    turned = [(n, mirrored[n].size - b, mirrored[n].size - a, -s) for n, a, b, s in hits]
    assert found(mirrored, turned, least=least) == found(genome, hits, least=least)


def test_the_least_score_is_what_few_random_hairpins_reach() -> None:
    assert [least_score(120, mb * 1_000_000) for mb in (1, 8, 65, 3_100)] == [23, 25, 27, 30]
    assert least_score(1, 1) == WORD
