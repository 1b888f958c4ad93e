"""Trainings that come to nothing end with one line, and leave no model."""

from __future__ import annotations

import builders
import numpy as np
import pytest
import torch

from premir.scanner.score.networks.variable import VariableConvNet
from premir.train.cli import main
from premir.train.collapse import CollapseError, check_finite, check_learned

LABELS = np.repeat([1, 0], [20, 80])


def log_odds(positives, negatives):
    return np.repeat(np.array([positives, negatives], np.float32), [20, 80])


def ramp(low, high):
    """Rising scores, the same for both classes: an AUROC of one half."""
    return np.concatenate([np.linspace(low, high, 20), np.linspace(low, high, 80)])


@pytest.mark.parametrize(
    "scores, message",
    [
        (log_odds(-1, -1), "x: the network has collapsed: it calls every hairpin something else "),
        (log_odds(2, 2), r"calls every hairpin pre-miRNA \(AUROC 0.500\): no model is saved; try"),
        (log_odds(0, 0), "collapsed"),
        (log_odds(885, 506), "collapsed"),  # as probabilities they are all 1
        (log_odds(-9499, -9624), "collapsed"),
        (log_odds(20, 18), "collapsed"),  # and these to the decimals that are printed
        (log_odds(-2, -1), r"AUROC 0\.000"),
        (ramp(-3, -1), "collapsed"),
        (ramp(1, 3) + 0.1 * (LABELS == 1), "collapsed"),  # within the errors of chance
        (np.where(np.arange(100) == 7, np.nan, log_odds(1, -1)), "scores that are no numbers"),
    ],
)
def test_a_network_that_tells_nothing_apart_has_collapsed(scores, message):
    with pytest.raises(CollapseError, match=message):
        check_learned("x", LABELS, scores)


@pytest.mark.parametrize(
    "scores",
    [
        log_odds(1, -1),
        log_odds(-1, -2),  # all called negative, but ranked
        log_odds(-11.5, -12),  # five decimals tell them apart
        ramp(-1, 1),  # no better than chance, but not of one mind
        log_odds(np.inf, -np.inf),
    ],
)
def test_a_poor_network_has_not_collapsed(scores):
    check_learned("x", LABELS, scores)


def test_numbers_that_are_not_finite_are_named():
    network = VariableConvNet()
    check_finite("epoch 1", 0.5, network)
    for loss in (np.nan, np.inf):
        with pytest.raises(CollapseError, match=f"epoch 1: the loss is {loss}: no model is saved"):
            check_finite("epoch 1", loss, network)
    with torch.no_grad():
        network.get_parameter("conv3.bias")[5] = -torch.inf
    with pytest.raises(CollapseError, match=r"epoch 1: conv3\.bias holds numbers that are not fin"):
        check_finite("epoch 1", 0.5, VariableConvNet(), network)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--optimizer", "sgd", "--lr", "1e30"], "epoch 1: the loss is nan: no model is saved"),
        (["--lr", "10"], "custom, epoch 3: the network has collapsed: it calls every hairpin "),
        (["--lr", "1e-9"], "custom, epoch 3: the network has collapsed: it calls every hairpin "),
    ],
)
def test_a_training_ends_with_one_line_and_without_a_model(
    tmp_path, monkeypatch, capsys, options, message
):
    monkeypatch.setenv("PREMIR_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(1)
    builders.write_fasta(tmp_path / "p.fa", {f"{n}": builders.hairpin(rng) for n in range(40)})
    negatives = {f"{n}": builders.random_sequence(rng, 80) for n in range(60)}
    builders.write_fasta(tmp_path / "n.fa", negatives)
    data = ["--positives", str(tmp_path / "p.fa"), "--negatives", str(tmp_path / "n.fa")]
    out = tmp_path / "model"
    command = ["custom", *data, "--out", str(out), "--threads", "1", "-q"]
    assert main([*command, "--epochs", "3", *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"premir-train: error: {message}")
    assert error.count("\n") == 1
    assert not list(out.glob("card.json"))
    assert not list(out.glob("weights.safetensors"))
