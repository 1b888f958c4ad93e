"""A training that is watched by sequences of its own, and stops when it gets no better."""

from __future__ import annotations

import json

import builders
import numpy as np
import pytest

from premir.scanner.errors import InputError
from premir.train.cli import main
from premir.train.dataset import Dataset
from premir.train.validation import Validation, best_epoch


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("PREMIR_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def custom(tmp_path):
    """Trains on twelve hairpins and others: hairpins too (it soon overfits), or random letters."""
    rng = np.random.default_rng(3)
    builders.write_fasta(tmp_path / "p.fa", {f"p{n}": builders.hairpin(rng) for n in range(12)})
    builders.write_fasta(tmp_path / "alike.fa", {f"n{n}": builders.hairpin(rng) for n in range(18)})
    unlike = {f"n{n}": builders.random_sequence(rng, 70) for n in range(40)}
    builders.write_fasta(tmp_path / "unlike.fa", unlike)

    def train(out, *options, others="unlike"):
        sets = ["--positives", tmp_path / "p.fa", "--negatives", tmp_path / f"{others}.fa"]
        words = ["custom", *sets, "--threads", 1, "--out", tmp_path / out, *options]
        assert main([*map(str, words)]) == 0
        return tmp_path / out

    return train


def data(count=200, order=None):
    rng = np.random.default_rng(0)
    hairpins = builders.random_hairpins(rng, [60] * count)
    labels = (np.arange(count) % 4 == 0).astype(np.int64)
    whole = Dataset(hairpins, labels, tuple(map(str, range(count))), {})
    return whole if order is None else whole.take(order)


def split(whole, share=0.3, seed=0):
    return Validation(share).split(whole, seed)


def test_sequences_go_where_their_letters_say():
    training, watched = split(data())
    assert set(training.names).isdisjoint(watched.names)
    assert 40 <= len(watched.hairpins) <= 80
    order = np.random.default_rng(1).permutation(200).repeat(2)
    again, rewatched = split(data(order=order))
    assert set(rewatched.names) == set(watched.names)
    assert len(rewatched.hairpins) == 2 * len(watched.hairpins)
    assert set(again.sequences()).isdisjoint(rewatched.sequences())
    labels = dict(zip(data().names, data().labels.tolist(), strict=True))
    assert [labels[name] for name in rewatched.names] == rewatched.labels.tolist()
    assert split(data(), seed=1)[1].names != watched.names
    assert split(data(), share=0)[1] is None


def test_too_few_hairpins_are_refused():
    with pytest.raises(InputError, match=r"--validation 0.01: 20 hairpins are too few"):
        Validation(0.01).split(data(20), seed=0)


def test_patience_counts_from_the_first_of_the_best_epochs():
    history = [{"validation": {"aupr": value}} for value in (0.5, 0.7, 0.6, 0.7)]
    assert best_epoch(history) == 2
    assert not Validation(0.1, 3).is_over(history)
    assert Validation(0.1, 2).is_over(history)
    assert not Validation(0.1).is_over(history)
    assert not Validation(0.1, 1).is_over([])


def test_the_best_network_is_kept_however_the_training_is_cut(custom):
    options = ("--validation", 0.3, "--batch-size", 4)
    patient = custom("patient", *options, "--epochs", 30, "--patience", 3, others="alike")
    card = json.loads((patient / "card.json").read_text())
    chosen, done = card["validation"]["chosen_epoch"], card["epochs"]
    assert done == chosen + 3 < 30
    assert len(card["validation"]["curve"]["aupr"]) == done
    assert card["training_positives"] < 12
    straight = custom("straight", *options, "--epochs", chosen, others="alike")
    cut = custom("cut", *options, "--epochs", 1, "--patience", 3, others="alike")
    cut = custom("cut", *options, "--epochs", 30, "--patience", 3, others="alike")
    weights = [(out / "weights.safetensors").read_bytes() for out in (patient, straight, cut)]
    assert weights[0] == weights[1] == weights[2]
    longer = custom("longer", *options, "--epochs", done, others="alike")
    assert (longer / "weights.safetensors").read_bytes() != weights[0]


def test_patience_alone_keeps_a_tenth(custom):
    card = json.loads((custom("m", "--epochs", 3, "--patience", 2) / "card.json").read_text())
    assert (card["validation"]["share"], card["validation"]["patience"]) == (0.1, 2)
    card = json.loads((custom("n", "--epochs", 3) / "card.json").read_text())
    assert "validation" not in card


def test_curves_are_drawn_of_what_was_watched(custom, tmp_path, capsys):
    watched = custom("watched", "--epochs", 3, "--validation", 0.3)
    plain = custom("plain", "--epochs", 3)
    capsys.readouterr()
    picture = tmp_path / "curves.png"
    assert main(["curves", str(watched), "--out", str(picture)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["folder"] == str(watched)
    assert told["best_epoch"] in (1, 2, 3)
    assert picture.read_bytes().startswith(b"\x89PNG")
    for folder, out, message in [
        (plain, picture, f"{plain}: was trained without --validation"),
        (tmp_path, picture, f"{tmp_path}: holds no training"),
        (watched, tmp_path / "curves.txt", "curves.txt: must end in .png"),
    ]:
        assert main(["curves", str(folder), "--out", str(out)]) == 2
        assert message in capsys.readouterr().err
