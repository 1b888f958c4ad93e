"""premir-train from FASTA files to a model that premir-scan uses."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading

import builders
import data_sets
import numpy as np
import pytest

from premir.scanner.cli import main as scan_main
from premir.train import download
from premir.train.cli import main


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PREMIR_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(1)
    positives = {f"p{n}": builders.hairpin(rng) for n in range(12)}
    negatives = {f"n{n}": builders.random_sequence(rng, 80) for n in range(24)}
    builders.write_fasta(tmp_path / "p.fa", positives)
    builders.write_fasta(tmp_path / "n.fa", negatives)
    return tmp_path / "p.fa", tmp_path / "n.fa"


def custom(files, out, *options):
    positives, negatives = map(str, files)
    return main(
        ["--protocol", "custom", "--positives", positives, "--negatives", negatives]
        + ["--out", str(out), "--threads", "1", *map(str, options)]
    )


def with_test(files):
    return ("--test-positives", files[0], "--test-negatives", files[1])


def test_custom_training_gives_a_model_for_the_scanner(files, tmp_path, capsys):
    out = tmp_path / "model"
    assert custom(files, out, "--epochs", 3, "--name", "mine", *with_test(files)) == 0
    captured = capsys.readouterr()
    first, second = captured.out.splitlines()
    assert first.startswith("SE ")
    measures = json.loads(second)
    assert list(measures) == ["se", "sp", "ppv", "f", "g_mean", "auroc", "aupr"]
    assert [line for line in captured.err.splitlines() if "epoch 3/3  loss" in line]
    card = json.loads((out / "card.json").read_text())
    assert card["name"] == "mine"
    assert card["test_metrics"] == measures
    assert (card["training_positives"], card["training_negatives"]) == (12, 24)
    scores = tmp_path / "scores.tsv"
    command = ["--hairpins", str(files[0]), "--out", str(scores), "--model", str(out), "-q"]
    assert scan_main(command) == 0
    assert len(scores.read_text().splitlines()) == 13


def test_interrupted_training_ends_with_the_same_weights(files, tmp_path):
    assert custom(files, tmp_path / "straight", "--epochs", 4) == 0
    assert custom(files, tmp_path / "broken", "--epochs", 2) == 0
    assert custom(files, tmp_path / "broken", "--epochs", 4) == 0
    straight, broken = (
        (tmp_path / name / "weights.safetensors").read_bytes() for name in ("straight", "broken")
    )
    assert straight == broken


def test_checkpoint_of_other_data_is_refused(files, tmp_path, capsys):
    assert custom(files, tmp_path / "model", "--epochs", 1) == 0
    assert custom(files[::-1], tmp_path / "model", "--epochs", 1, "--seed", 2) == 4
    assert "belongs to another training: seed is 0, not 2" in capsys.readouterr().err


def test_folds_come_from_the_cache_the_second_time(files, tmp_path, monkeypatch):
    assert custom(files, tmp_path / "a", "--epochs", 1) == 0
    monkeypatch.setattr("premir.scanner.folding.fold_batch", None)
    assert custom(files, tmp_path / "b", "--epochs", 1) == 0


@pytest.mark.parametrize(
    "options, message",
    [
        (["--protocol", "custom"], "--protocol custom needs --positives and --negatives"),
        (
            ["--protocol", "custom", "--positives", "a", "--negatives", "b"]
            + ["--test-positives", "c"],
            "--test-positives and --test-negatives go together",
        ),
        (
            ["--protocol", "crossspecies-new", "--positives", "a"],
            "--positives and --negatives go with --protocol custom",
        ),
        (
            ["--protocol", "crossspecies-new", "--data", "nowhere"],
            "nowhere/sequences/whole_pos.fa: cannot be read: No such file or directory",
        ),
    ],
)
def test_wrong_usage(options, message, capsys):
    assert main(options) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"premir-train: error: {message}"


def test_unknown_letters_are_refused(files, tmp_path, capsys):
    builders.write_fasta(tmp_path / "n.fa", {"ok": "ACGT" * 20, "odd": "ACGTN" * 10})
    assert custom(files, tmp_path / "model") == 2
    assert "n.fa: odd: holds a letter other than A, C, G, T, U" in capsys.readouterr().err


@pytest.fixture
def server(tmp_path):
    """The released files (or broken ones) behind HTTP on loopback; returns folder and address."""
    folder = tmp_path / "upstream"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_data_set_is_fetched_once_and_checked(server, monkeypatch):
    folder, url = server
    shutil.copytree(data_sets.benchmark_dir() / "sequences", folder / "sequences")
    fetched = download.fetch_benchmark(url)
    assert sorted(path.name for path in (fetched / "sequences").iterdir()) == sorted(
        name.removeprefix("sequences/") for name in download.SHA256
    )
    shutil.rmtree(folder / "sequences")
    assert download.fetch_benchmark(url) == fetched
    # A damaged file in the cache is noticed, and cannot be fetched again now.
    (fetched / "sequences" / "new_pos.fa").write_text(">1\nACGU\n")
    monkeypatch.setenv("PREMIR_DATA_URL", url)
    assert main(["--protocol", "crossspecies-new"]) == 2


def test_tampered_download_is_refused(server, capsys, monkeypatch):
    folder, url = server
    (folder / "sequences").mkdir()
    for name in download.SHA256:
        (folder / name).write_text(">1\nACGU\n")
    monkeypatch.setenv("PREMIR_DATA_URL", url)
    assert main(["--protocol", "crossspecies-new"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"premir-train: error: {url}/sequences/human_neg.fa: cannot be fetched")
    assert error.endswith("download the data set yourself and give its folder with --data")
