"""Networks on pairing tensors that Do et al. (2018) "also tried": as plain layers, one by one."""

from __future__ import annotations

import builders
import numpy as np
import pytest
import torch
from torch.nn import functional

from premir.scanner.score.networks import NETWORKS
from premir.scanner.score.networks.batches import PairingBatch
from premir.scanner.score.networks.resnet import ResidualBlock, ResNet

CPU = torch.device("cpu")
LENGTHS = [1, 2, 5, 12, 44, 45, 46, 47, 48, 90, 93, 110, 161, 398]


def fewer_pools(network, tensor):
    maps = functional.avg_pool2d(functional.relu(network.conv1(tensor)), 2) * 4
    maps = functional.relu(network.conv3(functional.relu(network.conv2(maps))))
    return maps


def alexnet(network, tensor):
    maps = functional.max_pool2d(functional.relu(network.conv1(tensor)), 2)
    maps = functional.relu(network.conv2(maps))
    maps = functional.max_pool2d(maps, 2, ceil_mode=True)
    for conv in (network.conv3, network.conv4, network.conv5):
        maps = functional.relu(conv(maps))
    return maps


def resnet(network, tensor):
    maps = functional.max_pool2d(functional.relu(network.conv1(tensor)), 2)
    for block in network.blocks:
        added = block.second(functional.relu(block.first(maps)))
        maps = functional.relu(block.along(maps) + added)
    return maps


PLAIN = {"fewer-pools": fewer_pools, "alexnet": alexnet, "resnet": resnet}


def alone(name, network, tensor):
    maps = functional.adaptive_avg_pool2d(PLAIN[name](network, tensor), 4)
    return network.fc2(torch.sigmoid(network.fc1(maps.flatten(1))))


def made(name):
    """A network none of whose layers is still as it began: residual ones begin at zero."""
    torch.manual_seed(3)
    network = NETWORKS[name]()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape))
    return network


@pytest.fixture(scope="module")
def hairpins():
    return builders.random_hairpins(np.random.default_rng(5), LENGTHS, unknown=0.05)


@pytest.mark.parametrize("name", PLAIN)
def test_a_batch_equals_each_sample_alone(name, hairpins):
    network = made(name).double().requires_grad_(False)
    batch = PairingBatch.build(hairpins, device=CPU, dtype=torch.float64)
    together, dense = network(batch), network.forward_dense(batch)
    for n in range(len(hairpins)):
        one = PairingBatch.build(hairpins.take([n]), device=CPU, dtype=torch.float64)
        expected = alone(name, network, one.dense())
        for found in (together[n], dense[n], network(one)[0]):
            torch.testing.assert_close(found, expected[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", PLAIN)
def test_gradient_reaches_every_weight(name, hairpins):
    network = made(name)
    batch = PairingBatch.build(hairpins, device=CPU)
    labels = torch.ones(len(hairpins), dtype=torch.int64)
    gradients = []
    for forward in (network.forward, network.forward_dense):
        network.zero_grad()
        functional.cross_entropy(forward(batch), labels, reduction="sum").backward()
        gradients.append({k: v.grad for k, v in network.named_parameters()})
    for key, found in gradients[0].items():
        assert found is not None, key
        assert found.abs().max() > 0, key
        torch.testing.assert_close(found, gradients[1][key], rtol=1e-3, atol=1e-5)


def test_a_residual_network_begins_as_its_shortcuts():
    for block in ResNet().blocks:
        assert isinstance(block, ResidualBlock)
        assert not block.second.weight.any()
