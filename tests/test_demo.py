from __future__ import annotations

import runpy
from itertools import pairwise
from pathlib import Path

import builders
import pytest

from premir.scanner.find import viennarna
from premir.scanner.find.candidates import Extractor, candidates_of
from premir.scanner.genome.fasta import read_records
from premir.scanner.genome.letters import open_genome

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(scope="module")
def demo() -> dict[str, str]:
    return dict(read_records(EXAMPLES / "demo.fa"))


Place = tuple[str, int, int, str]


@pytest.fixture(scope="module")
def truth() -> list[Place]:
    rows = [line.split("\t") for line in (EXAMPLES / "demo.truth.bed").read_text().splitlines()]
    assert all(len(row) == 6 for row in rows)
    return [(row[0], int(row[1]), int(row[2]), row[5]) for row in rows]


def make(folder: Path, *options: str) -> list[bytes]:
    main = runpy.run_path(str(EXAMPLES / "make_demo.py"))["main"]
    assert main(["--folder", str(folder), *options]) == 0
    return [(folder / name).read_bytes() for name in ("demo.fa", "demo.truth.bed")]


def test_making_the_demo_again_gives_the_same_bytes(tmp_path: Path) -> None:
    committed = [(EXAMPLES / name).read_bytes() for name in ("demo.fa", "demo.truth.bed")]
    assert make(tmp_path) == committed
    assert make(tmp_path, "--seed", "1") != committed


def test_demo_is_what_it_says(demo: dict[str, str], truth: list[Place]) -> None:
    assert {name: len(sequence) for name, sequence in demo.items()} == {
        "chr1": 128_000,
        "chr2": 70_000,
        "scaffold3": 1_800,
    }
    assert demo["chr2"].count("N") == 500
    assert demo["chr2"][41_000:41_500] == "N" * 500
    assert not demo["chr1"].count("N")
    assert set(demo["chr1"]) == set("ACGT")
    assert set(demo["chr2"]) == set("ACGTacgtN")
    assert 1_000 < sum(letter.islower() for letter in demo["chr2"]) < 20_000
    assert len(truth) == 20
    assert sum(strand == "+" for _, _, _, strand in truth) == 10
    assert {contig for contig, _, _, _ in truth} == set(demo)
    assert truth == sorted(truth)
    for (contig, _, end, _), (other, start, _, _) in pairwise(truth):
        assert contig != other or start > end + 100


def test_one_planted_hairpin_is_partly_masked(demo: dict[str, str], truth: list[Place]) -> None:
    masked = [
        sum(letter.islower() for letter in demo[contig][start:end]) / (end - start)
        for contig, start, end, _ in truth
    ]
    assert sum(0.4 < share < 0.6 for share in masked) == 1


def test_planted_hairpins_fold_into_hairpins(demo: dict[str, str], truth: list[Place]) -> None:
    for contig, start, end, strand in truth:
        sequence = demo[contig][start:end].upper()
        sequence = sequence if strand == "+" else builders.reverse_complement(sequence)
        assert 60 <= len(sequence) <= 110
        [(structure, mfe)] = viennarna.fold([sequence.replace("T", "U")])
        assert mfe < -1500, (contig, start)
        assert structure.count("(") >= 18, (contig, start)
        assert structure.rindex("(") < structure.index(")"), f"{contig}:{start} branches"


def test_planted_hairpins_are_candidates(truth: list[Place]) -> None:
    """Found by the rule of a scan's evaluation: half covered, mid-points at most 25 nt apart."""
    with open_genome(EXAMPLES / "demo.fa") as genome:
        [candidates] = candidates_of(genome, Extractor(), folder=None)
    loci = candidates.loci
    for contig, start, end, strand in truth:
        number = [c.name for c in genome.contigs].index(contig)
        same = (loci.contig == number) & (loci.strand == (1 if strand == "+" else -1))
        shared = loci.end.clip(max=end) - loci.start.clip(min=start)
        near = abs(loci.start + loci.end - start - end) <= 50
        assert (same & near & (2 * shared >= end - start)).any(), (contig, start)
