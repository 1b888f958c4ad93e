"""Algorithm 2, whose padding is never computed, against whole maps of 400 x 400 inputs."""

from __future__ import annotations

import copy

import builders
import numpy as np
import pytest
import torch
from torch.nn import functional

from premir.scanner.cli import main
from premir.scanner.errors import ModelError
from premir.scanner.score.networks import fixed
from premir.scanner.score.networks.batches import PairingBatch
from premir.scanner.score.networks.fixed import FixedConvNet
from premir.scanner.score.shipped import load_model
from premir.scanner.score.weights import save_model

CPU = torch.device("cpu")
LENGTHS = [45, 398, 93, 161, 48, 370, 97, 61]
"""With one that reaches the last borders."""


@pytest.fixture(scope="module")
def hairpins():
    return builders.random_hairpins(np.random.default_rng(5), LENGTHS, unknown=0.05)


def make(seed=1, dtype=torch.float64):
    """A network with statistics and norms as training might leave them, some scales negative."""
    torch.manual_seed(seed)
    network = FixedConvNet().to(dtype)
    with torch.no_grad():
        for norm in (network.norm1, network.norm2):
            norm.weight.copy_(torch.randn(norm.weight.shape))
            norm.bias.copy_(torch.randn(norm.bias.shape) / 2)
            norm.running_mean.copy_(torch.randn(norm.weight.shape) / 4)
            norm.running_var.copy_(torch.rand(norm.weight.shape) + 0.1)
    return network


class Plain(torch.nn.Module):
    """Algorithm 2 as it is written, of torch's own layers, on tensors padded to 400 x 400."""

    def __init__(self, network):
        super().__init__()
        own = copy.deepcopy(network)
        self.conv1, self.conv2, self.conv3 = own.conv1, own.conv2, own.conv3
        self.norm1, self.norm2 = (
            torch.nn.BatchNorm2d(n).to(own.conv1.weight.dtype) for n in (32, 64)
        )
        for norm in ("norm1", "norm2"):
            getattr(self, norm).load_state_dict(getattr(own, norm).state_dict(), strict=False)
        self.fc1, self.fc2 = own.fc1, own.fc2

    def forward(self, batch):
        small = batch.dense()
        x = small.new_zeros(small.shape[0], 9, 400, 400)
        x[:, :, : small.shape[2], : small.shape[3]] = small
        x = functional.relu(self.norm1(self.conv1(x)))
        assert x.shape[2:] == (99, 99)
        x = functional.relu(self.norm2(self.conv2(4 * functional.avg_pool2d(x, 2))))
        assert x.shape[2:] == (25, 25)
        x = functional.relu(self.conv3(functional.max_pool2d(x, 2)))
        x = functional.max_pool2d(x, 2)
        assert x.shape[1:] == (64, 6, 6)
        return self.fc2(torch.sigmoid(self.fc1(x.flatten(1))))


def twins(hairpins, mode, dtype=torch.float64):
    network = make(dtype=dtype).train(mode)
    plain = Plain(network).train(mode)
    return network, plain, PairingBatch.build(hairpins, device=CPU, dtype=dtype)


def gradients(network, logits):
    labels = torch.arange(logits.shape[0]) % 2
    functional.cross_entropy(logits, labels, reduction="sum").backward()
    return {name: parameter.grad for name, parameter in network.named_parameters()}


@pytest.mark.parametrize("piece", [1, 50_000])
@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_equals_the_whole_maps(hairpins, mode, piece, monkeypatch):
    monkeypatch.setattr(fixed, "_PIECE", piece)
    network, plain, batch = twins(hairpins, mode)
    found, expected = network(batch), plain(batch)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    assert expected.std(dim=0).min() > 1e-3  # they tell hairpins apart
    own, theirs = gradients(network, found), gradients(plain, expected)
    assert own.keys() == theirs.keys()
    for name, gradient in own.items():
        torch.testing.assert_close(gradient, theirs[name], rtol=1e-8, atol=1e-10, msg=name)
        zero = mode and name in ("conv1.bias", "conv2.bias")  # which batch norm takes away
        assert (gradient.abs().max() > 1e-6) != zero, name
    for name, value in network.named_buffers():
        torch.testing.assert_close(value, dict(plain.named_buffers())[name], rtol=0, atol=1e-10)
    changed = not torch.equal(network.norm1.running_var, make().norm1.running_var)
    assert changed == mode


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_float32_with_the_kernel_equals_the_whole_maps(hairpins, mode):
    network, plain, batch = twins(hairpins, mode, torch.float32)
    found, expected = network(batch), plain(batch)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    own, theirs = gradients(network, found), gradients(plain, expected)
    for name, gradient in own.items():
        torch.testing.assert_close(gradient, theirs[name], rtol=1e-3, atol=1e-4, msg=name)
    for name, value in network.named_buffers():
        torch.testing.assert_close(value, dict(plain.named_buffers())[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("length", [1, 45, 80, *range(90, 98), 113, 366, 367, 390, 399, 400])
def test_windows_hold_all_that_a_hairpin_reaches(length):
    one = builders.random_hairpins(np.random.default_rng(length), [length])
    network, plain, batch = twins(one, mode=False)
    with torch.inference_mode():
        torch.testing.assert_close(network(batch), plain(batch), rtol=0, atol=1e-12)


def test_the_dense_path_is_the_whole_maps(hairpins):
    for mode in (True, False):
        network, plain, batch = twins(hairpins.take([0, 1]), mode)
        torch.testing.assert_close(network.forward_dense(batch), plain(batch), rtol=0, atol=1e-12)


def test_scores_do_not_depend_on_company(hairpins, tmp_path):
    card = {"name": "fixed", "description": "", "feature_schema": "do2018-v2", "context_nt": 0}
    card["unknown_letters"] = 1
    saved = make(dtype=torch.float32)
    model = load_model(str(save_model(tmp_path / "model", [saved], card).directory))
    assert model.kinds == ("fixed",)
    for name, value in model.networks()[0].state_dict().items():
        assert torch.equal(value, saved.state_dict()[name]), name  # running statistics too
    scores = model.score(hairpins)
    for n in range(len(hairpins)):
        assert model.score(hairpins.take([n])).tolist() == [scores[n]]
    assert np.abs(model.select(hairpins) - scores).max() < model.margin / 100


@pytest.fixture
def model(tmp_path):
    card = {"name": "mine", "description": "", "feature_schema": "do2018-v1", "context_nt": 30}
    return save_model(tmp_path / "model", [FixedConvNet()], card)


def test_what_does_not_fit_is_refused(model):
    assert model.longest == 400
    long = builders.random_hairpins(np.random.default_rng(0), [80, 401])
    for score in (model.score, model.select):
        with pytest.raises(ModelError, match=r"^mine: reads .* of up to 400 nt; one has 401$"):
            score(long)
    assert model.score(long.take([0])).size == 1


def test_scans_know_what_fits(model, tmp_path, capsys):
    rng = np.random.default_rng(1)
    builders.write_fasta(tmp_path / "g.fa", {"x": builders.random_sequence(rng, 2000)})
    words = [
        str(tmp_path / "g.fa"), "--model", str(model.directory), "--out", str(tmp_path / "h.bed"),
        "--preset", "plant", "--threads", "1",
    ]  # fmt: skip
    assert main([*words, "--max-span", "341"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == (
        "premir-scan: error: --max-span: candidates have up to 341 nt, and mine reads up to 340; "
        "give --max-span 340 or another --model"
    )
    assert main([*words, "--max-span", "340", "--min-prob", "0"]) == 0
    assert (tmp_path / "h.bed").read_text().count("\nx\t") > 1


def test_given_sequences_that_do_not_fit_have_a_remark(model, tmp_path, capsys):
    rng = np.random.default_rng(1)
    given = {name: builders.random_sequence(rng, n) for name, n in (("a", 400), ("b", 401))}
    builders.write_fasta(tmp_path / "s.fa", given)
    words = ["--hairpins", str(tmp_path / "s.fa"), "--model", str(model.directory)]
    assert main([*words, "--out", str(tmp_path / "s.tsv")]) == 0
    _, fits, long = (line.split("\t") for line in (tmp_path / "s.tsv").read_text().splitlines())
    assert (fits[0], fits[5]) == ("a", ".")
    assert 0 < float(fits[1]) < 1
    assert long == ["b", ".", ".", ".", ".", "longer than the 400 nt that mine reads"]
    assert "1 longer than the 400 nt that mine reads" in capsys.readouterr().err
