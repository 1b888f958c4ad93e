"""The contract of a model, with networks and cards of our own."""

from __future__ import annotations

import pickle
from typing import ClassVar

import builders
import numpy as np
import pytest
import torch
from torch import nn

from premir.scanner.errors import ModelError
from premir.scanner.score.card import Card
from premir.scanner.score.inference import single_log_odds
from premir.scanner.score.model import Model, probabilities
from premir.scanner.score.networks import NETWORKS
from premir.scanner.score.networks.fixed import FixedConvNet
from premir.scanner.score.networks.network import Network
from premir.scanner.score.networks.stem import StemConvNet
from premir.scanner.score.networks.variable import VariableConvNet
from premir.scanner.score.shipped import DEFAULT_MODEL, SHIPPED, load_model
from premir.scanner.score.weights import save_model

CARD: Card = {
    "name": "mine",
    "description": "",
    "network": "variable",
    "feature_schema": "do2018-v1",
    "context_nt": 0,
}


@pytest.fixture(scope="module")
def hairpins():
    return builders.random_hairpins(np.random.default_rng(4), [80, 120, 61, 80, 93])


def networks(count):
    torch.manual_seed(8)
    return [VariableConvNet() for _ in range(count)]


def alone(network, hairpins):
    return single_log_odds(network.double(), hairpins)


def test_scores_do_not_depend_on_company(hairpins):
    model = load_model(DEFAULT_MODEL)
    together = model.score(hairpins)
    assert together.dtype == np.float64
    for n in range(len(hairpins)):
        assert model.score(hairpins.take([n])).tolist() == [together[n]]
    rough = model.select(hairpins)
    assert rough.dtype == np.float32
    assert np.abs(rough - together).max() < model.margin / 10
    assert model.score(hairpins.take([])).size == model.select(hairpins.take([])).size == 0


def test_the_card_calibrates(hairpins, tmp_path):
    (network,) = networks(1)
    plain = save_model(tmp_path / "plain", [network], CARD)
    fitted = {**CARD, "calibration": {"slope": 2.5, "intercept": -1.5, "prior": "1:1"}}
    model = save_model(tmp_path / "fitted", [network], fitted)
    raw = alone(network, hairpins)
    assert plain.score(hairpins).tolist() == raw.round(6).tolist()
    assert model.score(hairpins).tolist() == (2.5 * raw - 1.5).round(6).tolist()
    np.testing.assert_allclose(model.select(hairpins), 2.5 * raw - 1.5, atol=1e-4)
    assert model.digest == plain.digest
    assert model.key != plain.key  # scores of one are no scores of the other


@pytest.mark.parametrize(
    "field, value, kind",
    [
        ("slope", 0, "a number above 0"),
        ("slope", True, "a number above 0"),
        ("intercept", "1", "a number"),
    ],
)
def test_a_calibration_that_is_none_is_refused(tmp_path, field, value, kind):
    card = {**CARD, "calibration": {"slope": 1, "intercept": 0, field: value}}
    with pytest.raises(ModelError, match=rf"calibration\.{field} is .+; expected {kind}$"):
        save_model(tmp_path / "bad", networks(1), card)


def test_several_networks_score_by_their_mean(hairpins, tmp_path):
    torch.manual_seed(2)
    members = [StemConvNet(), *networks(1), StemConvNet()]
    model = load_model(str(save_model(tmp_path / "mixed", members, CARD).directory))
    assert model.card["network"] == "stem + variable + stem"
    assert [type(member) for member in model.networks()] == [type(member) for member in members]
    expected = np.mean([alone(member, hairpins) for member in members], axis=0)
    assert model.score(hairpins).tolist() == expected.round(6).tolist()
    np.testing.assert_allclose(model.select(hairpins), expected, atol=1e-4)


def at_least(wanted):
    """What is wanted of each hairpin, whatever it may have yet."""
    return lambda index, _most: wanted[index]


@pytest.mark.parametrize("network", [VariableConvNet, FixedConvNet])
def test_no_log_odds_are_above_the_bound_and_some_reach_it(hairpins, network):
    torch.manual_seed(5)
    bounded = network().eval()
    low = alone(bounded, hairpins)
    with torch.no_grad():  # all hidden units are as they had best be
        better = bounded.fc2.weight[1] > bounded.fc2.weight[0]
        bounded.fc1.bias[:] = torch.where(better, 1e4, -1e4)
    assert alone(bounded, hairpins) == pytest.approx(bounded.most, abs=1e-12)
    assert (low < bounded.most).all()
    assert StemConvNet().most == np.inf


def test_what_cannot_reach_what_is_wanted_is_not_shown_to_later_networks(hairpins, tmp_path):
    torch.manual_seed(6)
    members = [StemConvNet(), *networks(2)]
    fitted = {**CARD, "calibration": {"slope": 2.5, "intercept": -1.5, "prior": "1:1"}}
    model = load_model(str(save_model(tmp_path / "mixed", members, fitted).directory))
    seen = []
    for member in model.networks()[1:]:
        member.register_forward_hook(lambda _, batch, __: seen.append(batch[0].lengths.numel()))
    scores = model.select(hairpins)
    assert sum(seen) == 2 * len(hairpins)
    first = alone(model.networks(dtype=torch.float64)[0], hairpins)
    most = 2.5 * (first + sum(member.most for member in model.networks()[1:])) / 3 - 1.5
    for least in (scores.astype(float) - 0.01, np.full(len(hairpins), -np.inf)):
        assert model.select(hairpins, least=at_least(least)).tolist() == pytest.approx(
            scores, abs=1e-4
        )
    wanted = np.where(np.arange(len(hairpins)) % 2, most + 1e-6, -np.inf)
    seen.clear()
    found = model.select(hairpins, least=at_least(wanted))
    assert (found[1::2] == -np.inf).all()
    assert found[::2] == pytest.approx(scores[::2], abs=1e-4)
    assert sum(seen) == 2 * len(found[::2])


def test_a_network_without_bound_is_asked_before_one_that_may_be_spared(hairpins, tmp_path):
    torch.manual_seed(7)
    members = [StemConvNet(), *networks(1), StemConvNet()]
    model = load_model(str(save_model(tmp_path / "mixed", members, CARD).directory))
    first, bounded, last = model.networks(dtype=torch.float64)
    seen = []
    spared = model.networks()[1]
    spared.register_forward_hook(lambda _, batch, __: seen.append(batch[0].lengths.numel()))
    most = (alone(first, hairpins) + alone(last, hairpins) + bounded.most) / 3
    assert (model.select(hairpins, least=at_least(most + 0.01)) == -np.inf).all()
    assert not seen
    model.select(hairpins, least=at_least(most - 0.01))
    assert sum(seen) == len(hairpins)


def test_a_model_that_is_sent_elsewhere_is_found_there(hairpins):
    model = load_model(DEFAULT_MODEL)
    scores = model.score(hairpins)
    sent = pickle.dumps(Model(SHIPPED / ".." / "elsewhere" / DEFAULT_MODEL, model.card))
    assert len(sent) < 100_000  # the card alone
    assert not pickle.loads(sent).directory.exists()
    assert pickle.loads(sent).here().score(hairpins).tolist() == scores.tolist()


def test_the_margin_is_that_of_the_networks_as_they_are_calibrated(tmp_path, monkeypatch):
    fitted = {**CARD, "calibration": {"slope": 2.5, "intercept": -1.5, "prior": "1:1"}}
    model = save_model(tmp_path / "fitted", [StemConvNet(), *networks(1)], fitted)
    assert model.margin == 2.5 * StemConvNet.margin
    monkeypatch.setattr(VariableConvNet, "margin", 4 * StemConvNet.margin)
    assert model.margin == 10 * StemConvNet.margin


def test_whatever_score_may_lift_to_a_threshold_is_selected():
    model = load_model(DEFAULT_MODEL)
    log_odds = np.linspace(-20, 20, 20_001)
    for min_prob in (0.0, 1e-6, 0.02, 0.5, 0.99784, 0.999999, 1.0):
        hits = log_odds[probabilities(log_odds) >= min_prob]
        assert hits.min() - model.lowest_selected(min_prob) >= 0.9 * model.margin
    assert model.lowest_selected(0.5) > -2 * model.margin
    assert probabilities(np.array([-1000.0, 0.0, 1000.0])).tolist() == [0.0, 0.5, 1.0]


class Pairs(Network):
    """A toy: the share of paired nucleotides, seen by a network that others know nothing of."""

    title = "toy"
    cells: ClassVar = {"cpu": 10_000}

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(1, 2)

    @property
    def last_layer(self):
        return self.out

    @staticmethod
    def map_sizes(lengths):
        return np.zeros(lengths.size, np.int64)

    def forward(self, batch):
        paired = (batch.pairs >= 0).to(batch.dtype)
        record = torch.repeat_interleave(torch.arange(batch.lengths.numel()), batch.lengths)
        total = torch.zeros(batch.lengths.numel(), dtype=batch.dtype).index_add(0, record, paired)
        return self.out((total / batch.lengths)[:, None])


def test_a_network_is_one_file_and_one_line(hairpins, tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "pairs", Pairs)
    network = Pairs()
    with torch.no_grad():
        network.out.weight.copy_(torch.tensor([[0.0], [8.0]]))
        network.out.bias.copy_(torch.tensor([4.0, 0.0]))
    save_model(tmp_path / "toy", [network], {**CARD, "network": "pairs"})
    model = load_model(str(tmp_path / "toy"))
    ends = hairpins.offsets[1:]
    paired = [
        np.mean(hairpins.pairs[a:b] >= 0) for a, b in zip(hairpins.offsets, ends, strict=False)
    ]
    np.testing.assert_allclose(model.score(hairpins), 8 * np.array(paired) - 4, atol=1e-6)
    np.testing.assert_allclose(model.select(hairpins), 8 * np.array(paired) - 4, atol=1e-5)


def test_below_the_floor_only_the_first_network_is_asked(hairpins, tmp_path):
    torch.manual_seed(7)
    members = [StemConvNet(), *networks(1)]
    model = load_model(str(save_model(tmp_path / "mixed", members, CARD).directory))
    seen = []
    model.networks()[1].register_forward_hook(
        lambda _, batch, __: seen.append(batch[0].lengths.numel())
    )
    first = alone(model.networks(dtype=torch.float64)[0], hairpins)
    scores = model.select(hairpins)
    floor = float(np.sort(first)[1:3].mean())
    seen.clear()
    found = model.select(hairpins, floor=np.full(len(hairpins), floor))
    above = first > floor
    assert sum(seen) == above.sum() == 3
    assert found[above] == pytest.approx(scores[above], abs=1e-4)
    assert (found[~above] == -np.inf).all()
    spared = np.where(above, floor, -np.inf)
    assert model.select(hairpins, floor=spared) == pytest.approx(scores, abs=1e-4)


@pytest.mark.parametrize(
    "min_prob, floor", [(0.2, -4.0), (0.99, -4.0), (0.19, -np.inf), (0.0, -np.inf)]
)
def test_a_floor_holds_from_the_probability_on_that_it_was_measured_for(min_prob, floor, tmp_path):
    saved = save_model(tmp_path / "plain", networks(1), CARD)
    assert saved.floor(min_prob) == -np.inf
    card: Card = {**saved.card, "floor": {"log_odds": -4.0, "min_prob": 0.2}}
    assert Model(saved.directory, card).floor(min_prob) == floor
