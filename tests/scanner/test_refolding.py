"""The second opinion, with a kernel that is wrong on purpose."""

from __future__ import annotations

import builders
import numpy as np
import pytest
import torch

from premir.kernels.codes import encode
from premir.scanner.batches import Hairpins, pack
from premir.scanner.folding import InlineViennaFolder, KernelFolder, make_folder
from premir.scanner.inference import canonical_probabilities
from premir.scanner.network import VariableConvNet
from premir.scanner.refolding import Refolder


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(2)
    return VariableConvNet().double().requires_grad_(False)


def sequences(count, seed=0):
    rng = np.random.default_rng(seed)
    return pack([encode(builders.hairpin(rng)) for _ in range(count)])


def test_kernel_and_bindings_agree():
    codes, offsets = sequences(50)
    a, b = KernelFolder().fold(codes, offsets), InlineViennaFolder().fold(codes, offsets)
    assert np.array_equal(a.pairs, b.pairs)
    assert np.array_equal(a.mfe, b.mfe)


def test_pool_keeps_the_order():
    codes, offsets = sequences(200)
    folder = make_folder("viennarna", processes=2)
    try:
        a = folder.fold(codes, offsets)
        assert folder.fold(*pack([])).mfe.size == 0
    finally:
        folder.close()
    assert np.array_equal(a.pairs, KernelFolder().fold(codes, offsets).pairs)


def test_agreement_changes_nothing(network, caplog):
    hairpins = KernelFolder().fold(*sequences(8))
    refolder = Refolder(InlineViennaFolder(), network)
    same, prob = refolder.check(hairpins, np.full(8, 0.9))
    assert same is hairpins
    assert (prob == 0.9).all()
    assert (refolder.refolded, refolder.disagreements) == (8, 0)
    assert not caplog.records


def test_disagreement_is_counted_said_and_the_bindings_stand(network):
    right = KernelFolder().fold(*sequences(6))
    mfe, pairs = right.mfe.copy(), right.pairs.copy()
    mfe[2] += 10
    pairs[right.offsets[4] : right.offsets[5]] = -1
    wrong = Hairpins(right.codes, pairs, mfe, right.offsets)
    refolder = Refolder(InlineViennaFolder(), network)
    fixed, prob = refolder.check(wrong, np.full(6, 0.75))
    assert (refolder.refolded, refolder.disagreements) == (6, 2)
    assert np.array_equal(fixed.mfe, right.mfe)
    assert np.array_equal(fixed.pairs, right.pairs)
    expected = canonical_probabilities(network, right.take([2, 4]))
    assert prob.tolist() == [0.75, 0.75, expected[0], 0.75, expected[1], 0.75]


def test_below_the_default_threshold_only_a_sample_is_refolded(network):
    hairpins = KernelFolder().fold(*sequences(600))
    refolder = Refolder(InlineViennaFolder(), network)
    prob = np.full(600, 0.3)
    prob[:5] = 0.5
    refolder.check(hairpins, prob)
    assert 5 < refolder.refolded < 30
