"""The network of deepMiRGene against its equations, one hairpin and one place at a time."""

from __future__ import annotations

import re

import builders
import numpy as np
import pytest
import torch

from premir.kernels.codes import encode
from premir.scanner.find.hairpins import join
from premir.scanner.score.inference import batch_log_odds, single_log_odds
from premir.scanner.score.networks.batches import PairingBatch
from premir.scanner.score.networks.recurrent import LETTERS, LONGEST, RecurrentNet

CPU = torch.device("cpu")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return RecurrentNet().eval()


@pytest.fixture
def hairpins():
    rng = np.random.default_rng(0)
    return builders.random_hairpins(rng, [45, 60, 61, 62, 130, 399, 400], unknown=0.05)


def kinds(pairs):
    """Places as deepMiRGene writes them: the dots of a hairpin's loop become colons."""
    text = "".join("." if p < 0 else "(" if p > n else ")" for n, p in enumerate(pairs))
    text = re.sub(r"\((\.+)(?=\))", lambda found: "(" + ":" * len(found[1]), text)
    return ["().:".index(each) for each in text]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(layer, seen):
    w, r, b, c = (
        getattr(layer, name).detach().double().numpy()
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    )
    state, memory, out = np.zeros(r.shape[1]), np.zeros(r.shape[1]), []
    for x in seen:
        i, f, g, o = np.split(w @ x + b + r @ state + c, 4)
        memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
        state = sigmoid(o) * np.tanh(memory)
        out.append(state)
    return np.array(out)


def naive_log_odds(network, codes, pairs):
    seen = np.eye(LETTERS + 4, LETTERS)[
        [4 * a + k for a, k in zip(codes, kinds(pairs), strict=True)]
    ]
    seen = lstm(network.lstm2, lstm(network.lstm1, seen))
    layers = [network.attention, network.fc1, network.fc2, network.fc3]
    (a, a0), *rest = (
        (layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy())
        for layer in layers
    )
    energy = np.exp(seen @ a[0] + a0)
    places = np.zeros((LONGEST, seen.shape[1]))
    places[LONGEST - len(seen) :] = seen * (energy / energy.sum())[:, None]
    hidden = places.ravel()
    for w, b in rest[:-1]:
        hidden = sigmoid(w @ hidden + b)
    w, b = rest[-1]
    return np.diff(w @ hidden + b)[0]


def test_equals_its_equations(network, hairpins):
    with torch.no_grad():  # so that attention and ends matter
        network.attention.weight *= 20
        network.fc1.weight *= 20
    expected = [naive_log_odds(network, *hairpins[n][:2]) for n in range(len(hairpins))]
    assert np.ptp(expected) > 1e-3
    exact = single_log_odds(network.double(), hairpins)
    np.testing.assert_allclose(exact, expected, atol=1e-12)
    together = batch_log_odds(network.float(), hairpins, device=CPU)
    np.testing.assert_allclose(together, expected, atol=1e-5)


def test_places_of_neighbours_do_not_mix(network):
    shapes = ["..((..((...))..((....))))..", "((((...))))", "....", "()(.)..", ".(.).", "(..)"]
    records = []
    for shape in shapes:
        pairs, open_ = np.full(len(shape), -1, np.int16), []
        for n, each in enumerate(shape):
            if each == "(":
                open_.append(n)
            elif each == ")":
                pairs[n] = open_.pop()
                pairs[pairs[n]] = n
        records.append((encode("A" * len(shape)), pairs, 0))
    packed = join(records)
    seen = batch_log_odds(network, packed, device=CPU)
    expected = [naive_log_odds(network, codes, pairs) for codes, pairs, _ in records]
    np.testing.assert_allclose(seen, expected, atol=1e-5)


def test_training_drops_units_and_evaluation_does_not(network, hairpins):
    batch = PairingBatch.build(hairpins.take([0, 1]), device=CPU)
    assert torch.equal(network(batch), network(batch))
    network.train()
    assert not torch.equal(network(batch), network(batch))
