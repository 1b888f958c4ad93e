"""A training replaces its own model and nobody else's."""

from __future__ import annotations

import json
import shutil

import builders
import numpy as np
import pytest

from premir.scanner.errors import printable
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.train.cli import main


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(1)
    builders.write_fasta(folder / "p.fa", {f"{n}": builders.hairpin(rng) for n in range(12)})
    negatives = {f"{n}": builders.random_sequence(rng, 80) for n in range(24)}
    builders.write_fasta(folder / "n.fa", negatives)
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PREMIR_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def train(files, out, *options):
    data = ["--positives", str(files / "p.fa"), "--negatives", str(files / "n.fa")]
    command = ["custom", *data, "--out", str(out), "--threads", "1", "-q"]
    return main([*command, *(options or ["--epochs", "1"])])


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "trained"
    assert train(files, out) == 0
    return out


@pytest.fixture
def own(trained, tmp_path):
    """A directory with checkpoint and model of this training."""
    return shutil.copytree(trained, tmp_path / "own")


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(files, out, capsys, *options):
    """Train where it must be refused; returns the message."""
    before = content(out)
    assert train(files, out, *options) == 4
    assert content(out) == before
    error = capsys.readouterr().err
    assert error.startswith("premir-train: error: ")
    assert error.endswith("; choose another --out\n")
    assert error.count("\n") == 1
    return error


def test_another_model_is_not_overwritten(files, tmp_path, capsys):
    out = shutil.copytree(load_model(DEFAULT_MODEL).directory, tmp_path / "model")
    error = refused(files, out, capsys)
    assert f"{out / 'card.json'}: card of the model {DEFAULT_MODEL!r}, not written by" in error
    for name in ("card.json", "weights.safetensors"):
        (out / name).unlink()
        rest = "weights" if name == "card.json" else "gates"
        error = refused(files, out, capsys)
        assert f"{out / rest}.safetensors: not written by this training" in error


def test_a_model_beside_our_own_checkpoint_is_not_overwritten(files, own, capsys):
    shutil.copy(load_model(DEFAULT_MODEL).directory / "card.json", own)
    assert f"{DEFAULT_MODEL!r}, not written by this" in refused(files, own, capsys)
    (own / "card.json").write_text("{")
    assert "card.json: damaged model card" in refused(files, own, capsys)


@pytest.mark.parametrize("option", [("--seed", "1"), ("--lr", "0.002"), ("--dropout", "0.1")])
def test_a_model_of_another_training_is_not_overwritten(files, own, capsys, option):
    assert "belongs to another training: " in refused(files, own, capsys, "--epochs", "1", *option)
    (own / "checkpoint.safetensors").unlink()
    assert "'trained', not written by this" in refused(files, own, capsys, "--epochs", "1", *option)


def test_our_own_model_is_replaced_and_finished(files, own):
    before = content(own)
    assert train(files, own, "--epochs", "1", "--name", "trained") == 0  # nothing is left to do
    assert content(own) == before
    (own / "card.json").unlink()  # as if it was killed between weights and card
    assert train(files, own, "--epochs", "1", "--name", "trained") == 0
    assert content(own) == before
    assert train(files, own, "--epochs", "2", "--name", "renamed") == 0
    card = json.loads((own / "card.json").read_text())
    assert (card["name"], card["epochs"]) == ("renamed", 2)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "", "x" * 201])
def test_names_that_no_card_may_hold_are_refused_at_once(files, tmp_path, capsys, name):
    out = tmp_path / "model"
    options = ["--name", name] if name else []
    out = out if name else tmp_path / "new\nline"
    assert train(files, out, "--epochs", "1", *options) == 2
    error = capsys.readouterr().err.removeprefix("premir-train: error: ")
    error = error.removeprefix(printable(str(out)))
    assert error.startswith("/card.json: name is ")
    assert error.endswith("; expected a text of 1 to 200 characters without control characters\n")
    assert error.isprintable() or error[:-1].isprintable()
    assert not out.exists()
