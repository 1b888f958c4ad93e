"""The default command: shipped network, its threshold and its gates."""

from __future__ import annotations

from premir.scanner.hits import COLUMNS


def rows(text):
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines]


def test_planted_pre_mirnas_are_hits(default_genome, default_scan):
    hits = rows(default_scan[0])
    for contig, start, end, name, strand in default_genome[2]:
        assert any(
            hit["chrom"] == contig
            and hit["strand"] == strand
            and start <= int(hit["start"])
            and int(hit["end"]) <= end
            for hit in hits
        ), name


def test_every_stage_drops_something(default_scan):
    text, summary = default_scan
    stages = ("candidates", "folded", "scored", "above_threshold", "hits")
    counts = [summary[stage] for stage in stages]
    assert counts == sorted(set(counts), reverse=True)
    assert counts[-1] == len(rows(text)) > 30
