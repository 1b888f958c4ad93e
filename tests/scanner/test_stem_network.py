from __future__ import annotations

import builders
import numpy as np
import pytest
import torch

from premir.kernels.codes import encode
from premir.kernels.pairing import pack
from premir.scanner.find.folding import fold
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.score.inference import batch_log_odds, single_log_odds
from premir.scanner.score.networks.batches import PairingBatch
from premir.scanner.score.networks.stem import LONGEST_FIXED, StemConvNet

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def hairpins():
    rng = np.random.default_rng(5)
    stems = [builders.hairpin(rng, stem=int(size)) for size in rng.integers(4, 90, 20)]
    others = [builders.random_sequence(rng, int(size)) for size in rng.integers(1, 400, 10)]
    return fold([*stems, *others])


def seeded():
    torch.manual_seed(3)
    return StemConvNet()


def test_scores_do_not_depend_on_the_company(hairpins):
    network = seeded().double()
    together = network(PairingBatch.build(hairpins, device=CPU, dtype=torch.float64))
    together = (together[:, 1] - together[:, 0]).detach().numpy()
    np.testing.assert_allclose(single_log_odds(network, hairpins), together, rtol=0, atol=1e-12)


def test_batches_select_within_the_margin(hairpins):
    rough = batch_log_odds(seeded(), hairpins, device=CPU)
    canonical = single_log_odds(seeded().double(), hairpins)
    assert np.abs(rough - canonical).max() < 0.1 * StemConvNet.margin
    assert np.ptp(canonical) > StemConvNet.margin


def test_hairpins_too_long_for_fixed_point_numbers_are_selected_too():
    rng = np.random.default_rng(2)
    stem = builders.random_sequence(rng, LONGEST_FIXED // 2)
    text = stem + "A" * 5 + builders.reverse_complement(stem)
    codes, offsets = pack([encode(text)])
    pairs = np.arange(len(text) - 1, -1, -1).astype(np.int16)
    pairs[len(stem) : len(stem) + 5] = -1
    long = Hairpins(codes, pairs, np.array([-300_000], np.int32), offsets)
    exact = single_log_odds(seeded().double(), long)
    np.testing.assert_allclose(batch_log_odds(seeded(), long, device=CPU), exact, rtol=1e-4)


@pytest.mark.parametrize("layer", ["conv1", "conv2", "conv3", "fc1", "fc2"])
def test_every_layer_learns(hairpins, layer):
    network = seeded()
    logits = network(PairingBatch.build(hairpins, device=CPU))
    labels = (torch.arange(len(hairpins)) < 20).long()
    torch.nn.functional.cross_entropy(logits, labels).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in getattr(network, layer).parameters())


def test_a_stem_that_goes_on_beyond_the_bins_counts():
    """The sum and the maximum see all columns, and the bins the first 96."""
    rng = np.random.default_rng(1)
    long = fold([builders.hairpin(rng, stem=150)])
    cut = Hairpins(long.codes.copy(), long.pairs, long.mfe, long.offsets)
    cut.codes[0] = (cut.codes[0] + 1) % 4
    scores = single_log_odds(seeded().double(), long), single_log_odds(seeded().double(), cut)
    assert scores[0] != scores[1]


def test_nothing_paired_has_a_score():
    alone = fold(["A", "ACACACACACAC"])
    assert np.isfinite(single_log_odds(seeded().double(), alone)).all()
