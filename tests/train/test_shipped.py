"""The shipped networks of the seed paper, against the released data and the committed results."""

from __future__ import annotations

import json
from pathlib import Path

import data_sets
import pytest

from premir.scanner.find.folding import KernelFolder
from premir.scanner.score.model import Model
from premir.scanner.score.shipped import list_models
from premir.train.protocols import BENCHMARKS
from premir.train.run import evaluate_model

CELLS = Path(__file__).parents[2] / "docs" / "results" / "cells"
SHIPPED = [spec for spec in list_models() if spec.name.startswith("do2018-")]


@pytest.mark.parametrize("spec", SHIPPED, ids=lambda spec: spec.name)
def test_cards_are_those_of_the_committed_results(spec: Model):
    protocol, seed = spec.card["protocol"], spec.card["seed"]
    cell = json.loads((CELLS / f"{protocol}-variable-paper-seed{seed}.json").read_text())
    assert (seed, spec.card["epochs"], spec.name) == (0, 40, f"do2018-{protocol}-variable")
    assert cell["weights_sha256"]["40"] == spec.digest
    assert cell["judged"]["40"] == spec.card["test_metrics"]
    assert {**cell["recipe"], "epochs": 40} == spec.card["recipe"]
    assert any("of a genome" in limit for limit in spec.card["limits"])
    assert ("C. elegans" in " ".join(spec.card["limits"])) == protocol.startswith("crossspecies")


@pytest.mark.slow
@pytest.mark.parametrize("spec", SHIPPED, ids=lambda spec: spec.name)
def test_networks_measure_what_their_cards_say(spec: Model, tmp_path, monkeypatch):
    monkeypatch.setenv("PREMIR_CACHE", str(tmp_path))
    (protocol,) = BENCHMARKS[spec.card["protocol"]].build(data_sets.benchmark_dir())
    scored = evaluate_model(spec, protocol, device_name="cpu", threads=1, folder=KernelFolder())
    found, said = scored.judgement().rounded(), spec.card["test_metrics"]
    assert said is not None
    for part, values in said.items():
        if isinstance(values, dict):
            assert found[part] == pytest.approx(values, abs=2e-4), part
        else:
            assert found[part] == values
