"""The second opinion, with a kernel that is wrong on purpose."""

from __future__ import annotations

import builders
import numpy as np
import psutil
import pytest
import torch

from premir.kernels.codes import decode, encode
from premir.kernels.pairing import pack
from premir.scanner.find.folding import (
    InlineViennaFolder,
    KernelFolder,
    PoolViennaFolder,
    make_folder,
)
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.score.crossfit import Places
from premir.scanner.score.networks.variable import VariableConvNet
from premir.scanner.score.refolding import Refolder
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.scanner.score.weights import save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(2)
    card = {**load_model(DEFAULT_MODEL).card, "name": "random", "min_prob": 0.5}
    return save_model(tmp_path_factory.mktemp("model"), [VariableConvNet()], card)


ANYWHERE = Places(np.zeros(600, np.int64), np.ones(600, np.int64))


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


def test_nothing_to_fold_starts_no_process():
    before = len(psutil.Process().children())
    folder = PoolViennaFolder(1)
    try:
        assert len(folder.fold(*pack([]))) == 0
        assert len(psutil.Process().children()) == before
        assert len(folder.fold(*sequences(1))) == 1
        assert len(psutil.Process().children()) > before
    finally:
        folder.close()


def test_agreement_changes_nothing(model, caplog):
    hairpins = KernelFolder().fold(*sequences(8))
    refolder = Refolder(InlineViennaFolder(), model)
    same, log_odds = refolder.check(hairpins, np.full(8, 0.9), ANYWHERE, np.full(8, 0.9))
    assert same is hairpins
    assert (log_odds == 0.9).all()
    assert (refolder.refolded, refolder.disagreements) == (8, 0)
    assert not caplog.records


def test_disagreement_is_counted_said_and_the_bindings_stand(model, caplog):
    right = KernelFolder().fold(*sequences(6))
    mfe, pairs = right.mfe.copy(), right.pairs.copy()
    mfe[2] += 10
    pairs[right.offsets[4] : right.offsets[5]] = -1
    wrong = Hairpins(right.codes, pairs, mfe, right.offsets)
    refolder = Refolder(InlineViennaFolder(), model)
    fixed, log_odds = refolder.check(wrong, np.full(6, 0.75), ANYWHERE, np.full(6, 0.75))
    assert (refolder.refolded, refolder.disagreements) == (6, 2)
    assert np.array_equal(fixed.mfe, right.mfe)
    assert np.array_equal(fixed.pairs, right.pairs)
    expected = model.score(right.take([2, 4]))
    assert log_odds.tolist() == [0.75, 0.75, expected[0], 0.75, expected[1], 0.75]
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        f"fold kernel and ViennaRNA disagree on {decode(right[n][0])}: {wrong.mfe[n] / 100:.2f} "
        f"and {right.mfe[n] / 100:.2f} kcal/mol; ViennaRNA's fold is reported"
        for n in (2, 4)
    ]
    refolder.check(wrong, np.full(6, 0.75), ANYWHERE, np.full(6, 0.75))
    assert (refolder.refolded, refolder.disagreements) == (12, 4)


def test_a_new_score_goes_to_the_hit_that_was_refolded(model):
    right = KernelFolder().fold(*sequences(12))
    mfe = right.mfe + 10
    refolder = Refolder(InlineViennaFolder(), model)
    log_odds = np.full(12, -0.3)
    log_odds[[4, 7, 11]] = 0.75
    mfe[7] -= 10
    fixed, found = refolder.check(
        Hairpins(right.codes, right.pairs, mfe, right.offsets), log_odds, ANYWHERE, log_odds
    )
    assert (refolder.refolded, refolder.disagreements) == (3, 2)  # none of the others is sampled
    mfe[[4, 11]] -= 10
    assert np.array_equal(fixed.mfe, mfe)
    expected = log_odds.copy()
    expected[[4, 11]] = model.score(right.take([4, 11]))
    assert found.tolist() == expected.tolist()
    assert (found[[4, 11]] != 0.75).all()
    assert (log_odds[[4, 11]] == 0.75).all()  # what was given is left as it was


def test_below_the_models_threshold_only_a_sample_is_refolded(model):
    hairpins = KernelFolder().fold(*sequences(600))
    refolder = Refolder(InlineViennaFolder(), model)
    log_odds = np.full(600, -0.3)
    refolder.check(hairpins, log_odds, ANYWHERE, log_odds)
    sampled = refolder.refolded
    assert 1 < sampled < 20
    log_odds[:100] = 0.0  # the threshold itself
    refolder.check(hairpins, log_odds, ANYWHERE, log_odds)
    assert sampled + 90 < refolder.refolded - sampled <= sampled + 100
    # What other evidence lifts to the threshold is a hit like others.
    lifted, before = np.full(600, -0.3), refolder.refolded
    refolder.check(hairpins, lifted, ANYWHERE, lifted + 0.3)
    assert refolder.refolded - before == 600


class Remembering(KernelFolder):
    """Knows what it was given to fold."""

    def __init__(self):
        super().__init__()
        self.given = []

    def fold(self, codes, offsets):
        self.given.append(codes.size)
        return super().fold(codes, offsets)


def test_few_hits_are_folded_here_and_many_by_the_processes(model):
    few, many = (KernelFolder().fold(*sequences(n)) for n in (20, 400))
    folder = Remembering()
    refolder = Refolder(folder, model)
    for hairpins in (few, many, few):
        hits = np.zeros(len(hairpins))
        refolder.check(hairpins, hits, ANYWHERE, hits)
    assert few.codes.size < 5_000 < 20_000 < many.codes.size
    assert folder.given == [many.codes.size]
    assert (refolder.refolded, refolder.disagreements) == (440, 0)
