"""Hits by coordinate: the order of sort itself, the same lines, and shards that are read once."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace

import builders
import numpy as np
import pytest
from hit_rows import STRUCTURE, folds, hits_in

from premir.scanner.cli import main
from premir.scanner.find.shards import read_hairpins
from premir.scanner.report import material as materials
from premir.scanner.report.formats import write_hits
from premir.scanner.report.hits import Hits, columns_with
from premir.scanner.report.ordering import sorted_hits

NAMES = ["chr10", "chr2", "Chr1", "é", "chr1", "scaffold_2", "scaffold.10", "1", "chr2-b"]


def by_sort(lines):
    """Lines as the program ``sort`` puts them."""
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        ["sort", "-k1,1", "-k2,2n"], input=text, capture_output=True, text=True, check=True,
        env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    return done.stdout.splitlines()


def parts(path):
    lines = path.read_text().splitlines()
    return [x for x in lines if x[0] == "#"], [x for x in lines if x[0] != "#"]


@pytest.fixture
def written(tmp_path):
    """Hits on contigs whose names sort otherwise, in both orders, as lines."""

    def write(table, material):
        found = []
        for sort in ("fasta", "coordinate"):
            path = tmp_path / f"{sort}.bed"
            with sorted_hits(table, material, sort) as (some, source):
                write_hits(path, Hits(columns_with((), decoys=False), some, source, []))
            found.append(parts(path)[1])
        return found

    return write


def test_lines_are_those_of_sort(tmp_path, written, monkeypatch):
    """Also where hits begin at the same place, end at 99 and 100, or lie on both strands."""
    monkeypatch.setattr(materials, "_CHUNK", 4)
    rng = np.random.default_rng(5)
    structures = [STRUCTURE, "(((((......)))))", 16 * "."]
    places = [
        (contig, start, start + length, strand)
        for contig in range(len(NAMES))
        for start in (9, 83, 84, 100)
        for length in (15, 16, 17)
        for strand in (1, -1)
        if rng.random() < 0.7
    ]
    folded = [structures[n] for n in rng.integers(3, size=len(places))]
    table, source = hits_in(tmp_path / "run", NAMES, places, folded)
    plain, ordered = written(table, source)
    assert len(plain) == len(places) > 100
    assert ordered == by_sort(plain) != plain


def test_no_hits_are_no_lines(tmp_path, written):
    table, source = hits_in(tmp_path / "run", NAMES, [(0, 0, 16, 1)])
    assert written(table.take(np.zeros(0, np.int64)), source) == [[], []]


def test_corrected_folds_go_along(tmp_path, written):
    table, source = hits_in(tmp_path / "run", ["b", "a"], [(0, 0, 16, 1), (1, 0, 16, 1)])
    other = "(((((......)))))"
    source = replace(source, corrected={(0, 0): folds([other])[0]})
    _, ordered = written(table, source)
    assert [line.split("\t")[-1] for line in ordered] == [STRUCTURE, other]


@pytest.fixture(scope="module")
def scattered(tmp_path_factory):
    """Hairpins on contigs whose names do not follow each other."""
    letters, _ = builders.default_hits_genome()
    letters = {f"c{7 * n % 11}": text for n, text in enumerate(letters.values())}
    path = tmp_path_factory.mktemp("scattered") / "genome.fa"
    builders.write_fasta(path, letters)
    return path, list(letters)


def test_a_scan_by_coordinate_has_the_same_lines_and_says_so(scattered, tmp_path, monkeypatch):
    """Whatever the tiles, in one genome or among many; each shard is read once."""
    genome, names = scattered
    read = []

    def counted(path):
        read.append(path)
        return read_hairpins(path)

    monkeypatch.setattr(materials, "read_hairpins", counted)
    monkeypatch.setattr(materials, "_CHUNK", 1)

    def scan(*options):
        read.clear()
        out = tmp_path / "hits.bed"
        assert main([str(genome), "--out", str(out), "--min-prob", "0.5", "-q", *options]) == 0
        return parts(out)

    head, plain = scan("--tile-size", "3000")
    assert "## sort fasta" in head
    times = len(read)
    assert times > 3 * len(names)  # by the copies, the second opinion and the writer
    found = list(dict.fromkeys(line.split("\t")[0] for line in plain))
    assert found == [name for name in names if name in found] != sorted(found)
    sorted_head, ordered = scan("--sort", "coordinate", "--tile-size", "3000")
    assert sorted_head == [line.replace("sort fasta", "sort coordinate") for line in head]
    assert ordered == by_sort(plain)
    assert len(read) == times
    assert scan("--sort", "coordinate") == (sorted_head, ordered)
    many = ["--out-dir", str(tmp_path), "--min-prob", "0.5", "--sort", "coordinate", "-q"]
    assert main([str(genome), *many]) == 0
    assert parts(tmp_path / "genome.bed") == (sorted_head, ordered)


def test_bedtools_takes_it_for_sorted(scattered, tmp_path):
    if shutil.which("bedtools") is None:
        pytest.skip("bedtools is not installed")
    out = tmp_path / "hits.bed"
    options = ["--min-prob", "0.5", "--sort", "coordinate", "-q"]
    assert main([str(scattered[0]), "--out", str(out), *options]) == 0
    command = ["bedtools", "intersect", "-sorted", "-u", "-a", str(out), "-b", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == parts(out)[1]
