from __future__ import annotations

import builders
import numpy as np
import pytest
import torch
from torch.nn import functional

from premir.kernels.pairing import pairing_tensors
from premir.scanner.score.inference import batch_log_odds, single_log_odds
from premir.scanner.score.model import probabilities
from premir.scanner.score.networks.batches import PairingBatch, batches_by_length, pairing_conv2d
from premir.scanner.score.networks.variable import VariableConvNet

CPU = torch.device("cpu")
LENGTHS = [1, 2, 5, 12, 44, 45, 46, 47, 48, 90, 93, 110, 161, 398]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    return VariableConvNet().double().requires_grad_(False)


@pytest.fixture(scope="module")
def hairpins():
    return builders.random_hairpins(np.random.default_rng(5), LENGTHS, unknown=0.05)


def alone(network, tensor):
    """The network as the paper has it: one sample, plain layers, torch's own adaptive pooling."""
    maps = functional.avg_pool2d(functional.relu(network.conv1(tensor)), 2) * 4
    maps = functional.max_pool2d(functional.relu(network.conv2(maps)), 2)
    maps = functional.adaptive_avg_pool2d(functional.relu(network.conv3(maps)), 4)
    return network.fc2(torch.sigmoid(network.fc1(maps.flatten(1))))


def test_layer_sizes():
    sizes = {k: tuple(v.shape) for k, v in VariableConvNet().state_dict().items()}
    assert sizes["conv1.weight"] == (32, 9, 11, 11)
    assert sizes["conv2.weight"] == (64, 32, 5, 5)
    assert sizes["conv3.weight"] == (64, 64, 3, 3)
    assert sizes["fc1.weight"] == (256, 1024)
    assert sizes["fc2.weight"] == (2, 256)


def test_batch_builds_the_pairing_tensors(hairpins):
    batch = PairingBatch.build(hairpins, device=CPU)
    dense = pairing_tensors(hairpins.codes, hairpins.pairs, hairpins.mfe, hairpins.offsets)
    assert torch.equal(batch.dense(), torch.from_numpy(dense))


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_first_layer_equals_the_dense_convolution(hairpins, dtype, tolerance):
    torch.manual_seed(1)
    layer = torch.nn.Conv2d(9, 32, 11, stride=4, padding=10).to(dtype).requires_grad_(False)
    found = pairing_conv2d(layer, PairingBatch.build(hairpins, device=CPU, dtype=dtype))
    for n, length in enumerate(LENGTHS):
        one = PairingBatch.build(hairpins.take([n]), device=CPU, dtype=dtype)
        expected = layer(one.dense())[0]
        own = (length + 2 * 10 - 11) // 4 + 1
        assert expected.shape[1:] == (own, own)
        scale = float(expected.abs().max())
        difference = (found[n, :, :own, :own] - expected).abs().max()
        assert float(difference) <= tolerance * scale


def test_factorised_batch_equals_each_sample_alone(network, hairpins):
    batch = PairingBatch.build(hairpins, device=CPU, dtype=torch.float64)
    together = network(batch)
    dense = network.forward_dense(batch)
    for n in range(len(hairpins)):
        one = PairingBatch.build(hairpins.take([n]), device=CPU, dtype=torch.float64)
        expected = alone(network, one.dense())
        for found in (together[n], dense[n], network(one)[0]):
            torch.testing.assert_close(found, expected[0], rtol=1e-12, atol=1e-12)


def test_float32_batches_come_close_to_canonical_scores(network, hairpins):
    # Another network, to see that weights matter.
    rough = batch_log_odds(VariableConvNet().to(CPU), hairpins, device=CPU)
    single = VariableConvNet()
    single.load_state_dict(network.state_dict())
    close = batch_log_odds(single.float(), hairpins, device=CPU)
    log_odds = single_log_odds(network, hairpins)
    assert np.abs(close - log_odds).max() < single.margin / 100
    assert np.abs(rough - log_odds).max() > 1e-3
    # Six decimals, and all six of them.
    canonical = probabilities(log_odds)
    with torch.inference_mode():
        logits = [
            network(PairingBatch.build(hairpins.take([n]), device=CPU, dtype=torch.float64))
            for n in range(len(hairpins))
        ]
    exact = torch.cat(logits).softmax(dim=1)[:, 1].numpy()
    assert np.array_equal(canonical, exact.round(6))
    assert not np.array_equal(canonical, exact.round(5))


def test_gradient_reaches_every_weight(hairpins):
    network = VariableConvNet()
    batch = PairingBatch.build(hairpins, device=CPU)
    functional.cross_entropy(
        network(batch), torch.ones(len(hairpins), dtype=torch.int64), reduction="sum"
    ).backward()
    factorised = [parameter.grad for parameter in network.parameters()]
    network.zero_grad()  # which drops them and writes into none
    functional.cross_entropy(
        network.forward_dense(batch),
        torch.ones(len(hairpins), dtype=torch.int64),
        reduction="sum",
    ).backward()
    for found, parameter in zip(factorised, network.parameters(), strict=True):
        assert found is not None
        torch.testing.assert_close(found, parameter.grad, rtol=1e-3, atol=1e-5)


def test_batches_hold_every_hairpin_once_and_stay_bounded():
    lengths = np.random.default_rng(0).integers(1, 400, 500)
    batches = list(batches_by_length(lengths, cells=100_000))
    assert sorted(np.concatenate(batches)) == list(range(500))
    for index in batches:
        assert len(index) == 1 or len(index) * lengths[index].max() ** 2 <= 100_000


def test_batches_of_groups_are_pure():
    lengths = np.random.default_rng(0).integers(1, 400, 500)
    groups = VariableConvNet.map_sizes(lengths)
    batches = list(batches_by_length(lengths, cells=1_000_000, groups=groups))
    assert sorted(np.concatenate(batches)) == list(range(500))
    assert all(np.unique(groups[index]).size == 1 for index in batches)
    assert len(batches) < 2 * np.unique(groups).size + 10


class Small(VariableConvNet):
    """A network on a device that has memory for a few hairpins only."""

    def __init__(self, room):
        super().__init__()
        self.room, self.sizes = room, []

    def forward(self, batch):
        if batch.host_lengths.size > self.room:
            raise torch.OutOfMemoryError("no memory")
        self.sizes.append(batch.host_lengths.size)
        return super().forward(batch)


def test_batches_that_do_not_fit_are_halved():
    hairpins = builders.random_hairpins(np.random.default_rng(1), [60] * 11 + [90] * 3)
    torch.manual_seed(0)
    enough = Small(100)
    small = Small(3)
    small.load_state_dict(enough.state_dict())
    expected = batch_log_odds(enough, hairpins, device=CPU)
    assert np.abs(batch_log_odds(small, hairpins, device=CPU) - expected).max() < 1e-6
    assert sum(small.sizes) == len(hairpins)
    assert max(small.sizes) == 3
    nothing = Small(0)
    with pytest.raises(torch.OutOfMemoryError):
        batch_log_odds(nothing, hairpins, device=CPU)
