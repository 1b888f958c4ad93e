"""Candidates that resemble a known hairpin are neither negatives nor false calls."""

from __future__ import annotations

import gzip
import itertools
from dataclasses import replace

import builders
import numpy as np
import pytest

from premir.kernels.codes import decode, encode
from premir.kernels.pairing import pack
from premir.kernels.stretches import STRETCH, Stretches
from premir.scanner.find.candidates import PRESETS, candidates_of
from premir.scanner.find.folding import KernelFolder
from premir.scanner.find.shards import read_shard
from premir.scanner.genome.letters import OpenGenome
from premir.train.genome.config import Background, GenomeConfig, Known
from premir.train.genome.relatives import (
    FEWEST,
    REPEATED,
    Unlike,
    count_stretches,
)
from premir.train.genome.sources import Adaptation, digests, prepare

OWN = replace(PRESETS["animal"], context_nt=20)


def unlike(*letters):
    return Unlike(Stretches.of(*pack([encode(each) for each in letters]), fewest=FEWEST))


def candidates(letters):
    (found,) = candidates_of(OpenGenome.of({"c": letters}), OWN, None)
    return found


@pytest.fixture
def hairpin():
    """A hairpin in random letters, and where it stands there."""
    rng = np.random.default_rng(7)
    left, right = (builders.random_sequence(rng, 400) for _ in range(2))
    inner = builders.hairpin(rng, mismatches=5)
    return left + inner + right, 400, 400 + len(inner)


def test_what_shares_a_stretch_on_its_own_strand_is_left_out(hairpin):
    letters, start, end = hairpin
    found = candidates(letters)
    piece = letters[start : start + STRETCH]
    holds = (found.loci.start <= start) & (found.loci.end >= start + STRETCH)
    for strand, known in ((1, piece), (-1, builders.reverse_complement(piece))):
        kept = unlike(known)(found.loci, found.codes, found.offsets)
        own = holds & (found.loci.strand == strand)
        assert own.any()
        assert np.array_equal(~kept, own)
    almost = piece[:-1] + ("A" if piece[-1] != "A" else "C")
    assert unlike(almost)(found.loci, found.codes, found.offsets).all()
    assert end < len(letters)


def test_the_context_of_a_candidate_does_not_count(hairpin):
    letters, start, end = hairpin
    found = candidates(letters)
    (own,) = np.flatnonzero(
        (found.loci.strand == 1) & (found.loci.start <= start) & (found.loci.end >= end)
    )[:1]
    first = int(found.loci.start[own])
    before = letters[first - STRETCH : first]
    assert decode(encode(before)) in decode(found.codes)
    assert unlike(before)(found.loci, found.codes, found.offsets)[own]
    assert not unlike(letters[first : first + STRETCH])(found.loci, found.codes, found.offsets)[own]


def test_simple_repeats_tell_no_relative():
    for unit in ("A", "AC", "ACG", "ACGT", "AACCGT", "ACACACACACTCTCTCTCTC"):
        assert not unlike(unit * 20).stretches.keys.size
    assert unlike("ACGTTGCAAC" * 3).stretches.keys.size


@pytest.fixture
def data(tmp_path):
    """A miRBase of eight families, and backgrounds that hold two of their hairpins."""
    rng = np.random.default_rng(9)
    hairpins = [builders.hairpin(rng, stem=33) for _ in range(9)]
    (tmp_path / "mirbase").mkdir()
    rows = ["hairpin_id\tacc\torganism\tlength\tn_mature\tn_experimental"]
    rows += [f"hsa-mir-{n}\tMI{n}\thsa\t76\t2\t{int(n != 8)}" for n in range(9)]
    fasta = "".join(f">hsa-mir-{n}\n{each}\n" for n, each in enumerate(hairpins))
    curated = "".join(f">Hsa-Mir-{n}_pre\n{each[5:-5]}\n" for n, each in enumerate(hairpins[:7]))
    for name, text in (
        ("hairpin.fa", fasta),
        ("hairpin.tsv", "\n".join(rows) + "\n"),
        ("mirgenedb_ALL_pre.fas", curated),
    ):
        (tmp_path / "mirbase" / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    contigs = {}
    for name in ("train", "judge"):
        letters = [builders.random_sequence(rng, 2_000) for _ in range(4)]
        contigs[f"{name}.1"] = "".join(
            itertools.chain(*zip(letters, [hairpins[0], hairpins[7], hairpins[8], ""], strict=True))
        )
    builders.write_fasta(tmp_path / "lent.fa", contigs)
    return tmp_path, hairpins


def config_of(folder, **changes):
    background = Background(folder / "lent.fa", judging=("judge",))
    return replace(
        GenomeConfig(
            "x", "animal", (Known(mirbase=folder),), (background,), validation=0.5, planted=1
        ),
        **changes,
    )


def held(shards, hairpins):
    """Which of some hairpins stand in one of the candidates of some shards."""
    found = []
    for path in shards:
        packed = read_shard(path).hairpins
        assert packed is not None
        found += [decode(packed[n][0]) for n in range(len(packed))]
    inner = [decode(encode(each[10:-10])) for each in hairpins]
    return [any(each in letters for letters in found) for each in inner]


def test_relatives_leave_both_sides_of_the_split(data, caplog):
    folder, hairpins = data
    asked = [hairpins[0], hairpins[7], hairpins[8]]
    with caplog.at_level("INFO", "premir"):
        sources = prepare(config_of(folder), folder / "work", KernelFolder())
    # The first is curated, the second is proven in miRBase, the third is neither.
    assert held(sources.negative_shards, asked) == [False, False, True]
    assert held(sources.held[0].cuts.shards, asked) == [False, False, True]
    assert sources.held[0].cuts.rejected >= 2
    assert f"; {sources.held[0].cuts.rejected} resemble known hairpins" in caplog.text
    builders.write_fasta(folder / "k.fa", {f"mir-{n}-a": h for n, h in enumerate(hairpins)})
    plain = config_of(folder, known=(Known(fasta=folder / "k.fa"),))
    sources = prepare(plain, folder / "plain", KernelFolder())
    assert held(sources.negative_shards, asked) == [True, True, True]


def test_relatives_in_a_genome_to_adapt_to_are_no_negatives_unless_told(data):
    folder, hairpins = data
    adapt = Adaptation(folder / "lent.fa")
    config = config_of(folder)
    sources = prepare(config, folder / "work", KernelFolder(), adapt)
    assert held(sources.adapted[0].shards, hairpins[:1]) == [False]
    told = replace(adapt, with_known=True)
    sources = prepare(config, folder / "told", KernelFolder(), told)
    assert held(sources.adapted[0].shards, hairpins[:1]) == [True]
    assert digests(config, adapt) != digests(config, told)


def test_a_hairpin_that_recurs_in_the_backgrounds_is_a_repeat(data):
    folder, hairpins = data
    rng = np.random.default_rng(3)
    copies = [builders.reverse_complement(hairpins[0]), hairpins[0]] * (REPEATED // 2)
    spaced = [each + builders.random_sequence(rng, 50) for each in copies]
    with (folder / "lent.fa").open("a") as handle:
        handle.write(f">train.2\n{''.join(spaced)}\n")
    sources = prepare(config_of(folder), folder / "work", KernelFolder())
    assert held(sources.negative_shards, [hairpins[0], hairpins[7]]) == [True, False]


def test_stretches_are_counted_on_both_strands_and_across_pieces(monkeypatch):
    monkeypatch.setattr("premir.train.genome.relatives._PIECE", 64)
    rng = np.random.default_rng(5)
    piece, other = (builders.random_sequence(rng, STRETCH) for _ in range(2))
    spacers = [builders.random_sequence(rng, n) for n in (50, 60, 70, 33)]
    there = [piece, builders.reverse_complement(piece), piece, piece]
    letters = "".join(itertools.chain(*zip(spacers, there, strict=True)))
    stretches = unlike(piece, other).stretches
    counts = np.zeros(2, np.int64)
    count_stretches(
        stretches, OpenGenome.of({"a": letters, "b": piece[:10], "c": piece[10:]}), counts
    )
    assert sorted(counts.tolist()) == [0, 4]
