"""What gates are asked, and when they are not."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import builders
import numpy as np
import pytest

from premir.kernels.codes import encode
from premir.kernels.gate_features import fold_features, stem_features
from premir.kernels.pairing import pack
from premir.scanner.errors import ModelError
from premir.scanner.find.folding import KernelFolder
from premir.scanner.find.loci import Loci
from premir.scanner.score.card import Card, GatesCard
from premir.scanner.score.gating import load_gates
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model

THRESHOLD = load_model(DEFAULT_MODEL).min_prob


@pytest.fixture(scope="module")
def gates():
    return load_gates(load_model(DEFAULT_MODEL))


def candidates():
    """Eight hairpins on strands in turn, with 4 nt to their left and 20 to their right."""
    rng = np.random.default_rng(8)
    strand = np.array([1, -1] * 4, np.int8)
    before, after = np.where(strand > 0, 4, 20), np.where(strand > 0, 20, 4)
    texts = [
        builders.random_sequence(rng, a) + builders.hairpin(rng) + builders.random_sequence(rng, b)
        for a, b in zip(before, after, strict=True)
    ]
    start = np.arange(8) * 200 + 50
    size = np.array([len(text) - 24 for text in texts])
    loci = Loci(
        contig=np.zeros(8, np.int32),
        start=start,
        end=start + size,
        strand=strand,
        stem_energy=np.full(8, -2500, np.int16),
        folded_start=start - 4,
        folded_end=start + size + 20,
    )
    return loci, before, after, *pack([encode(text) for text in texts])


def test_the_stem_gate_sees_contexts_by_strand_and_passes_its_cut(gates):
    loci, before, after, codes, offsets = candidates()
    votes = gates.stem.votes(stem_features(codes, offsets, before, after, loci.stem_energy))
    turned = gates.stem.votes(stem_features(codes, offsets, after, before, loci.stem_energy))
    assert (votes != turned).any()
    for cut in votes.tolist():
        asked = replace(gates, stem=replace(gates.stem, cut=cut))
        passed = asked.before_folding(loci, codes, offsets)
        assert passed.tolist() == (votes >= cut).tolist()


def test_the_fold_gate_sees_contexts_by_strand_and_passes_its_cut(gates):
    loci, before, after, codes, offsets = candidates()
    folds = KernelFolder().fold(codes, offsets)
    columns = (folds.codes, folds.pairs, folds.mfe, folds.offsets)
    votes = gates.fold.votes(fold_features(*columns, before, after))
    assert (votes != gates.fold.votes(fold_features(*columns, after, before))).any()
    for cut in votes.tolist():
        asked = replace(gates, fold=replace(gates.fold, cut=cut))
        assert asked.after_folding(loci, folds).tolist() == (votes >= cut).tolist()


@dataclass(frozen=True)
class Lifting:
    """Lifts what begins with a letter."""

    letter: int
    digest: str = "0"

    def __call__(self, codes, offsets):
        return np.where(codes[offsets[:-1]] == self.letter, 2.5, 0.0)


def test_what_evidence_lifts_needs_fewer_votes(gates):
    loci, before, after, codes, offsets = candidates()
    folds = KernelFolder().fold(codes, offsets)
    first = codes[offsets[:-1]]
    assert 0 < (first == 1).sum() < first.size
    features = {
        "stem": stem_features(codes, offsets, before, after, loci.stem_energy),
        "fold": fold_features(folds.codes, folds.pairs, folds.mfe, offsets, before, after),
    }
    for name, rows in features.items():
        gate = getattr(gates, name)
        votes = np.sort(gate.votes(rows))
        gate = replace(gate, cut=int(votes[2]), alone=int(votes[-2]))
        few, many = gate.passes(rows, alone=False), gate.passes(rows, alone=True)
        changed = replace(gates, **{name: gate})
        for asked, expected in (
            (changed, few),
            (changed.stricter(None), many),
            (changed.stricter(Lifting(1)), many | (few & (first == 1))),
            (changed.stricter(Lifting(9)), many),
        ):
            by = {"stem": (loci, codes, offsets), "fold": (loci, folds)}[name]
            passed = asked.before_folding(*by) if name == "stem" else asked.after_folding(*by)
            assert passed.tolist() == expected.tolist()
        assert (many | (few & (first == 1))).sum() > many.sum()
    strict = gates.stricter(None)
    assert len({each.key for each in (gates, strict, gates.stricter(Lifting(1)))}) == 3


@pytest.mark.parametrize(
    "options, reason",
    [
        (("--extractor", "windows"), "they were built for extractor stems"),
        (("--preset", "virus"), "they were built for preset animal"),
        (("--exhaustive",), "--exhaustive"),
        (("--min-prob", "0.9"), f"--min-prob 0.9 is below the {THRESHOLD:g} they were built for"),
    ],
)
def test_gates_are_off_where_they_were_not_built_for(scan, tmp_path, options, reason):
    sequences, _ = builders.planted_genome(seed=3, contigs={"b": 150, "c": 60})
    path = builders.write_fasta(tmp_path / "genome.fa", sequences)
    assert scan(path, *options)[0] == 0
    summary = json.loads((tmp_path / "hits.bed.summary.json").read_text())
    assert summary["gates"] == {"off": reason}
    assert summary["candidates"] == summary["folded"] == summary["scored"] > 0


def test_gates_for_other_features_are_refused():
    model = load_model(DEFAULT_MODEL)
    gates: GatesCard = {**model.card["gates"], "features": "gates-v0"}
    card: Card = {**model.card, "gates": gates}
    with pytest.raises(ModelError, match="made for features 'gates-v0', this premir computes 'ga"):
        load_gates(replace(model, card=card))
