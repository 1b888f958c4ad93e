"""Networks that other packages bring."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Any

import builders
import numpy as np
import pytest
import torch
from data_sets import ROOT

from premir.kernels.pairing import FEATURE_SCHEMA
from premir.scanner.score.inference import batch_log_odds
from premir.scanner.score.networks import NETWORKS
from premir.scanner.score.networks.batches import PairingBatch
from premir.scanner.score.networks.installed import GROUP, installed_networks
from premir.scanner.score.shipped import load_model
from premir.scanner.score.weights import save_model


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder that packages are found in."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_the_example_is_one_and_serves_as_ours_do(packages, tmp_path, monkeypatch):
    source = shutil.copytree(ROOT / "examples" / "network", tmp_path / "source")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(packages), str(source)], check=True)
    found = installed_networks()
    assert list(found) == ["sequence"]
    torch.manual_seed(0)
    network: Any = found["sequence"]().eval()
    rng = np.random.default_rng(0)
    hairpins = builders.random_hairpins(rng, [45, 300, 60, 60, 61], unknown=0.05)
    cpu = torch.device("cpu")
    together = batch_log_odds(network, hairpins, device=cpu)
    alone = [batch_log_odds(network, hairpins.take([n]), device=cpu)[0] for n in range(5)]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert np.unique(together.round(4)).size == 5
    _, inside = network._letters(PairingBatch.build(hairpins, device=cpu))
    assert inside.sum(dim=(1, 2)).tolist() == hairpins.lengths.tolist()  # unknown letters too

    monkeypatch.setitem(NETWORKS, "sequence", found["sequence"])
    card = {"name": "mine", "description": "", "network": "sequence", "context_nt": 0}
    card |= {"feature_schema": FEATURE_SCHEMA, "unknown_letters": 1}
    save_model(tmp_path / "model", [network], card)
    np.testing.assert_allclose(
        load_model(str(tmp_path / "model")).score(hairpins), together, atol=1e-5
    )


def test_what_cannot_be_used_is_said_and_left_out(packages, caplog):
    about = packages / "bad-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1\n")
    entries = f"[{GROUP}]\nbroken = bad_network:Gone\nother = os:path\n"
    (about / "entry_points.txt").write_text(entries)
    (packages / "bad_network.py").write_text("raise OSError('no such library')\n")
    assert installed_networks() == {}
    assert [record.message for record in caplog.records] == [
        "network broken (bad_network:Gone) cannot be loaded: OSError('no such library')",
        "network other (os:path) is no subclass of Network",
    ]


def test_a_name_of_ours_stays_ours(packages):
    about = packages / "taking-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: taking\nVersion: 1\n")
    stem = "premir.scanner.score.networks.stem:StemConvNet"
    (about / "entry_points.txt").write_text(f"[{GROUP}]\nvariable = {stem}\nmine = {stem}\n")
    words = (
        "from premir.scanner.score.networks import NETWORKS as n; print(n['variable'] is n['mine'])"
    )
    path = os.pathsep.join(filter(None, (str(packages), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-c", words], env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"
