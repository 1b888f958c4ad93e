"""Formats of hits: the same hits as the golden BED file, read by other programs."""

from __future__ import annotations

import dataclasses
import gzip
import json
from urllib.parse import unquote

import pysam
import pytest
import RNA
from golden import DEMO, GOLDEN
from hit_rows import hits_in

from premir.scanner.cli import main
from premir.scanner.report import material as materials
from premir.scanner.report.formats import FORMATS, write_hits
from premir.scanner.report.hits import BED12, Hits, columns_with
from premir.scanner.report.reading import read_hits

BED = GOLDEN / "demo-0.5.bed"
GOLDEN_HITS = list(read_hits(BED))
LINES = [line for line in BED.read_text().splitlines() if line[0] != "#"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The demo genome's hits in a file of some name; the work is done once."""
    folder = tmp_path_factory.mktemp("formats")

    def write(name):
        out = folder / name
        work = ["--work-dir", str(folder / "work"), "--keep-work", "--min-prob", "0.5", "-q"]
        assert main([str(DEMO), "--out", str(out), *work]) == 0
        assert out.with_name(f"{name}.summary.json").exists()
        return out

    return write


def test_tsv_holds_the_lines_of_bed_below_names(written):
    names, *lines = written("hits.tsv").read_text().splitlines()
    assert names.split("\t") == [field.name for field in dataclasses.fields(GOLDEN_HITS[0])]
    assert lines == LINES


@pytest.mark.parametrize("name", ["hits.jsonl", "hits.ndjson.gz"])
def test_json_lines_hold_what_read_hits_gives(written, name):
    path = written(name)
    text = gzip.open(path, "rt").read() if name.endswith("gz") else path.read_text()
    assert [json.loads(line) for line in text.splitlines()] == [
        dataclasses.asdict(hit) for hit in GOLDEN_HITS
    ]


@pytest.mark.parametrize("name", ["hits.fasta", "hits.FA"])
def test_fasta_is_read_by_htslib(written, name):
    with pysam.FastxFile(str(written(name))) as file:
        found = [(each.name, each.sequence, each.comment) for each in file]
    assert [each[:2] for each in found] == [(hit.name, hit.sequence) for hit in GOLDEN_HITS]
    for hit, (_, _, comment) in zip(GOLDEN_HITS, found, strict=True):
        assert comment is not None
        numbers = dict(pair.split("=") for pair in comment.split(" "))
        assert {name: float(text) for name, text in numbers.items()} == {
            name: getattr(hit, name) for name in ("score", "prob", "log_odds", "fp_per_mb", "mfe")
        }


def test_vienna_holds_folds_and_their_energies(written):
    lines = written("hits.vienna").read_text().splitlines()
    assert len(lines) == 3 * len(GOLDEN_HITS)
    for name, sequence, fold in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        structure, energy = RNA.fold(sequence)
        assert fold == f"{structure} ({energy:6.2f})"
        assert name.startswith(">chr") or name.startswith(">scaffold")


def test_gff3_is_read_by_htslib(written):
    path = written("hits.gff3")
    first, *rest = path.read_text().splitlines()
    assert first == "##gff-version 3"
    assert "# sort fasta" in rest
    with path.open() as handle:
        found = list(pysam.tabix_file_iterator(handle, parser=pysam.asGFF3()))
    assert len(found) == len(GOLDEN_HITS)
    for hit, feature in zip(GOLDEN_HITS, found, strict=True):
        assert (feature.contig, feature.start, feature.end) == (hit.chrom, hit.start, hit.end)
        assert (feature.source, feature.feature) == ("premir", "pre_miRNA")
        assert (float(feature.score), feature.strand) == (hit.score, hit.strand)
        attributes = dict(pair.split("=") for pair in feature.attributes.split(";"))
        assert attributes.pop("ID") == hit.name
        for field in dataclasses.fields(hit)[len(BED12) :]:
            assert type(getattr(hit, field.name))(attributes.pop(field.name)) == getattr(
                hit, field.name
            )
        assert not attributes


def test_gff3_escapes_what_it_must_and_leaves_out_what_is_not_there(tmp_path):
    name = "a;b=c,d&e%é|(1)"
    table, source = hits_in(tmp_path / "run", [name], [(0, 10, 26, 1)], [16 * "."])
    write_hits(tmp_path / "hits.gff3", Hits(columns_with((), decoys=False), table, source, []))
    _, line = (tmp_path / "hits.gff3").read_text().splitlines()
    seqid, *_, attributes = line.split("\t")
    assert unquote(seqid) == name
    assert not set(seqid) & set(";=,&(é")
    pairs = dict(pair.split("=") for pair in attributes.split(";"))
    assert unquote(pairs["ID"]) == f"{name}:11-26(+)"
    assert "loop_start" not in pairs
    assert pairs["mfe"] == "-20.00"


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_hits_are_written_piece_by_piece(kind, tmp_path, monkeypatch):
    places = [(0, 20 * n, 20 * n + 16, 1) for n in range(9)]
    table, source = hits_in(tmp_path / "run", ["c"], places)
    hits = Hits(columns_with((), decoys=False), table, source, ["x"])
    path = tmp_path / f"hits.{kind.name}"
    write_hits(path, hits)
    whole = path.read_bytes()
    monkeypatch.setattr(materials, "_CHUNK", 2)
    write_hits(path, hits)
    assert path.read_bytes() == whole
    write_hits(path, Hits(columns_with((), decoys=False), table.take(table.row < 0), source, ["x"]))
    assert len(path.read_bytes()) < len(whole)
