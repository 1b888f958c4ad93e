"""Contig names that readers of BED take for comments: refused, and no others."""

from __future__ import annotations

import shutil
import subprocess

import builders
import pysam
import pytest
from data_sets import data_dir
from hit_rows import hits_in

from premir.scanner.cli import main
from premir.scanner.genome.bed_names import lost_in_bed
from premir.scanner.report import formats
from premir.scanner.report.hits import Hits, columns_with

LOST = ("#c1", "#", ">c", "!c", "track", "track1", "Track_1", "TRACKER", "browser_1", "visibility",
        "chrom", "Chrom")  # fmt: skip
KEPT = ("chr1", "c#1", "xtrack1", "trac", "browse", "chrom1", "Chromosome_2", "chromStart", "@c",
        "a>b", "HLA:A*01", "%c", "é", "1")  # fmt: skip


def write_hits(path, *names):
    """Two hits on each of some contigs."""
    places = [(n, start, start + 60, 1) for n in range(len(names)) for start in (10, 100)]
    table, material = hits_in(path.parent / "run", names, places)
    formats.write_hits(path, Hits(columns_with((), decoys=False), table, material, ["x"]))


def by_bedtools(path):
    """Contigs of the lines that bedtools sees."""
    if shutil.which("bedtools") is None:
        pytest.skip("bedtools is not installed")
    command = ["bedtools", "intersect", "-u", "-a", path, "-b", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def by_tabix(path):
    with pysam.TabixFile(str(path), encoding="utf-8") as file:
        return [line.split("\t")[0] for name in file.contigs for line in file.fetch(name)]


def test_lost_and_kept_names():
    assert all(lost_in_bed(name) for name in LOST)
    assert not any(lost_in_bed(name) for name in KEPT)


def test_bedtools_drops_hits_on_contigs_of_lost_names(tmp_path):
    path = tmp_path / "hits.bed"
    for name in LOST:
        write_hits(path, "chr1", name)
        assert name not in by_bedtools(path)


@pytest.mark.parametrize("tool, name", [(by_bedtools, "hits.bed"), (by_tabix, "hits.bed.gz")])
def test_no_hit_on_an_accepted_contig_is_lost(tmp_path, tool, name):
    path = tmp_path / name
    write_hits(path, *KEPT)
    assert sorted(tool(path)) == sorted(2 * KEPT)


def test_tabix_drops_hits_on_contigs_that_begin_with_a_hash(tmp_path):
    path = tmp_path / "hits.bed.gz"
    write_hits(path, "chr1", "#c1")
    assert by_tabix(path) == ["chr1", "chr1"]


@pytest.mark.parametrize("option", ["--out", "--candidates"])
def test_lost_names_are_refused_with_the_remedy(tmp_path, capsys, option):
    path = tmp_path / "genome.fa"
    builders.write_fasta(path, {"#c1": "ACGT" * 9, "ok": "ACGT", "track1": "ACGT"}, width=0)
    assert main([str(path), option, str(tmp_path / "o.bed"), "-q"]) == 2
    why = (
        "bedtools or tabix take lines that begin with this name for comments and lose the hits; "
        "rename the contig, for instance to"
    )
    assert capsys.readouterr().err.splitlines() == [
        f"premir-scan: error: {path}: #c1:1: {why} 'c_c1'",
        f"premir-scan: error: {path}: track1:5: {why} 'c_track1'",
    ]
    assert list(tmp_path.iterdir()) == [path]


def test_given_hairpins_may_have_any_name(tmp_path):
    builders.write_fasta(tmp_path / "s.fa", {name: "GGGGAAACCCC" for name in LOST})
    command = ["--hairpins", str(tmp_path / "s.fa"), "--out", str(tmp_path / "o"), "-q"]
    assert main(command) == 0


def test_names_of_the_cases(tmp_path, capsys):
    path = data_dir("cases") / "names_lost_downstream.fa"
    assert main([str(path), "--out", str(tmp_path / "hits.bed"), "-q"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[3] for line in lines] == ["#contig1:1", "track1:3", "browser_1:5"]
