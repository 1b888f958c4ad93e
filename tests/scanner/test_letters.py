"""What letters there are at hits and around them, and what is passed over for its letters."""

from __future__ import annotations

import json
from dataclasses import replace

import builders
import numpy as np
import pytest
from hit_rows import hits_in, rows

from premir.scanner.cli import main
from premir.scanner.report.evidence import letters

CONTEXT = 20
"""Nucleotides that the default model reads on either side."""


def test_shares_and_context_of_hits_made_by_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(letters, "_PIECE", 3)
    records = [(0, 0, 4, 1), (0, 2, 5, 1), (0, 4, 8, -1), (1, 500, 508, -1), (1, 997, 1000, 1)]
    table, source = hits_in(tmp_path, ["a", "b"], records)
    store = bytearray(source.genome.store.read_bytes())
    store[1000 + 504] = ord("n")
    store[1000 + 510 : 1000 + 512] = b"NN"
    store[999] = ord("N")  # the last of the contig before
    source.genome.store.write_bytes(store)
    masked, unknown = letters.shares(table, source.genome, 4)
    assert masked.tolist() == pytest.approx([0, 1 / 3, 1, 4 / 8, 0])
    assert unknown.tolist() == pytest.approx([0, 0, 0, 3 / 16, 0])
    assert letters.shares(table, source.genome, 0)[1].tolist() == [0, 0, 0, 1 / 8, 0]
    loci = replace(
        table.loci,
        folded_start=table.loci.start - np.array([0, 2, 4, 4, 4]),
        folded_end=table.loci.end + np.array([4, 4, 4, 2, 0]),
    )
    missing = letters.missing_context(replace(table, loci=loci), 4)
    assert missing.tolist() == [4, 2, 0, 2, 4]
    nothing = table.take(table.row < 0)
    assert [each.size for each in letters.shares(nothing, source.genome, 4)] == [0, 0]


def naive(sequences, hit):
    """Missing context and share of unknown letters, by walking from the hit letter by letter."""
    text, start, end = sequences[hit["chrom"]].upper(), int(hit["start"]), int(hit["end"])
    before = text[max(start - CONTEXT, 0) : start][::-1]
    after = text[end : end + CONTEXT]
    folded = sum((side + "N").index("N") for side in (before, after))
    near = before + text[start:end] + after
    return str(2 * CONTEXT - folded), f"{near.count('N') / len(near):.3f}"


@pytest.fixture(scope="module")
def genome():
    """Hairpins ten nucleotides from an end and from an N run, a free one, and one with an N."""
    rng = np.random.default_rng(4)
    flank = [builders.random_sequence(rng, 300, 0.4) for _ in range(6)]
    near, free, beside = builders.PRE_MIRNAS[0][15:], *builders.PRE_MIRNAS[1:3]
    stem = builders.hairpin(rng, stem=34, mismatches=0)
    return {
        "end": near + flank[0],
        "free": flank[1] + free + flank[2],
        "gap": flank[3] + beside[:-15] + "N" * 8 + flank[4],
        "loop": flank[4] + stem[:38] + "NNNN" + stem[42:] + flank[5],
        "tiny": "ACGT",
        "short": "N" * 4,
    }


def test_hits_near_ends_and_unknown_letters_say_so(genome, scan, tmp_path):
    fasta = builders.write_fasta(tmp_path / "genome.fa", genome)
    code, text = scan(fasta, "--min-prob", "0.9")
    hits = rows(text)
    assert code == 0
    for hit in hits:
        assert (hit["missing_context"], hit["unknown_fraction"]) == naive(genome, hit)
    cut = [hit for hit in hits if hit["missing_context"] != "0"]
    assert {hit["unknown_fraction"] == "0.000" for hit in cut} == {True, False}
    assert len(cut) < len(hits)
    summary = json.loads((tmp_path / "hits.bed.summary.json").read_text())
    assert summary["hits_short_of_context"] == len(cut)


def test_counts_are_those_of_the_genome_whatever_its_tiles(genome, tmp_path):
    """In parts too, which leave them in the run directory for whoever writes the output."""
    fasta = builders.write_fasta(tmp_path / "genome.fa", genome)
    told = []
    for name, options in (
        ("whole", ["--report", str(tmp_path / "report.html")]),
        ("parts", ["--tile-size", "350"]),
    ):
        command = [str(fasta), "--out", str(tmp_path / f"{name}.bed"), "-q", *options]
        if name == "parts":
            assert main([*command, "--part", "1/2"]) == main([*command, "--part", "2/2"]) == 0
            command.append("--finalise")
        assert main(command) == 0
        told.append(json.loads((tmp_path / f"{name}.bed.summary.json").read_text())["passed_over"])
    assert told[0] == {
        "short_contigs": 2, "unknown_letters": 16, "with_unknown_letters": 2,
    }  # fmt: skip
    assert told[1] == told[0]
    stems = "2 stem-loops that hold more than 2 % of unknown letters"
    text = f"2 contigs shorter than 40 nt; 16 unknown letters; {stems}"
    assert text in (tmp_path / "report.html").read_text()
