from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premir.scanner.find.loci import Loci
from premir.scanner.genome.letters import Contigs
from premir.scanner.genome.tiles import plan_tiles
from premir.scanner.report.merging import groups_of_contigs, inside, merge
from premir.scanner.report.table import HitTable

CONTIGS = Contigs.of(["a", "b"], [2000, 1000], bytes(64))


def scored(records):
    """Records of (contig, start, end, strand, log odds)."""
    contig, start, end, strand, log_odds = np.array(records, float).reshape(-1, 5).T
    count = len(records)
    loci = Loci(
        contig.astype(np.int32),
        start.astype(np.int64),
        end.astype(np.int64),
        strand.astype(np.int8),
        np.zeros(count, np.int16),
        start.astype(np.int64),
        end.astype(np.int64),
    )
    return HitTable(loci, log_odds, np.zeros(count, np.int64), np.arange(count))


def naive_merge(records):
    """Greedy by log odds, then length, then 5' end in the hairpin's own orientation."""

    def rank(record):
        _, start, end, strand, log_odds = record
        return -log_odds, start - end, start if strand > 0 else -end

    kept: list[tuple[int, int, int, int, float]] = []
    for record in sorted(records, key=rank):
        contig, start, end, strand, _ = record
        if not any(
            (contig, strand) == (k[0], k[3])
            and 2 * (min(end, k[2]) - max(start, k[1])) >= min(end - start, k[2] - k[1])
            for k in kept
        ):
            kept.append(record)
    return sorted(kept, key=lambda k: (k[0], k[1], k[2], -k[3]))


def records_of(result):
    loci = result.loci
    return list(
        zip(
            loci.contig.tolist(),
            loci.start.tolist(),
            loci.end.tolist(),
            loci.strand.tolist(),
            result.log_odds.tolist(),
            strict=True,
        )
    )


record = st.tuples(
    st.integers(0, 1),
    st.integers(0, 400),
    st.integers(40, 160),
    st.sampled_from([1, -1]),
    st.sampled_from([-1.5, 0.5, 16.0, 17.0]),  # the last two are one probability
).map(lambda r: (r[0], r[1], r[1] + r[2], r[3], r[4]))


@given(st.lists(record, min_size=1, max_size=40, unique_by=lambda r: r[:4]))
@settings(max_examples=200)
def test_merge_equals_the_obvious_one(records):
    merged, certain = merge(scored(records), CONTIGS, longest=160, scanned=None)
    assert certain.all()
    assert records_of(merged) == naive_merge(records)


@given(
    st.lists(record, min_size=1, max_size=40, unique_by=lambda r: r[:4]),
    st.integers(0, 1),
    st.integers(0, 300),
    st.integers(1, 800),
)
@settings(max_examples=300)
def test_certain_hits_stay_when_more_is_scanned(records, contig, start, size):
    end = min(start + size, CONTIGS[contig].length)
    records = [r for r in records if r[0] == contig]
    seen = [r for r in records if start <= (r[1] + r[2]) // 2 < end]
    if not seen:
        return
    merged, certain = merge(scored(seen), CONTIGS, longest=160, scanned={contig: [(start, end)]})
    truth = naive_merge(records)
    sure = [r for r, ok in zip(records_of(merged), certain, strict=True) if ok]
    assert set(sure) <= set(truth)
    # Nothing that the whole scan reports may be missing without being marked as open.
    assert {r for r in truth if start <= (r[1] + r[2]) // 2 < end} <= set(records_of(merged))


@pytest.mark.parametrize(
    "scanned, middle, certain",
    [
        ((500, 2000), 659, False),
        ((500, 2000), 660, True),
        ((0, 500), 340, False),
        ((0, 500), 339, True),
    ],
)
def test_what_lies_within_the_longest_length_of_a_border_is_open(scanned, middle, certain):
    hit = (0, middle - 20, middle + 20, 1, 0.9)
    _, sure = merge(scored([hit]), CONTIGS, longest=160, scanned={0: [scanned]})
    assert sure.tolist() == [certain]


def test_ends_of_contigs_are_no_borders():
    records = [(0, 0, 100, 1, 0.5), (0, 1900, 2000, 1, 0.5), (1, 0, 100, 1, 0.5)]
    whole = {0: [(0, 2000)], 1: [(0, 1000)]}
    _, certain = merge(scored(records), CONTIGS, longest=160, scanned=whole)
    assert certain.all()


def test_tiles_of_a_contig_come_together_whenever_they_were_made():
    genome = Contigs.of(["a", "b", "c"], [2000, 1000, 50], bytes(96))
    middle = plan_tiles({0: [(500, 900)], 1: [(300, 600)]}, genome, tile_size=200)
    around = {0: [(100, 500), (900, 1300)], 1: [(0, 300)], 2: [(0, 50)]}
    tiles = [*middle, *plan_tiles(around, genome, tile_size=200, first_index=len(middle))]
    groups = list(groups_of_contigs(tiles))
    assert sorted(tile.index for group in groups for tile in group) == list(range(len(tiles)))
    contigs = [{int(n) for tile in group for n in tile.spans.contig} for group in groups]
    assert [sorted(group) for group in contigs] == [[0], [1, 2]]  # b and c share a tile
    for group in groups:
        places = [(tile.spans.contig[0], tile.spans.start[0]) for tile in group]
        assert places == sorted(places)


def test_a_chain_of_doubt_ends_where_a_certain_hit_decides():
    # 0.9 is out of reach of the border and displaces 0.8, whatever 0.8's left neighbours are.
    records = [(0, 300, 400, 1, 0.7), (0, 340, 440, 1, 0.8), (0, 380, 480, 1, 0.9)]
    merged, certain = merge(scored(records), CONTIGS, longest=100, scanned={0: [(300, 2000)]})
    assert records_of(merged) == [(0, 300, 400, 1, 0.7), (0, 380, 480, 1, 0.9)]
    assert certain.tolist() == [False, True]


@pytest.mark.parametrize("strand", [1, -1])
def test_ties_go_to_the_longer_then_to_the_five_prime_one(strand):
    longer = [(0, 100, 200, strand, 0.5), (0, 110, 215, strand, 0.5)]
    merged, _ = merge(scored(longer), CONTIGS, longest=160, scanned=None)
    assert records_of(merged) == [longer[1]]
    equal = [(0, 100, 200, strand, 0.5), (0, 110, 210, strand, 0.5)]
    merged, _ = merge(scored(equal), CONTIGS, longest=160, scanned=None)
    assert records_of(merged) == [equal[0] if strand > 0 else equal[1]]


def test_inside_goes_by_the_mid_point():
    loci = scored([(0, 0, 100, 1, 1.0), (0, 1, 100, 1, 1.0), (1, 0, 100, 1, 1.0)]).loci
    assert inside(loci, {0: [(50, 60)]}).tolist() == [True, True, False]
    assert inside(loci, {0: [(51, 60)]}).tolist() == [False, False, False]
    assert inside(loci, {0: [(40, 50)], 1: [(50, 51)]}).tolist() == [False, False, True]
