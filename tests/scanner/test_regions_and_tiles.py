from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from premir.scanner.errors import InputError
from premir.scanner.genome.letters import Contigs
from premir.scanner.genome.regions import grow, merge_intervals, parse_regions, subtract
from premir.scanner.genome.tiles import place, plan_tiles


def contigs(*lengths):
    return Contigs.of([f"c{n}" for n in range(len(lengths))], lengths, bytes(32 * len(lengths)))


GENOME = Contigs.of(["chr1", "HLA:1-50", "HLA"], [1000, 80, 60], bytes(96))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("chr1", {0: [(0, 1000)]}),
        ("chr1:1-1000", {0: [(0, 1000)]}),
        ("chr1:7-7", {0: [(6, 7)]}),
        ("chr1:501-", {0: [(500, 1000)]}),
        ("chr1:501", {0: [(500, 1000)]}),
        ("chr1:1,000-1,000", {0: [(999, 1000)]}),
        ("HLA:1-50", {1: [(0, 80)]}),
        ("HLA:1-50:2-9", {1: [(1, 9)]}),
        ("HLA:1-51", {2: [(0, 51)]}),
        ("chr1:-30", {0: [(0, 30)]}),
        ("{HLA}:1-50", {2: [(0, 50)]}),
        ("{HLA:1-50}", {1: [(0, 80)]}),
        ("{HLA:1-50}:2-9", {1: [(1, 9)]}),
    ],
)
def test_regions_as_samtools_reads_them(text, expected):
    assert parse_regions([text], GENOME) == expected


def test_regions_are_united():
    texts = ["chr1:11-20", "HLA", "chr1:15-30", "chr1:31-40", "chr1:90-95"]
    assert parse_regions(texts, GENOME) == {0: [(10, 40), (89, 95)], 2: [(0, 60)]}


@pytest.mark.parametrize(
    "text", ["chr2", "chr1:0-3", "chr1:5-4", "chr1:1-1001", "chr1:a-b", ":1-2", "chr1:", "chr1:-"]
)
def test_bad_regions_are_named(text):
    with pytest.raises(InputError, match=f"--regions {text}: "):
        parse_regions([text], GENOME)
    with pytest.raises(InputError, match=r"--regions \{"):
        parse_regions(["{chr1}:"], GENOME)


intervals = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 60)).map(lambda pair: (pair[0], sum(pair))),
    max_size=6,
)


def positions(parts):
    return {x for a, b in parts for x in range(a, b)}


@given(intervals, intervals)
def test_interval_arithmetic_is_set_arithmetic(a, b):
    united = positions(a)
    a, b = merge_intervals(a), merge_intervals(b)
    assert positions(a) == united
    assert all(x[1] < y[0] for x, y in itertools.pairwise(a))
    rest = subtract({0: a}, {0: b})
    assert positions(rest.get(0, [])) == positions(a) - positions(b)
    length = max(united, default=0) + 3
    grown = grow({0: a}, 5, contigs(length))
    expected = {y for x in positions(a) for y in range(x - 5, x + 6) if 0 <= y < length}
    assert positions(grown[0]) == expected


@given(st.lists(st.integers(1, 500), min_size=1, max_size=12), st.integers(1, 300))
def test_tiles_cover_the_genome_once_in_order(lengths, size):
    genome = contigs(*lengths)
    tiles = plan_tiles(None, genome, tile_size=size, first_index=4)
    assert [tile.index for tile in tiles] == list(range(4, 4 + len(tiles)))
    covered = [
        (span.contig, x)
        for tile in tiles
        for span in tile.spans
        for x in range(span.start, span.end)
    ]
    assert covered == [(n, x) for n, length in enumerate(lengths) for x in range(length)]
    assert all(tile.length <= size for tile in tiles)
    assert all(span.start < span.end for tile in tiles for span in tile.spans)
    assert all(span.contig_length == lengths[span.contig] for t in tiles for span in t.spans)


def test_tiles_of_everything_are_those_of_whole_contigs():
    genome = contigs(30, 700, 5, 5, 2000, 40, 999)
    everything = {n: [(0, int(length))] for n, length in enumerate(genome.lengths)}
    for size in (1, 7, 40, 1000, 10_000):
        tiles = plan_tiles(None, genome, tile_size=size)
        assert [list(tile.spans) for tile in tiles] == [
            list(tile.spans) for tile in plan_tiles(everything, genome, tile_size=size)
        ]


def test_nothing_to_scan_makes_no_tiles():
    assert plan_tiles({}, contigs(10, 20), tile_size=5) == []


def test_places_are_written_like_regions():
    genome = contigs(25, 30, 10)
    tiles = plan_tiles(None, genome, tile_size=20)
    assert [place(tile, genome) for tile in tiles] == [
        "c0:1-20",
        "c0:21-25",
        "c1:1-20",
        "c1:21 to c2:10 (2 pieces)",
    ]


def test_small_scaffolds_are_packed_together():
    genome = contigs(*[50] * 1000)
    assert len(plan_tiles(None, genome, tile_size=10_000)) == 5
