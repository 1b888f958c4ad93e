from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from premir.scanner.errors import ModelError
from premir.scanner.model_store import DEFAULT_MODEL, find_model, list_models, load_network


@pytest.fixture
def copy(tmp_path):
    """A model directory to damage."""
    return shutil.copytree(find_model(DEFAULT_MODEL).directory, tmp_path / "model")


def change(directory, **fields):
    card = json.loads((directory / "card.json").read_text())
    (directory / "card.json").write_text(json.dumps({**card, **fields}))


def test_every_shipped_model_loads_and_says_what_it_is():
    assert DEFAULT_MODEL in [spec.name for spec in list_models()]
    for spec in list_models():
        assert spec.name == spec.directory.name
        network = load_network(spec, dtype=torch.float64)
        assert all(p.dtype == torch.float64 for p in network.parameters())
        assert not any(p.requires_grad for p in network.parameters())
        assert spec.card["limits"]
        assert spec.card["training_sha256"]


def test_default_model_has_never_seen_what_scans_are_judged_by():
    spec = find_model(DEFAULT_MODEL)
    assert spec.card["protocol"] == "genome"
    assert spec.min_prob == spec.card["min_prob"] > 0.9
    assert spec.context_nt == 20
    lenders = {Path(each["genome"]).parts[1] for each in spec.card["configuration"]["backgrounds"]}
    assert lenders.isdisjoint({"celegans_dev", "yeast", "ecoli", "ebv", "hcmv"})


def test_the_papers_network_is_the_network_of_the_protocol():
    card = find_model("do2018-crossspecies-new-variable").card
    assert (card["protocol"], card["seed"], card["epochs"]) == ("crossspecies-new", 0, 40)
    assert card["recipe"]["name"] == "paper"
    assert card["test_metrics"]["as_published"]["auroc"] >= 0.975
    assert card["test_metrics"]["as_published"]["aupr"] >= 0.79


def test_model_directory_by_path(copy):
    assert find_model(str(copy)).digest == find_model(DEFAULT_MODEL).digest


def test_unknown_model_is_named():
    with pytest.raises(ModelError, match="nonesuch: no such model; give one of do2018"):
        find_model("nonesuch")


def test_damaged_weights_are_refused(copy):
    path = copy / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="digest differs from the card's"):
        load_network(find_model(str(copy)))
    path.unlink()
    with pytest.raises(ModelError, match="weights are missing"):
        load_network(find_model(str(copy)))


def test_damaged_card_is_refused(copy):
    (copy / "card.json").write_text("{")
    with pytest.raises(ModelError, match="damaged or incomplete model card"):
        find_model(str(copy))


@pytest.mark.parametrize(
    "field, message",
    [
        ({"feature_schema": "do2018-v2"}, "made for feature schema 'do2018-v2', this premir"),
        ({"network": "enormous"}, "unknown network 'enormous'"),
    ],
)
def test_models_of_another_kind_are_refused(copy, field, message):
    change(copy, **field)
    with pytest.raises(ModelError, match=message):
        load_network(find_model(str(copy)))
