from __future__ import annotations

import itertools
import tempfile
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import builders
import numpy as np
import pytest

from premir.kernels.codes import Codes, decode
from premir.kernels.pairing import Offsets, dot_bracket
from premir.scanner.find import viennarna
from premir.scanner.find.candidates import (
    PRESETS,
    Candidates,
    Extractor,
    candidates_of,
    candidates_of_tile,
)
from premir.scanner.find.folding import KernelFolder
from premir.scanner.find.hairpins import concatenate
from premir.scanner.find.identity import identity_of
from premir.scanner.find.loci import COLUMNS, Loci
from premir.scanner.genome.letters import OpenGenome, open_genome, read_genome
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


def rows_of(sequences: dict[str, str], extractor: Extractor, tile_size: int = 1_000_000) -> Rows:
    """Candidates of all tiles, with the sequences that would be folded."""
    genome = OpenGenome.of(sequences)
    rows: Rows = []
    for each in candidates_of(genome, extractor, folder=None, tile_size=tile_size):
        loci = each.loci
        assert each.hairpins is None
        assert each.found == len(loci)
        for k in range(len(loci)):
            rows.append(
                (
                    genome.contigs[loci.contig[k]].name,
                    int(loci.start[k]),
                    int(loci.end[k]),
                    "+" if loci.strand[k] > 0 else "-",
                    int(loci.stem_energy[k]),
                    decode(each.codes[each.offsets[k] : each.offsets[k + 1]]),
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
    sequences: dict[str, str], preset: str, context: int
) -> None:
    extractor = replace(LOOSE[preset], context_nt=context)
    expected = rows_of(sequences, extractor)
    assert len(expected) > 500
    for tile_size in (1_000, 4_097, 10_000):
        assert rows_of(sequences, extractor, tile_size) == expected


@pytest.mark.parametrize("preset", ["animal", "plant", "virus"])
def test_reverse_complement_mirrors(sequences: dict[str, str], preset: str) -> None:
    extractor = LOOSE[preset]
    expected = rows_of(sequences, extractor, 10_000)
    opposite = {name: builders.reverse_complement(s) for name, s in sequences.items()}
    mirrored = [
        (name, len(sequences[name]) - end, len(sequences[name]) - start, "-+"[side == "-"], *rest)
        for name, start, end, side, *rest in rows_of(opposite, extractor, 10_000)
    ]
    assert sorted(mirrored) == expected


def test_candidates_depend_on_letters_as_far_as_the_halo_and_no_further() -> None:
    rng = np.random.default_rng(5)
    hairpin = builders.hairpin(rng)
    extractor = PRESETS["animal"]
    energies = []
    for far in ("A", "G"):
        near = builders.random_sequence(np.random.default_rng(6), extractor.halo)
        sequence = far * 800 + near + hairpin + near + far * 800
        rows = rows_of({"x": sequence}, extractor)
        middle = len(sequence) // 2
        energies.append([row[4] for row in rows if row[1] < middle < row[2] and row[3] == "+"])
    assert energies[0] == energies[1] != []


def test_composition_decides_what_a_stem_is_worth() -> None:
    """The same hairpin is rarer, and so better, where its letters are rare."""
    hairpin = builders.hairpin(np.random.default_rng(5), gc=0.7)
    energy = {}
    for gc in (0.2, 0.8):
        flank = builders.random_sequence(np.random.default_rng(6), 1_000, gc)
        rows = rows_of({"x": flank + hairpin + flank}, Extractor())
        energy[gc] = min(
            (row[4] for row in rows if row[1] < 1_000 + len(hairpin) // 2 < row[2]), default=9_999
        )
    assert energy[0.2] < energy[0.8]


def test_overhang_beside_contig_ends_and_unknown_letters() -> None:
    rng = np.random.default_rng(8)
    stem = builders.hairpin(rng, mismatches=0)
    flush = {"ends": stem, "known": "N" * 50 + stem + "N" * 50, "free": "A" * 9 + stem + "A" * 9}
    rows = rows_of(flush, Extractor())
    spans = {name: (start, end) for name, start, end, strand, *_ in rows if strand == "+"}
    assert spans["ends"] == (0, len(stem))
    assert spans["known"] == (50, 50 + len(stem))
    assert spans["free"] == (9 - Extractor().overhang, 9 + len(stem) + Extractor().overhang)
    one = {"x": "A" * 8 + "N" + stem + "A" * 9}
    (clipped,) = (row[1:3] for row in rows_of(one, Extractor()) if row[3] == "+")
    assert clipped == (9, 9 + len(stem) + Extractor().overhang)
    admitting = Extractor(unknown_letters=0.02)
    (whole,) = (row[1:3] for row in rows_of(one, admitting) if row[3] == "+")
    assert whole == spans["free"]


@pytest.mark.parametrize("kind", ["stems", "windows"])
def test_what_is_passed_over_is_counted_by_reason(kind: str) -> None:
    """Of both strands, and the same whatever the tiles."""
    rng = np.random.default_rng(8)
    stem = builders.hairpin(rng, stem=34, mismatches=0)
    looped = stem[:39] + "N" + stem[40:]
    flank = builders.random_sequence(rng, 400, 0.4)
    genome = {"tiny": "ACGN", "a": flank + looped + flank, "short": "A" * 39, "b": "RY" + "A" * 38}
    extractor = Extractor(kind=kind)

    def counts(genome: dict[str, str], tile_size: int = 1_000_000) -> Counter[str]:
        total: Counter[str] = Counter()
        opened = OpenGenome.of(genome)
        for each in candidates_of(opened, extractor, None, tile_size=tile_size):
            total.update(each.passed_over)
        return total

    found = counts(genome)
    assert found["short_contigs"] == 2
    assert found["unknown_letters"] == 4
    windows = 2 * len(range(330, 440, 10)) + 2
    assert found["with_unknown_letters"] == (windows if kind == "windows" else 2)
    for size in (7, 40, 433):
        assert counts(genome, size) == found
    assert +counts({"a": flank + stem + flank}) == Counter()


def sprinkled(sequences: dict[str, str], share: float) -> dict[str, str]:
    rng = np.random.default_rng(9)
    return {name: builders.with_unknown(rng, text, share) for name, text in sequences.items()}


def reach(text: str, start: int, end: int, by: int, share: float) -> tuple[int, int]:
    """An interval with ``by`` letters on both sides, or as far as letters are known."""
    low, high = max(0, start - by), min(len(text), end + by)
    if text[low:high].count("N") <= share * (high - low):
        return low, high
    first, last = start, end
    while first > low and text[first - 1] != "N":
        first -= 1
    while last < high and text[last] != "N":
        last += 1
    return first, last


@pytest.mark.parametrize("kind", ["stems", "windows"])
def test_candidates_hold_as_many_unknown_letters_as_they_may(
    sequences: dict[str, str], kind: str
) -> None:
    """The same for every tile size and on both strands."""
    few = sprinkled(sequences, 0.006)
    extractor = replace(LOOSE["animal"], kind=kind, context_nt=17, unknown_letters=0.02)
    expected = rows_of(few, extractor)
    for name, start, end, strand, _, folded in expected:
        first, last = reach(few[name], start, end, 17, 0.02)
        text = few[name][first:last]
        text = text if strand == "+" else builders.reverse_complement(text)
        assert folded == text.replace("T", "U")
        assert folded.count("N") <= 0.02 * len(folded)
    held = [row[5].count("N") for row in expected]
    assert {0, 1, 2} <= set(held)
    none = rows_of(few, replace(extractor, unknown_letters=0.0))
    assert all("N" not in row[5] for row in none)
    assert len(none) < len(expected)
    assert rows_of(few, extractor, 1_000) == expected
    if kind == "stems":
        opposite = {name: builders.reverse_complement(text) for name, text in few.items()}
        mirrored = [
            (row[0], len(few[row[0]]) - row[2], row[5]) for row in rows_of(opposite, extractor)
        ]
        assert sorted(mirrored) == sorted((row[0], row[1], row[5]) for row in expected)


@pytest.mark.parametrize("preset", ["animal", "plant", "virus"])
def test_presets_limit_length_and_energy(sequences: dict[str, str], preset: str) -> None:
    extractor = PRESETS[preset]
    rows = rows_of(sequences, extractor)
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
def test_little_or_nothing_to_find(letters: str) -> None:
    for kind in ("stems", "windows"):
        rows = rows_of({"x": letters}, Extractor(kind=kind))
        assert all(0 <= start < end <= len(letters) for _, start, end, *_ in rows)
        assert kind == "windows" or not rows or letters == "GC" * 200


def test_perfect_inverted_repeat_of_400() -> None:
    left = builders.random_sequence(np.random.default_rng(1), 200)
    repeat = left + builders.reverse_complement(left)
    rows = rows_of({"x": repeat}, Extractor())
    assert any(start + end == 400 for _, start, end, *_ in rows)
    assert all(end - start <= 160 for _, start, end, *_ in rows)


def test_planted_hairpins_are_candidates() -> None:
    genome, truth = builders.planted_genome(seed=4)
    rows = rows_of(genome, Extractor(), 10_000)
    for contig, start, end, name, strand in truth:
        assert any(
            row[0] == contig
            and row[3] == strand
            and 2 * (min(end, row[2]) - max(start, row[1])) >= end - start
            and abs(row[1] + row[2] - start - end) <= 50
            for row in rows
        ), name


@pytest.mark.parametrize("kind", ["stems", "windows"])
def test_packed_scaffolds_are_scanned_as_if_alone(kind: str) -> None:
    extractor = replace(LOOSE["animal"], kind=kind, context_nt=9)
    long = patchwork(4, 12_000, gap=30)
    cuts = np.random.default_rng(1).integers(1, 12_000, 60)
    borders = sorted({0, 12_000, *cuts.tolist()})
    scaffolds = {
        f"s{n}": long[a:b] for n, (a, b) in enumerate(itertools.pairwise(borders)) if b - a > 1
    }
    together = rows_of(scaffolds, extractor)
    alone = [
        row for name, letters in scaffolds.items() for row in rows_of({name: letters}, extractor)
    ]
    assert len(together) > 100
    assert together == sorted(alone)


# Folded, from wherever the letters are


def columns(parts: list[Candidates]) -> list[list[Any]]:
    """What is to be the same: loci, codes, pairs and energies of all tiles."""
    hairpins = concatenate([each.hairpins for each in parts if each.hairpins is not None])
    loci = Loci.concatenate([each.loci for each in parts])
    arrays = [getattr(loci, name) for name in COLUMNS]
    arrays += [hairpins.codes, hairpins.pairs, hairpins.mfe, hairpins.offsets]
    return [array.tolist() for array in arrays]


def test_candidates_of_memory_of_a_file_and_of_the_tiles_of_a_scan_are_the_same(
    tmp_path: Path, sequences: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor, folder = replace(PRESETS["animal"], context_nt=9), KernelFolder()
    size = 10_000
    path = builders.write_fasta(tmp_path / "genome.fa.gz", sequences)
    memory = OpenGenome.of(sequences)
    expected = columns(list(candidates_of(memory, extractor, folder, tile_size=size)))
    assert len(expected[0]) > 100
    with open_genome(path) as genome:
        assert genome.contigs.names == memory.contigs.names
        assert genome.contigs.digests.tolist() == memory.contigs.digests.tolist()
        assert columns(list(candidates_of(genome, extractor, folder, tile_size=size))) == expected
    store = read_genome(path, tmp_path / "letters").store
    tiles = plan_tiles(None, memory.contigs, tile_size=size)
    assert len(tiles) > 4
    parts = [candidates_of_tile(store, tile, extractor, folder) for tile in tiles]
    assert columns(parts) == expected
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    monkeypatch.setattr("premir.scanner.genome.letters._HELD", 1_000)
    with open_genome(path) as genome:  # too large for memory: its letters lie in a nameless file
        assert columns(list(candidates_of(genome, extractor, folder, tile_size=size))) == expected
        assert list(scratch.iterdir()) == []


def test_a_full_disk_is_told_of_the_folder_for_temporary_files(
    tmp_path: Path, sequences: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = builders.write_fasta(tmp_path / "genome.fa", sequences)
    monkeypatch.setattr("premir.scanner.genome.letters._HELD", 1_000)
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Path("/dev/full").open("w+b", 0))
    with pytest.raises(OSError, match="No space left") as caught, open_genome(path):
        pass
    assert caught.value.filename == tempfile.gettempdir()


def test_only_what_is_kept_is_folded(sequences: dict[str, str]) -> None:
    genome, folder = OpenGenome.of(sequences), KernelFolder()
    seen: list[int] = []

    def keep(loci: Loci, codes: Codes, offsets: Offsets) -> np.ndarray:
        seen.append(len(loci))
        assert (np.diff(offsets) == loci.folded_end - loci.folded_start).all()
        assert offsets[-1] == codes.size
        return loci.strand < 0

    [everything] = candidates_of(genome, Extractor(), folder)
    [kept] = candidates_of(genome, Extractor(), folder, keep)
    assert everything.hairpins is not None
    assert kept.hairpins is not None
    chosen = np.flatnonzero(everything.loci.strand < 0)
    assert seen == [everything.found] == [kept.found]
    assert 0 < len(kept.hairpins) == len(kept.loci) == chosen.size < kept.found
    assert kept.loci.start.tolist() == everything.loci.start[chosen].tolist()
    assert kept.codes.tolist() == everything.hairpins.take(chosen).codes.tolist()
    assert kept.hairpins.pairs.tolist() == everything.hairpins.take(chosen).pairs.tolist()
    assert set(kept.seconds) == {"candidates", "gates", "folding"}
    [none] = candidates_of(genome, Extractor(), folder, lambda loci, *_: loci.strand == 0)
    assert none.hairpins is not None
    assert (none.found, len(none.loci), len(none.hairpins)) == (kept.found, 0, 0)


def test_a_sequence_is_folded_in_three_lines() -> None:
    hairpin = builders.hairpin(np.random.default_rng(3))
    [found] = candidates_of(OpenGenome.of({"x": hairpin.lower()}), Extractor(), KernelFolder())
    best = int(found.loci.stem_energy.argmin())
    assert found.hairpins is not None
    codes, pairs, mfe = found.hairpins[best]
    assert (dot_bracket(pairs), mfe) == viennarna.fold([decode(codes)])[0]
    assert list(candidates_of(OpenGenome.of({}), Extractor(), KernelFolder())) == []
    assert list(candidates_of(OpenGenome.of({"x": ""}), Extractor(), KernelFolder())) == []


def test_identity_is_of_the_extractor_and_of_viennarna_where_it_folds() -> None:
    folded, found = (identity_of(PRESETS["plant"], folds=folds) for folds in (True, False))
    assert folded["extractor"] == found["extractor"] == asdict(PRESETS["plant"])
    assert folded["viennarna"] == viennarna.version()
    assert len(folded["energy_parameters"]) == 64
    assert found["viennarna"] is found["energy_parameters"] is None
    assert folded.keys() == found.keys() == {
        "premir", "viennarna", "energy_parameters", "feature_schema", "extractor",
    }  # fmt: skip


class _Slow(KernelFolder):
    """Waits before it folds."""

    def fold(self, codes, offsets):
        time.sleep(1)
        return super().fold(codes, offsets)


def test_folding_is_counted_in_seconds_of_cpu_or_of_waiting_for_others():
    genome = OpenGenome.of({"x": builders.hairpin(np.random.default_rng(1))})
    (own,) = candidates_of(genome, Extractor(), _Slow())
    assert own.seconds["folding"] < 1
    _Slow.clock = staticmethod(time.monotonic)
    (waited,) = candidates_of(genome, Extractor(), _Slow())
    assert waited.seconds["folding"] >= 1
