from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import builders
import numpy as np
import pytest

from premir.kernels.codes import decode
from premir.scanner.find.candidates import PRESETS, Extractor, find_candidates
from premir.scanner.find.loci import Loci
from premir.scanner.genome.letters import read_genome
from premir.scanner.genome.tiles import plan_tiles

Rows = list[tuple[str, int, int, str, int, str]]


def patchwork(seed: int, n: int, gap: int = 90) -> str:
    """Stretches of very different GC share, hairpins and two runs of N."""
    rng = np.random.default_rng(seed)
    parts: list[str] = []
    while sum(map(len, parts)) < n:
        share = float(rng.choice([0.25, 0.4, 0.6, 0.75]))
        parts.append(builders.random_sequence(rng, int(rng.integers(150, 900)), share))
        parts.append(builders.hairpin(rng, stem=int(rng.integers(22, 34)), gc=share))
    sequence = "".join(parts)[:n]
    for at in (n // 3, n // 2):
        sequence = sequence[:at] + "N" * gap + sequence[at + gap :]
    return sequence


def rows_of(folder: Path, sequences: dict[str, str], extractor: Extractor, tile_size: int) -> Rows:
    """Candidates of all tiles, with their folded sequences."""
    folder.mkdir(exist_ok=True)
    source = builders.write_fasta(folder / "genome.fa", sequences)
    genome = read_genome(source, folder / "letters")
    rows: Rows = []
    for tile in plan_tiles(None, genome.contigs, tile_size=tile_size):
        loci, codes, borders = find_candidates(genome.store, tile, extractor)
        assert isinstance(loci, Loci)
        for k in range(len(loci)):
            rows.append(
                (
                    genome.contigs[loci.contig[k]].name,
                    int(loci.start[k]),
                    int(loci.end[k]),
                    "+" if loci.strand[k] > 0 else "-",
                    int(loci.stem_energy[k]),
                    decode(codes[borders[k] : borders[k + 1]]),
                )
            )
    return sorted(rows)


@pytest.fixture(scope="module")
def sequences() -> dict[str, str]:
    return {"one": patchwork(1, 40_000), "two": patchwork(2, 9_001), "three": patchwork(3, 500)}


LOOSE = {name: replace(preset, highest_energy=-1200) for name, preset in PRESETS.items()}


@pytest.mark.parametrize("preset", ["animal", "plant", "virus"])
@pytest.mark.parametrize("context", [0, 17])
def test_same_candidates_for_every_tile_size(
    tmp_path: Path, sequences: dict[str, str], preset: str, context: int
) -> None:
    extractor = replace(LOOSE[preset], context_nt=context)
    expected = rows_of(tmp_path, sequences, extractor, 1_000_000)
    assert len(expected) > 500
    for tile_size in (1_000, 4_097, 10_000):
        assert rows_of(tmp_path, sequences, extractor, tile_size) == expected


@pytest.mark.parametrize("preset", ["animal", "plant", "virus"])
def test_reverse_complement_mirrors(tmp_path: Path, sequences: dict[str, str], preset: str) -> None:
    extractor = LOOSE[preset]
    expected = rows_of(tmp_path / "a", sequences, extractor, 10_000)
    opposite = {name: builders.reverse_complement(s) for name, s in sequences.items()}
    mirrored = [
        (name, len(sequences[name]) - end, len(sequences[name]) - start, "-+"[side == "-"], *rest)
        for name, start, end, side, *rest in rows_of(tmp_path / "b", opposite, extractor, 10_000)
    ]
    assert sorted(mirrored) == expected


def test_candidates_depend_on_letters_as_far_as_the_halo_and_no_further(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    hairpin = builders.hairpin(rng)
    extractor = PRESETS["animal"]
    energies = []
    for far in ("A", "G"):
        near = builders.random_sequence(np.random.default_rng(6), extractor.halo)
        sequence = far * 800 + near + hairpin + near + far * 800
        rows = rows_of(tmp_path, {"x": sequence}, extractor, 1_000_000)
        middle = len(sequence) // 2
        energies.append([row[4] for row in rows if row[1] < middle < row[2] and row[3] == "+"])
    assert energies[0] == energies[1] != []


def test_composition_decides_what_a_stem_is_worth(tmp_path: Path) -> None:
    """The same hairpin is rarer, and so better, where its letters are rare."""
    hairpin = builders.hairpin(np.random.default_rng(5), gc=0.7)
    energy = {}
    for gc in (0.2, 0.8):
        flank = builders.random_sequence(np.random.default_rng(6), 1_000, gc)
        rows = rows_of(tmp_path, {"x": flank + hairpin + flank}, Extractor(), 1_000_000)
        energy[gc] = min(
            (row[4] for row in rows if row[1] < 1_000 + len(hairpin) // 2 < row[2]), default=9_999
        )
    assert energy[0.2] < energy[0.8]


def test_overhang_beside_contig_ends_and_unknown_letters(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    stem = builders.hairpin(rng, mismatches=0)
    flush = {"ends": stem, "known": "N" * 50 + stem + "N" * 50, "free": "A" * 9 + stem + "A" * 9}
    rows = rows_of(tmp_path, flush, Extractor(), 1_000_000)
    spans = {name: (start, end) for name, start, end, strand, *_ in rows if strand == "+"}
    assert spans["ends"] == (0, len(stem))
    assert spans["known"] == (50, 50 + len(stem))
    assert spans["free"] == (9 - Extractor().overhang, 9 + len(stem) + Extractor().overhang)


@pytest.mark.parametrize("preset", ["animal", "plant", "virus"])
def test_presets_limit_length_and_energy(
    tmp_path: Path, sequences: dict[str, str], preset: str
) -> None:
    extractor = PRESETS[preset]
    rows = rows_of(tmp_path, sequences, extractor, 1_000_000)
    lengths = [end - start for _, start, end, *_ in rows]
    assert rows
    assert max(lengths) <= extractor.max_span == extractor.longest
    assert min(lengths) >= extractor.min_span
    assert all(row[4] <= extractor.highest_energy for row in rows)
    assert all(set(row[5]) <= set("ACGU") for row in rows)
    assert [len(row[5]) for row in rows] == lengths


def test_animal_is_the_default() -> None:
    assert PRESETS["animal"] == Extractor()
    assert set(PRESETS) == {"animal", "plant", "virus"}


@pytest.mark.parametrize("letters", ["A", "G", "N", "ACGU", "G" * 300, "GC" * 200, "N" * 300])
def test_little_or_nothing_to_find(tmp_path: Path, letters: str) -> None:
    for kind in ("stems", "windows"):
        rows = rows_of(tmp_path, {"x": letters}, Extractor(kind=kind), 1_000_000)
        assert all(0 <= start < end <= len(letters) for _, start, end, *_ in rows)
        assert kind == "windows" or not rows or letters == "GC" * 200


def test_perfect_inverted_repeat_of_400(tmp_path: Path) -> None:
    left = builders.random_sequence(np.random.default_rng(1), 200)
    repeat = left + builders.reverse_complement(left)
    rows = rows_of(tmp_path, {"x": repeat}, Extractor(), 1_000_000)
    assert any(start + end == 400 for _, start, end, *_ in rows)
    assert all(end - start <= 160 for _, start, end, *_ in rows)


def test_planted_hairpins_are_candidates(tmp_path: Path) -> None:
    genome, truth = builders.planted_genome(seed=4)
    rows = rows_of(tmp_path, genome, Extractor(), 10_000)
    for contig, start, end, name, strand in truth:
        assert any(
            row[0] == contig
            and row[3] == strand
            and 2 * (min(end, row[2]) - max(start, row[1])) >= end - start
            and abs(row[1] + row[2] - start - end) <= 50
            for row in rows
        ), name


@pytest.mark.parametrize("kind", ["stems", "windows"])
def test_packed_scaffolds_are_scanned_as_if_alone(tmp_path: Path, kind: str) -> None:
    extractor = replace(LOOSE["animal"], kind=kind, context_nt=9)
    long = patchwork(4, 12_000, gap=30)
    cuts = np.random.default_rng(1).integers(1, 12_000, 60)
    borders = sorted({0, 12_000, *cuts.tolist()})
    scaffolds = {
        f"s{n}": long[a:b] for n, (a, b) in enumerate(itertools.pairwise(borders)) if b - a > 1
    }
    together = rows_of(tmp_path / "together", scaffolds, extractor, 1_000_000)
    alone = [
        row
        for name, letters in scaffolds.items()
        for row in rows_of(tmp_path / name, {name: letters}, extractor, 1_000_000)
    ]
    assert len(together) > 100
    assert together == sorted(alone)
