"""The columns kin and kin_llr, and what they do to hits."""

from __future__ import annotations

import json

import builders
import naive
import numpy as np
import pytest

from premir.kernels.kin import _DROP, _FEWEST, MOST, WORD, least_score
from premir.scanner.cli import main
from premir.scanner.errors import InputError
from premir.scanner.options import Search
from premir.scanner.report.evidence import pieces, rates_of
from premir.scanner.report.reading import read_hits
from premir.scanner.score.shipped import DEFAULT_MODEL, HAIRPIN_MODEL, load_model
from premir.train.kin import measure_kin

ALONE = ("--known", "none")


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    """A genome in which one hairpin stands six times, in part changed, and its hits without kin."""
    rng = np.random.default_rng(8)
    folder = tmp_path_factory.mktemp("kin")
    unit, other = builders.PRE_MIRNAS[:2]
    parts = [builders.random_sequence(rng, 700, 0.4) for _ in range(8)]
    inserts = [unit, builders.reverse_complement(unit), other]
    for changes in (4, 6, 8):
        letters = list(unit)
        for place in rng.choice(len(unit), changes, replace=False):
            letters[place] = "ACGT"[int(rng.integers(4))]
        inserts.append("".join(letters))
    contig = "".join(a + b for a, b in zip(parts, inserts, strict=False))
    sequences = {"chr1": contig + "N" * 30 + parts[-1], "short": unit[10:60], "tail": unit}
    path = builders.write_fasta(folder / "g.fa", sequences)
    return folder, path, sequences


def scanned(repeated, name, *options):
    folder, path, _ = repeated
    out = folder / f"{name}.bed"
    assert main([str(path), "--out", str(out), "-q", *ALONE, *map(str, options)]) == 0
    return list(read_hits(out)), out


def expected_kin(sequences, hit):
    contigs = [naive.encode(text) for text in sequences.values()]
    here = list(sequences).index(hit.chrom)
    strand = 1 if hit.strand == "+" else -1
    least = least_score(120, sum(map(len, contigs)))
    rules = {"k": WORD, "fewest": _FEWEST, "drop": _DROP, "least": least, "most": MOST}
    return naive.kin(contigs, here, (hit.start, hit.end), strand, **rules)


def test_kin_are_counted_and_taken_from_log_odds(repeated):
    hits, out = scanned(repeated, "all", "--min-prob", 0.5)
    assert [hit.kin for hit in hits] == [expected_kin(repeated[2], hit) for hit in hits]
    assert {0, 6} <= {hit.kin for hit in hits}
    for hit in hits:
        assert hit.kin_llr == pytest.approx(-np.log1p(hit.kin), abs=5e-4)
    assert json.loads(out.with_name("all.bed.summary.json").read_text())["kin"] == "weigh"


def test_without_kin_hits_are_those_of_the_model(repeated):
    hits, out = scanned(repeated, "none", "--min-prob", 0.5, "--kin", "none")
    weighed = {hit.name: hit for hit in scanned(repeated, "all", "--min-prob", 0.5)[0]}
    assert not hasattr(hits[0], "kin")
    assert weighed.keys() <= {hit.name for hit in hits}
    for hit in hits:
        if hit.name in weighed:
            found = weighed[hit.name]
            assert found.prob == hit.prob
            assert found.log_odds == pytest.approx(hit.log_odds - np.log1p(found.kin), abs=2e-6)
    assert "## kin none" in out.read_text()


def test_the_same_bytes_whatever_the_tiles_threads_and_pieces(repeated, monkeypatch):
    _, out = scanned(repeated, "all", "--min-prob", 0.5)
    monkeypatch.setattr(pieces, "_PIECE", 400)
    options = ("--min-prob", 0.5, "--tile-size", 1_000, "--threads", 3)
    assert scanned(repeated, "pieces", *options)[1].read_bytes() == out.read_bytes()


def test_the_reverse_complement_has_the_same_kin(repeated):
    folder, _, sequences = repeated
    turned = {name: builders.reverse_complement(text) for name, text in sequences.items()}
    path = builders.write_fasta(folder / "turned.fa", turned)
    found, _ = scanned((folder, path, turned), "turned", "--min-prob", 0.5)
    hits, _ = scanned(repeated, "all", "--min-prob", 0.5)

    def key(hit, size=None):
        start, end, strand = hit.start, hit.end, hit.strand
        if size is not None:
            start, end, strand = size - end, size - start, {"+": "-", "-": "+"}[strand]
        return hit.chrom, start, end, strand, hit.kin, hit.log_odds

    mirrored = {key(hit, len(sequences[hit.chrom])) for hit in found}
    assert mirrored == {key(hit) for hit in hits}


def test_models_whose_card_knows_no_shares_count_kin_and_weigh_nothing(repeated):
    hits, _ = scanned(repeated, "paper", "--model", HAIRPIN_MODEL, "--min-prob", 0.5)
    assert any(hit.kin for hit in hits)
    assert all(hit.kin_llr == 0 for hit in hits)
    model = load_model(DEFAULT_MODEL)
    search = {"genome": repeated[1], "model": model, "min_prob": 0.5}
    lowered, alone = (rates_of(Search(**search, kin=kin)) for kin in (True, False))
    assert lowered is not None
    assert alone is not None
    assert model.false_calls is not None
    at = np.array([2.0, 9.0])
    assert (lowered.per_mb(at) < 0.8 * alone.per_mb(at)).all()
    assert (alone.per_mb(at) == model.false_calls.per_mb(at)).all()


def test_shares_are_those_of_hits(repeated):
    hits, out = scanned(repeated, "all", "--min-prob", 0.5)
    table = measure_kin([out, out])
    assert table["hits"] == 2 * len(hits)
    assert table["share"][0] == pytest.approx(np.mean([hit.kin == 0 for hit in hits]), abs=1e-6)
    assert len(table["share"]) == MOST + 1
    _, without = scanned(repeated, "none", "--min-prob", 0.5, "--kin", "none")
    with pytest.raises(InputError, match=r"none\.bed: has no column kin"):
        measure_kin([without])
