"""Flanks: random, trimmed, and those of a genome."""

from __future__ import annotations

import json
from pathlib import Path

import builders
import numpy as np
import pytest

from premir.kernels.codes import decode, encode, reverse_complement
from premir.kernels.pairing import pack
from premir.scanner.find.folding import KernelFolder
from premir.train.dataset import Dataset
from premir.train.flanks import NTS, judge_flanks, lengthened, random_flanks
from premir.train.loci import find_loci


def sequences(count=30, seed=0):
    rng = np.random.default_rng(seed)
    return [encode(builders.random_sequence(rng, int(n))) for n in rng.integers(60, 90, count)]


def test_random_flanks_are_seeded_and_nested():
    own = sequences()
    long, again, short = (random_flanks(own, nt, seed=1) for nt in (20, 20, 5))
    other = random_flanks(own, 20, seed=2)
    for (before, after), same, (inner_before, inner_after) in zip(long, again, short, strict=True):
        assert before.size == after.size == 20
        assert np.array_equal(before, same[0])
        assert np.array_equal(after, same[1])
        assert np.array_equal(before[-5:], inner_before)
        assert np.array_equal(after[:5], inner_after)
    assert any(not np.array_equal(a[0], b[0]) for a, b in zip(long, other, strict=True))


def test_random_flanks_keep_the_dinucleotides():
    # Within AC repeats every A is followed by C and every C by A: one continuation only.
    (before, after), (_, odd) = random_flanks(
        [encode("AC" * 30), encode("G" * 40 + "U")], 6, seed=0
    )
    assert decode(before) == "ACACAC"
    assert decode(after) == "ACACAC"
    assert set(decode(odd)) <= set("GU")  # U has no successor: the composition decides
    rng = np.random.default_rng(5)
    poor = encode("".join(rng.choice(list("ACGU"), 3000, p=[0.45, 0.05, 0.05, 0.45])))
    flank = random_flanks([poor], 2000, seed=0)[0][1]
    assert np.bincount(flank) / 2000 == pytest.approx(np.bincount(poor) / 3000, abs=0.05)


def test_lengthening_and_trimming():
    own, beside = [encode("GGGAAACCC")], [(encode("AUAU"), encode("CGCG"))]
    assert decode(lengthened(own, beside, 2)[0]) == "AUGGGAAACCCCG"
    assert decode(lengthened(own, beside, 0)[0]) == "GGGAAACCC"
    assert decode(lengthened(own, beside, -2)[0]) == "GAAAC"


@pytest.fixture
def genomes(tmp_path):
    """Sequences 0 (plus), 1 (minus), 2 (too near an end), 3 (beside N), 4 (not there)."""
    rng = np.random.default_rng(3)
    own = sequences(5)
    between = [builders.random_sequence(rng, 50) for _ in range(3)]
    letters = decode(own[2]) + between[0] + decode(own[0]) + between[1]
    letters += decode(reverse_complement(own[1])) + between[2] + "NNN" + decode(own[3]) + between[0]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        builders.write_fasta(tmp_path / name / "genome.fa.gz", {"c": letters})
    return own, tmp_path, letters.replace("T", "U")


def test_sequences_are_found_on_both_strands(genomes):
    own, folder, letters = genomes
    first, second = find_loci(own, folder, nt=20)
    assert (first.index, first.genome, first.strand) == (0, "one", 1)
    assert (second.index, second.genome, second.strand) == (1, "one", -1)
    end = first.start + own[0].size
    assert letters[first.start : end] == decode(own[0])
    assert decode(first.before) == letters[first.start - 20 : first.start]
    assert decode(first.after) == letters[end : end + 20]
    window = letters[second.start - 20 : second.start + own[1].size + 20]
    around = np.concatenate([second.before, own[1], second.after])
    assert decode(reverse_complement(around)) == window


def test_judging_with_flanks(genomes):
    own, folder, _ = genomes
    folded = KernelFolder().fold(*pack(own))
    test = Dataset(folded, np.array([1, 0, 1, 0, 0]), tuple("abcde"), {})
    others = KernelFolder().fold(*pack(sequences(5, seed=9)))
    training = Dataset(others, test.labels, test.names, {})
    loci = find_loci(own, folder, nt=max(NTS))
    seen = []

    def by_length(hairpins):
        seen.append(hairpins)
        return hairpins.lengths / 200.0

    result = judge_flanks(test, training, loci, {"length": by_length}, KernelFolder())
    assert [row["nt"] for row in result["random"]] == [-20, -10, -5, 0, 5, 10, 20]
    for hairpins, row in zip(seen, result["random"], strict=False):
        assert (hairpins.lengths == folded.lengths + 2 * row["nt"]).all()
        assert row["length"]["as_published"]["se"] == (hairpins.lengths[[0, 2]] >= 100).mean()
    real = result["real"]
    assert (real["positives"], real["negatives"], real["genomes"]) == (1, 1, {"one": 2})
    kinds = [(row["nt"], row["flanks"]) for row in real["rows"]]
    assert kinds == [(0, None)] + [(nt, kind) for nt in NTS for kind in ("real", "random")]


def test_the_page_says_what_was_measured():
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "benchmark.md").read_text()
    result = json.loads((docs / "results" / "cells" / "flanks.json").read_text())
    protocols, methods = result["protocols"], result["methods"]

    def line(nt, measures):
        values = [measures(m)[name] for m in methods for name in ("auroc", "se", "sp")]
        return f"| {nt} | {' | '.join(f'{value:.3f}' for value in values)} |\n"

    for row in protocols["crossspecies-new"]["random"]:
        assert line(row["nt"], lambda m, row=row: row[m]["as_published"]) in page
    for row in protocols["crossspecies-test"]["real"]["rows"]:
        if row["flanks"] != "random":
            assert line(row["nt"], lambda m, row=row: row[m]) in page
