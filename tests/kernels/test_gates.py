from __future__ import annotations

import itertools

import builders
import naive
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from premir.kernels import gate_features
from premir.kernels.codes import decode, encode
from premir.kernels.energies import current_parameters
from premir.kernels.gate_features import (
    FOLD_FEATURES,
    STEM_FEATURES,
    fold_features,
    stem_features,
    sum_votes,
)
from premir.kernels.mfe import fold_batch
from premir.kernels.pairing import pack

SHIFTS = range(-4, 5)


def candidates(seed, count=8, unknown=0.0):
    """Hairpins and random sequences, with contexts of their own on both sides."""
    rng = np.random.default_rng(seed)
    sequences = []
    for n in range(count):
        text = builders.hairpin(rng, stem=int(rng.integers(5, 40)))
        text = text if n % 2 else builders.random_sequence(rng, int(rng.integers(1, 120)))
        sequences.append(
            builders.random_sequence(rng, 20) + text + builders.random_sequence(rng, 20)
        )
    before = rng.integers(0, 21, count)
    after = rng.integers(0, 21, count)
    sequences = [builders.with_unknown(rng, text, unknown) for text in sequences]
    codes, offsets = pack([encode(text) for text in sequences])
    return codes, offsets, before, after, rng.integers(-9000, 0, count).astype(np.int16)


def texts(codes, offsets):
    return [decode(codes[a:b]) for a, b in itertools.pairwise(offsets)]


@given(seed=st.integers(0, 10_000), unknown=st.sampled_from([0, 0.05, 0.5]))
@settings(max_examples=25, deadline=None)
def test_stem_features_equal_the_naive_ones(seed, unknown):
    codes, offsets, before, after, energy = candidates(seed, unknown=unknown)
    found = stem_features(codes, offsets, before, after, energy)
    assert found.shape == (8, STEM_FEATURES)
    for n, text in enumerate(texts(codes, offsets)):
        expected = naive.stem_features(
            text, before[n], after[n], int(energy[n]), gate_features.SEGMENTS, SHIFTS
        )
        assert found[n].tolist() == expected


@given(seed=st.integers(0, 10_000), unknown=st.sampled_from([0, 0.05, 0.5]))
@settings(max_examples=25, deadline=None)
def test_fold_features_equal_the_naive_ones(seed, unknown):
    codes, offsets, before, after, _ = candidates(seed, unknown=unknown)
    pairs, mfe = fold_batch(codes, offsets, current_parameters())
    found = fold_features(codes, pairs, mfe, offsets, before, after)
    assert found.shape == (8, FOLD_FEATURES)
    for n, text in enumerate(texts(codes, offsets)):
        own = pairs[offsets[n] : offsets[n + 1]].tolist()
        expected = naive.fold_features(text, own, int(mfe[n]), before[n], after[n], 4, 8)
        assert found[n].tolist() == expected


def test_features_of_random_folds_equal_the_naive_ones():
    """Structures that no energy model would make: branches, empty loops, deep nesting."""
    hairpins = builders.random_hairpins(np.random.default_rng(2), [1, 2, 9, 40, 90, 130, 250])
    nothing = np.zeros(len(hairpins), np.int64)
    found = fold_features(
        hairpins.codes, hairpins.pairs, hairpins.mfe, hairpins.offsets, nothing, nothing
    )
    for n in range(len(hairpins)):
        codes, pairs, mfe = hairpins[n]
        expected = naive.fold_features(decode(codes), pairs.tolist(), mfe, 0, 0, 4, 8)
        assert found[n].tolist() == expected


def test_a_candidate_does_not_depend_on_its_neighbours():
    codes, offsets, before, after, energy = candidates(3)
    together = stem_features(codes, offsets, before, after, energy)
    for n in range(8):
        own = codes[offsets[n] : offsets[n + 1]]
        one = slice(n, n + 1)
        alone = stem_features(own, np.array([0, own.size]), before[one], after[one], energy[one])
        assert alone[0].tolist() == together[n].tolist()


def test_votes_equal_the_naive_ones():
    rng = np.random.default_rng(0)
    nodes = np.array(
        [[0, 5, 1, 2, 0], [-1, 0, 0, 0, 7], [1, -3, 3, 4, 0], [-1, 0, 0, 0, -2], [-1, 0, 0, 0, 11]],
        np.int32,
    )
    roots = np.array([0, 2], np.int32)
    features = rng.integers(-10, 10, (50, 2)).astype(np.int32)
    out = np.full(50, 99, np.int64)
    sum_votes(features, nodes, roots, out)
    assert out.tolist() == [naive.votes(row, nodes.tolist(), [0, 2]) for row in features.tolist()]
    assert np.unique(out).size > 2
