"""The floor of a model, measured on planted precursors of families that it has not learned from."""

from __future__ import annotations

import json
import shutil

import builders
import data_sets
import numpy as np
import pytest

from premir.scanner.find.loci import Loci
from premir.scanner.genome.fasta import read_records
from premir.scanner.score.card import CARD
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.train.cli import main
from premir.train.floor import best_of_each
from premir.train.genome.backgrounds import held_out
from premir.train.genome.config import Known
from premir.train.genome.sources import read_known
from premir.train.precursors import genome_file
from premir.train.stem_costs import PlantedContig

PAPER = "do2018-crossspecies-new-variable"


@pytest.fixture(scope="module")
def flanks(tmp_path_factory):
    """A piece of a real genome, which lends flanks and candidates."""
    records = read_records(genome_file(data_sets.genomes_dir().parent, "fly_1pct"))
    name, letters = next(iter(records))
    path = tmp_path_factory.mktemp("flanks") / "flanks.fa"
    return builders.write_fasta(path, {name: letters[:60_000]})


@pytest.fixture
def model(tmp_path):
    directory = tmp_path / "model"
    shutil.copytree(load_model(DEFAULT_MODEL).directory, directory)
    return directory


def floor(model, genome, *options):
    data = data_sets.genomes_dir().parent
    command = ["floor", str(model), "--data", str(data), "--genomes", str(genome), *options]
    assert main(command) == 0
    return json.loads((model / CARD).read_text())["floor"]


@pytest.mark.slow
def test_a_floor_loses_what_it_may_of_families_that_were_not_learned(model, flanks):
    shipped = load_model(DEFAULT_MODEL).card["floor"]
    table = floor(model, flanks, "--planted", "300", "--loss", "0.02")
    assert table["min_prob"] == shipped["min_prob"]
    assert 200 <= table["known"] < 300
    assert table["lost"] <= 0.02 * table["known"]
    assert 0 < table["asked"] < 1
    assert table["log_odds"] > shipped["log_odds"] - 2
    strict = floor(model, flanks, "--planted", "300", "--loss", "0")
    assert strict["lost"] == 0
    assert strict["log_odds"] < table["log_odds"]
    assert strict["asked"] > table["asked"]


def test_what_is_shipped_loses_what_it_may():
    table = load_model(DEFAULT_MODEL).card["floor"]
    assert table["known"] > 1_000
    assert table["lost"] <= 0.005 * table["known"]
    assert table["hits_lost"] == 0


@pytest.mark.parametrize(
    "name, change, message",
    [
        (PAPER, {}, "has one network"),
        (DEFAULT_MODEL, {"settings": {}}, "tells no families left out"),
        (DEFAULT_MODEL, {}, "200 are needed"),
    ],
)
def test_what_has_no_floor_is_said(name, change, message, tmp_path, flanks, capsys):
    directory = tmp_path / "model"
    shutil.copytree(load_model(name).directory, directory)
    card = json.loads((directory / CARD).read_text())
    (directory / CARD).write_text(json.dumps({**card, **change}))
    data = str(data_sets.genomes_dir().parent)
    command = ["floor", str(directory), "--data", data, "--genomes", str(flanks), "--planted", "20"]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert json.loads((directory / CARD).read_text()) == {**card, **change}


def test_the_best_candidate_of_each_precursor_counts():
    planted = PlantedContig(
        np.zeros(1000, np.uint8),
        np.array([[100, 160], [300, 360], [500, 560]]),
        np.zeros((3, 2), np.int64),
    )
    start = np.array([95, 102, 100, 290, 340, 520, 700])
    end = np.array([165, 158, 160, 400, 420, 541, 760])
    strand = np.array([1, 1, -1, 1, 1, 1, 1], np.int8)
    zeros = np.zeros(7, np.int64)
    loci = Loci(zeros.astype(np.int32), start, end, strand, zeros.astype(np.int16), start, end)
    log_odds = np.array([1.0, 2.0, 9.0, -3.0, 5.0, 7.0, 8.0])
    # The third is on the other strand, the fifth lies beside, the sixth covers a third.
    assert best_of_each(loci, log_odds, planted).tolist() == [1, 3]
    assert best_of_each(loci, -log_odds, planted).tolist() == [0, 3]


def test_families_that_train_are_not_asked():
    known = read_known([Known(mirbase=data_sets.genomes_dir().parent, kind="animal")])
    card = json.loads((load_model(DEFAULT_MODEL).directory / CARD).read_text())
    learned = {p.family for p in known if not held_out(p.family, card["settings"]["validation"])}
    assert len(learned) == card["training_families"]
