"""Hits on both strands of one place know each other, in regions too."""

from __future__ import annotations

import json
from dataclasses import replace

import builders
import numpy as np
from golden import GOLDEN
from hit_rows import hits_in, rows

from premir.scanner.cli import main
from premir.scanner.genome.letters import Contigs
from premir.scanner.report.evidence import mirror

CONTIGS = Contigs.of(["a", "b"], [1000, 1000], bytes(64))


def naive(records, log_odds):
    """Partners by comparing each hit with each."""
    found = []
    for contig, start, end, strand in records:
        best: tuple[int, tuple[float, ...]] = (-1, (0, -np.inf, -np.inf))
        for m, (c, a, b, s) in enumerate(records):
            shared = min(end, b) - max(start, a)
            if c == contig and s != strand and 2 * shared >= min(end - start, b - a):
                key = (shared, log_odds[m], -a if strand > 0 else b)
                best = max(best, (m, key), key=lambda each: each[1])
        found.append(best[0])
    return found


def test_partners_are_those_of_the_naive_search(tmp_path):
    rng = np.random.default_rng(5)
    for case in range(40):
        count = int(rng.integers(0, 30))
        start = rng.integers(0, 300, count)
        size, contig = rng.integers(10, 60, count), np.sort(rng.integers(0, 2, count))
        strand = rng.choice([1, -1], count)
        records = list(
            zip(*(x.tolist() for x in (contig, start, start + size, strand)), strict=True)
        )
        records.sort()
        table, _ = hits_in(tmp_path / str(case), ["a", "b"], records)
        log_odds = rng.integers(0, 3, count).astype(float)
        table = replace(table, log_odds=log_odds)
        assert mirror.partners(table, CONTIGS).tolist() == naive(records, log_odds)


def test_a_partner_shares_half_of_the_shorter_and_most(tmp_path):
    places = [(0, 0, 16, 1), (0, 8, 24, -1), (0, 100, 116, 1), (0, 109, 125, -1), (1, 0, 16, -1)]
    table, source = hits_in(tmp_path / "a", ["a", "b"], places)
    names, log_odds = mirror.mirror(replace(table, log_odds=np.arange(5.0)), source)
    assert names.tolist() == ["a:9-24(-)", "a:1-16(+)", None, None, None]
    assert log_odds[:2].tolist() == [1, 0]
    assert np.isnan(log_odds[2:]).all()


def naive_worse(records, log_odds):
    """Which hits are beaten on the other strand, by comparing each with each."""
    return [
        any(
            contig == c
            and strand != s
            and 2 * (min(end, b) - max(start, a)) >= min(end - start, b - a)
            and (log_odds[m], s) > (log_odds[n], strand)
            for m, (c, a, b, s) in enumerate(records)
        )
        for n, (contig, start, end, strand) in enumerate(records)
    ]


def test_the_worse_of_two_is_that_of_the_naive_search(tmp_path):
    """Equal ones too; a chain of three loses all but its best where each contests the next."""
    rng = np.random.default_rng(6)
    for case in range(40):
        count = int(rng.integers(0, 30))
        start, size = rng.integers(0, 300, count), rng.integers(10, 60, count)
        contig, strand = np.sort(rng.integers(0, 2, count)), rng.choice([1, -1], count)
        columns = (contig, start, start + size, strand)
        records = sorted(zip(*(x.tolist() for x in columns), strict=True))
        table, _ = hits_in(tmp_path / str(case), ["a", "b"], records)
        log_odds = rng.integers(0, 4, count).astype(float)
        table = replace(table, log_odds=log_odds)
        assert mirror.worse(table, CONTIGS).tolist() == naive_worse(records, log_odds)


def test_best_leaves_out_the_worse_and_nothing_else(small_genome, reference, scan, tmp_path):
    """What stays is as it was, with other tiles, and where a region ends between two hits."""
    hits = rows(reference)
    names = {hit["name"]: n for n, hit in enumerate(hits)}
    places = [
        (hit["chrom"], int(hit["start"]), int(hit["end"]), 1 if hit["strand"] == "+" else -1)
        for hit in hits
    ]
    worse = naive_worse(places, [float(hit["log_odds"]) for hit in hits])
    best = [hit for hit, beaten in zip(hits, worse, strict=True) if not beaten]
    assert 0.5 * len(hits) < len(best) < len(hits)
    options = ("--min-prob", "0", "--strand", "best")
    for more in ((), ("--tile-size", "5000")):
        code, text = scan(small_genome[0], *options, *more)
        assert (code, rows(text)) == (0, best)
        assert "## strand best" in text.splitlines()
    told = json.loads((tmp_path / "hits.bed.summary.json").read_text())
    assert (told["strand"], told["worse_strand"]) == ("best", len(hits) - len(best))

    beaten = next(
        hit
        for hit, lost in zip(hits, worse, strict=True)
        if lost and middle(hit) < middle(hits[names[hit["mirror"]]])
    )
    region = f"{beaten['chrom']}:{max(1, middle(beaten) - 900)}-{middle(beaten) + 1}"
    _, text = scan(small_genome[0], *options, "--regions", region)
    low, high = middle(beaten) - 901, middle(beaten) + 1
    inside = [hit for hit in best if hit["chrom"] == beaten["chrom"] and low <= middle(hit) < high]
    assert rows(text) == inside
    assert beaten not in inside


def test_pairs_know_each_other_and_no_others():
    hits = {hit["name"]: hit for hit in rows((GOLDEN / "demo-0.5.bed").read_text())}
    paired = [hit for hit in hits.values() if hit["mirror"] != "."]
    assert 2 < len(paired) < len(hits)
    for hit in paired:
        other = hits[hit["mirror"]]
        assert hit["strand"] != other["strand"]
        assert hit["mirror_log_odds"] == other["log_odds"]


def test_a_partner_outside_of_the_region_is_named(small_genome, reference, scan):
    """The lines are those of the scan of everything, also where a region ends between two hits."""
    hits = {hit["name"]: hit for hit in rows(reference)}
    hit = next(
        hit
        for hit in hits.values()
        if hit["mirror"] != "." and middle(hit) < middle(hits[hit["mirror"]])
    )
    region = f"{hit['chrom']}:{max(1, middle(hit) - 200)}-{middle(hit) + 1}"
    code, text = scan(small_genome[0], "--min-prob", "0", "--regions", region)
    found = {each["name"]: each for each in rows(text)}
    assert code == 0
    assert found[hit["name"]] == hit
    assert hit["mirror"] not in found


def middle(hit):
    return (int(hit["start"]) + int(hit["end"])) // 2


def test_the_reverse_complement_has_the_same_pairs(tmp_path):
    sequences, _ = builders.default_hits_genome()
    letters = sequences["chr2"]
    pairs = []
    for n, text in enumerate((letters, builders.reverse_complement(letters))):
        fasta = builders.write_fasta(tmp_path / f"{n}.fa", {"c": text})
        out = tmp_path / f"{n}.bed"
        assert main([str(fasta), "--out", str(out), "--min-prob", "0.01", "-q"]) == 0
        hits = {hit["name"]: hit for hit in rows(out.read_text())}
        paired = [(hit, hits[hit["mirror"]]) for hit in hits.values() if hit["mirror"] != "."]
        pairs.append([[(int(x["start"]), int(x["end"])) for x in each] for each in paired])
    turned = [[(len(letters) - b, len(letters) - a) for a, b in each] for each in pairs[1]]
    assert sorted(turned) == sorted(pairs[0]) != []
