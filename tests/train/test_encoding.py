"""Softened encodings, against softened tensors under the untransformed weights."""

from __future__ import annotations

import builders
import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize

from premir.scanner.score.networks.batches import PairingBatch
from premir.scanner.score.networks.variable import VariableConvNet
from premir.train.encoding import SoftEncoding, with_plain_encoding

LENGTHS = [45, 61, 80, 80, 102]


def batch():
    hairpins = builders.random_hairpins(np.random.default_rng(1), LENGTHS)
    return PairingBatch.build(hairpins, device=torch.device("cpu"), dtype=torch.float64)


def softened(tensors, lengths, e):
    """1 - e for the own nucleotide and e / 3 for the others, nothing beyond the hairpin."""
    soft = tensors.clone()
    for n, length in enumerate(lengths):
        own = tensors[n, 1:, :length, :length]
        soft[n, 1:, :length, :length] = torch.where(own == 1, 1 - e, e / 3)
    return soft


@pytest.mark.parametrize("e", [0.1, 0.2])
def test_soft_weights_do_what_soft_tensors_do(e):
    torch.manual_seed(0)
    network = VariableConvNet().double()
    hairpins = batch()
    tensors = softened(hairpins.dense(), LENGTHS, e)
    assert tensors[0, 1:5, :45, :45].sum(dim=0) == pytest.approx(1)
    expected = network._after_conv1(network.conv1(tensors), hairpins)
    plain = network(hairpins)
    parametrize.register_parametrization(network.conv1, "weight", SoftEncoding(e))
    torch.testing.assert_close(network(hairpins), expected)
    assert not torch.allclose(plain, expected, atol=1e-4)
    folded = with_plain_encoding(network)
    torch.testing.assert_close(folded(hairpins), expected)
    assert set(folded.state_dict()) == set(VariableConvNet().state_dict())
    torch.testing.assert_close(network(hairpins), expected)  # and the network can go on


def test_plain_networks_stay_as_they_are():
    network = VariableConvNet()
    assert with_plain_encoding(network) is network
