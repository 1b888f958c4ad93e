"""Formats of hits: the same hits as the golden BED file, read by other programs."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

import numpy as np
import pysam
import pytest
import RNA
from builders import reverse_complement
from golden import DEMO, GOLDEN
from hit_rows import hits_in

from premir.scanner.cli import main
from premir.scanner.genome.fasta import read_records
from premir.scanner.options import HitFormat
from premir.scanner.report import material as materials
from premir.scanner.report.evidence.arms import track as arms
from premir.scanner.report.formats import FORMATS, format_of, write_hits
from premir.scanner.report.hits import BED12, Hits, columns_with
from premir.scanner.report.reading import read_hits

BED = GOLDEN / "demo-0.5.bed"
GOLDEN_HITS = list(read_hits(BED))
SHOWN = ("score", "prob", "log_odds", "fp_per_mb", "mfe", "mfe_hairpin")
DETAILS = {column.name for column in arms.TRACK.columns}
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


def test_tsv_holds_what_bed_does_and_details_between(written):
    names, *lines = written("hits.tsv").read_text().splitlines()
    shown = [field.name for field in dataclasses.fields(GOLDEN_HITS[0])]
    columns = names.split("\t")
    assert [name for name in columns if name in shown] == shown
    assert set(columns) - set(shown) == DETAILS
    kept = [n for n, name in enumerate(columns) if name in shown]
    fields = [line.split("\t") for line in lines]
    assert ["\t".join(each[n] for n in kept) for each in fields] == LINES


@pytest.mark.parametrize("name", ["hits.jsonl", "hits.ndjson.gz"])
def test_json_lines_hold_what_read_hits_gives(written, name):
    path = written(name)
    text = gzip.open(path, "rt").read() if name.endswith("gz") else path.read_text()
    objects = [json.loads(line) for line in text.splitlines()]
    assert objects == [dataclasses.asdict(hit) for hit in read_hits(written("hits.tsv"))]
    for found, hit in zip(objects, GOLDEN_HITS, strict=True):
        assert dataclasses.asdict(hit).items() <= found.items()


@pytest.mark.parametrize("name", ["hits.fasta", "hits.FA"])
def test_fasta_is_read_by_htslib(written, name):
    with pysam.FastxFile(str(written(name))) as file:
        found = [(each.name, each.sequence, each.comment) for each in file]
    assert [each[:2] for each in found] == [(hit.name, hit.sequence) for hit in GOLDEN_HITS]
    for hit, (_, _, comment) in zip(GOLDEN_HITS, found, strict=True):
        assert comment is not None
        numbers = dict(pair.split("=") for pair in comment.split(" "))
        assert {name: float(text) for name, text in numbers.items()} == {
            name: getattr(hit, name) for name in SHOWN
        }


def test_vienna_holds_folds_and_their_energies(written):
    lines = written("hits.vienna").read_text().splitlines()
    assert len(lines) == 3 * len(GOLDEN_HITS)
    for name, sequence, fold in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        structure, energy = RNA.fold(sequence.upper())
        assert fold == f"{structure} ({energy:6.2f})"
        assert name.startswith(">chr") or name.startswith(">scaffold")


def test_gff3_is_read_by_htslib(written):
    path = written("hits.gff3")
    first, *rest = path.read_text().splitlines()
    assert first == "##gff-version 3"
    assert "# sort fasta" in rest
    with path.open() as handle:
        features = list(pysam.tabix_file_iterator(handle, parser=pysam.asGFF3()))
    found = [each for each in features if each.feature == "pre_miRNA"]
    assert {each.feature for each in features} == {"pre_miRNA", "miRNA"}
    assert len(found) == len(GOLDEN_HITS)
    for hit, feature in zip(GOLDEN_HITS, found, strict=True):
        assert (feature.contig, feature.start, feature.end) == (hit.chrom, hit.start, hit.end)
        assert (feature.source, feature.feature) == ("premir", "pre_miRNA")
        assert (float(feature.score), feature.strand) == (hit.score, hit.strand)
        attributes = dict(pair.split("=") for pair in feature.attributes.split(";"))
        assert attributes.pop("ID") == hit.name
        for field in dataclasses.fields(hit)[len(BED12) :]:
            value = getattr(hit, field.name)
            if value is not None:
                assert type(value)(attributes.pop(field.name)) == value
        assert not attributes


def test_matures_are_the_letters_of_their_places(written):
    """As features of GFF3 and in FASTA; the genome's letters are there."""
    contigs = {name: text for name, text in read_records(DEMO)}
    expected = {}
    for line in written("hits.gff3").read_text().splitlines():
        if "\tmiRNA\t" not in line:
            continue
        chrom, _, _, start, end, _, strand, _, text = line.split("\t")
        own = dict(pair.split("=", 1) for pair in text.split(";"))
        letters = contigs[chrom][int(start) - 1 : int(end)].upper()
        letters = reverse_complement(letters) if strand == "-" else letters
        rna = letters.replace("T", "U")
        expected[own["ID"]] = (rna, f"arms_from={own['arms_from']}")
    with pysam.FastxFile(str(written("hits.mature.fa"))) as file:
        found = {each.name: (each.sequence, each.comment) for each in file}
    assert found == expected
    assert len(found) > len(GOLDEN_HITS)
    table = list(read_hits(written("hits.tsv")))
    assert {f"{hit.name}-5p" for hit in table if hit.mature_5p_start is not None} <= found.keys()


@pytest.mark.parametrize(
    "name, expected",
    [("a.mature.fa.gz", "mature.fa"), ("mature.fa", "mature.fa"), ("a.fa", "fasta"),
     ("premature.fa", "fasta"), ("A.Mature.FASTA", "mature.fa"), ("x", "bed")],
)  # fmt: skip
def test_the_longest_end_of_a_name_tells_the_format(name, expected):
    assert format_of(Path(name)).name == expected


def test_matures_that_begin_before_their_hits_are_sorted_in(tmp_path):
    places = [(0, 100, 116, 1), (0, 110, 126, 1), (0, 150, 166, 1), (1, 40, 56, 1)]
    table, source = hits_in(tmp_path / "run", ["c", "d"], places)
    start = table.loci.start - np.array([0, 30, 30, 1])
    arm = {"mature_5p_start": start, "mature_5p_end": start + 22}
    origin = np.full(len(table), "fold", object)
    table = dataclasses.replace(table, columns={**arm, "arms_from_5p": origin})
    hits = Hits(columns_with((), decoys=False), table, source, [])
    write_hits(tmp_path / "hits.gff3.gz", hits)
    with gzip.open(tmp_path / "hits.gff3.gz", "rt") as handle:
        lines = [line.split("\t") for line in handle if line[0] != "#"]
    assert [(line[0], int(line[3]) - 1, line[2]) for line in lines] == [
        ("c", 80, "miRNA"), ("c", 100, "pre_miRNA"), ("c", 100, "miRNA"), ("c", 110, "pre_miRNA"),
        ("c", 120, "miRNA"), ("c", 150, "pre_miRNA"), ("d", 39, "miRNA"), ("d", 40, "pre_miRNA"),
    ]  # fmt: skip


def test_gff3_escapes_what_it_must_and_leaves_out_what_is_not_there(tmp_path):
    name = "a;b=c,d&e%é|(1)"
    table, source = hits_in(tmp_path / "run", [name], [(0, 10, 26, 1)], [16 * "."])
    write_hits(tmp_path / "hits.gff3", Hits(columns_with((), decoys=False), table, source, []))
    _, _, line = (tmp_path / "hits.gff3").read_text().splitlines()
    seqid, *_, attributes = line.split("\t")
    assert unquote(seqid) == name
    assert not set(seqid) & set(";=,&(é")
    pairs = dict(pair.split("=") for pair in attributes.split(";"))
    assert unquote(pairs["ID"]) == f"{name}:11-26(+)"
    assert "loop_start" not in pairs
    assert pairs["mfe"] == "-20.00"


def test_all_formats_are_written_by_one_scan(written, tmp_path):
    """Each as by a scan of its own; summary and run directory are named after the first."""
    formats = ("gff3", "bed", "tsv", "jsonl", "fasta", "vienna", "mature.fa")
    names = [*(f"hits.{each}" for each in formats), "x"]
    outs = [word for name in names for word in ("--out", str(tmp_path / name))]
    assert main([str(DEMO), *outs, "--min-prob", "0.5", "--format", "fasta", "-q"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*names, "hits.gff3.summary.json"]
    )
    for name in names[:-1]:
        assert (tmp_path / name).read_bytes() == written(name).read_bytes()
    assert (tmp_path / "x").read_bytes() == (tmp_path / "hits.fasta").read_bytes()


def test_a_format_that_no_file_would_have_is_refused(tmp_path, capsys):
    outs = ["--out", str(tmp_path / "hits.bed"), "--out", str(tmp_path / "hits.tsv.gz")]
    for options, message in (
        (["--format", "vienna"], "--format vienna: every --out asks for another by its name"),
        (["--format", "tsv", "--format", "bed"], "several --format need --out-dir"),
        (["--format", "tsv.gz"], "--format tsv.gz: what is compressed has a name that ends in .gz"),
    ):
        assert main([str(DEMO), *outs, *options]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"premir-scan: error: {message}")
    assert not list(tmp_path.iterdir())


def test_a_stream_gets_the_format_that_is_asked_for(written, capsys):
    assert main([str(DEMO), "--out", "-", "--format", "gff3", "--min-prob", "0.5", "-q"]) == 0
    assert capsys.readouterr().out == written("hits.gff3").read_text()


@pytest.mark.parametrize("sort", ["fasta", "coordinate"])
def test_gff3_that_is_compressed_is_indexed(tmp_path, sort):
    out = tmp_path / "hits.gff3.gz"
    assert main([str(DEMO), "--out", str(out), "--min-prob", "0.5", "--sort", sort, "-q"]) == 0
    hits = [hit for hit in GOLDEN_HITS if hit.chrom == "chr2"]
    with pysam.TabixFile(str(out), parser=pysam.asGFF3()) as index:
        features = [each for each in index.fetch("chr2") if each.feature == "pre_miRNA"]
        found = [(each.start, each.end) for each in features]
        assert found == [(hit.start, hit.end) for hit in hits]
        one = hits[3]
        assert one.start in [each.start for each in index.fetch("chr2", one.end - 1, one.end)]


def test_names_of_formats_are_those_of_the_options():
    assert tuple(kind.name for kind in FORMATS) == get_args(HitFormat)


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_hits_are_written_piece_by_piece(kind, tmp_path, monkeypatch):
    places = [(0, 20 * n, 20 * n + 16, 1) for n in range(9)]
    table, source = hits_in(tmp_path / "run", ["c"], places)
    start = table.loci.start
    arm = {"mature_5p_start": start, "mature_5p_end": start + 5}
    origin = np.full(len(table), "fold", object)
    table = dataclasses.replace(table, columns={**arm, "arms_from_5p": origin})
    hits = Hits(columns_with((), decoys=False), table, source, ["x"])
    path = tmp_path / f"hits.{kind.name}"
    write_hits(path, hits)
    whole = path.read_bytes()
    monkeypatch.setattr(materials, "_CHUNK", 2)
    write_hits(path, hits)
    assert path.read_bytes() == whole
    write_hits(path, Hits(columns_with((), decoys=False), table.take(table.row < 0), source, ["x"]))
    assert len(path.read_bytes()) < len(whole)
