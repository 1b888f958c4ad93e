"""Gates, built from real genomes for the shipped network, and scans that use them."""

from __future__ import annotations

import functools
import json
import shutil

import builders
import data_sets
import numpy as np
import pytest

from premir.kernels.codes import encode
from premir.scanner.cli import main as scan
from premir.scanner.genome.fasta import read_records
from premir.scanner.score.card import CARD
from premir.scanner.score.gating import GATES
from premir.scanner.score.shipped import load_model
from premir.train.cli import main
from premir.train.gates import grow_trees, place_cut, plant_in, survey_planted, vote_blindly
from premir.train.genome.config import Known
from premir.train.genome.sources import read_known
from premir.train.precursors import genome_file

PAPER = "do2018-crossspecies-new-variable"
ARABIDOPSIS = data_sets.genomes_dir() / "arabidopsis_1pct" / "genome.fa.gz"


@pytest.fixture(scope="module")
def ebv(tmp_path_factory):
    """A quarter of Epstein-Barr virus."""
    ((name, letters),) = read_records(data_sets.genomes_dir() / "ebv" / "genome.fa.gz")
    path = tmp_path_factory.mktemp("ebv") / "genome.fa"
    return builders.write_fasta(path, {name: letters[:43_000]})


@pytest.fixture(scope="module")
def gated(tmp_path_factory, ebv):
    """The shipped network with a threshold of 0.99, and gates built for it."""
    directory = tmp_path_factory.mktemp("models") / "gated"
    shutil.copytree(load_model(PAPER).directory, directory)
    card = json.loads((directory / CARD).read_text())
    (directory / CARD).write_text(json.dumps({**card, "min_prob": 0.99}))
    options = ["--data", data_sets.genomes_dir().parent, "--genomes", ARABIDOPSIS]
    options += ["--judge", ebv, "--planted", 600, "--loss", 0.05]
    options += ["--best-per-mb", 20, "--keep", 0.5, "--alone", 0.1, 0.2, 0.3, 0.2]
    assert main(["gates", str(directory), *map(str, options)]) == 0
    return directory


@pytest.fixture(scope="module")
def scanned(tmp_path_factory, gated, ebv):
    """Scan with some options; returns the BED's text and the summary. The same is done once."""

    @functools.cache
    def call(*options, genome=ebv):
        out = tmp_path_factory.mktemp("scan") / "hits.bed"
        assert scan([str(genome), "--out", str(out), "--model", str(gated), "-q", *options]) == 0
        return out.read_text(), json.loads(out.with_name("hits.bed.summary.json").read_text())

    return call


@pytest.mark.slow
def test_a_scan_rejects_and_loses_what_the_card_says(gated, scanned):
    gates = json.loads((gated / CARD).read_text())["gates"]
    (judged,) = gates["alone"]["judged"].values()  # the model's card knows of no evidence
    (lenient,) = gates["judged"].values()
    assert judged["folded_per_mb"] < lenient["folded_per_mb"]
    assert judged["hits_lost"] >= lenient["hits_lost"]
    text, with_gates = scanned()
    everything, exhaustive = scanned("--exhaustive")
    assert exhaustive["gates"] == {"off": "--exhaustive"}
    assert exhaustive["candidates"] == exhaustive["folded"] == exhaustive["scored"]
    assert exhaustive["above_threshold"] == judged["hits"] > 50
    assert with_gates["gates"]["judged"].popitem()[1] == judged
    assert with_gates["candidates"] == exhaustive["candidates"]
    megabases = with_gates["megabases"]
    for name in ("folded", "scored"):
        assert with_gates[name] == pytest.approx(judged[f"{name}_per_mb"] * megabases, abs=0.1)
    assert with_gates["scored"] < with_gates["folded"] < with_gates["candidates"]
    assert with_gates["above_threshold"] == judged["hits"] - judged["hits_lost"]
    assert judged["loss"] <= 0.2
    # What passes has the same score, fold and place as without gates.
    reported = [
        {line for line in bed.splitlines() if not line.startswith("#")}
        for bed in (everything, text)
    ]
    lost = reported[0] - reported[1]
    assert len(lost) <= judged["hits_lost"]


@pytest.mark.slow
def test_hits_with_gates_do_not_depend_on_tiles_and_threads(scanned):
    assert scanned("--tile-size", "23456", "--threads", "2")[0] == scanned()[0]


@pytest.mark.parametrize(
    "options, reason",
    [
        (["--min-prob", "0.98"], "--min-prob 0.98 is below the 0.99 they were built for"),
        (["--preset", "virus"], "they were built for preset animal"),
        (["--max-span", "150"], "they were built for a span of 160"),
    ],
)
def test_gates_turn_themselves_off_and_say_so(scanned, tmp_path, options, reason):
    sequences, _ = builders.planted_genome(seed=3, contigs={"chr1": 4000})
    genome = builders.write_fasta(tmp_path / "genome.fa", sequences)
    text, summary = scanned(*options, genome=genome)
    assert summary["gates"] == {"off": reason}
    assert scanned(*options, "--exhaustive", genome=genome)[0] == text


def test_gates_are_refused_when_damaged_or_of_other_weights(gated, ebv, tmp_path, capsys):
    for name, message in ((GATES, "missing, or not what card.json says"), (CARD, "other weights")):
        directory = tmp_path / name
        shutil.copytree(gated, directory)
        if name == GATES:
            (directory / GATES).write_bytes((directory / GATES).read_bytes()[:-1])
        else:
            card = json.loads((directory / CARD).read_text())
            card["gates"]["weights_sha256"] = "0" * 64
            (directory / CARD).write_text(json.dumps(card))
        command = [str(ebv), "--out", str(tmp_path / "x.bed"), "--model", str(directory), "-q"]
        assert scan(command) == 2
        error = capsys.readouterr().err
        assert error.startswith("premir-scan: error: ")
        assert message in error
        assert error.count("\n") == 1


def test_nothing_is_learned_from_judges(capsys):
    data = data_sets.genomes_dir().parent
    genomes = [str(genome_file(data, name)) for name in ("fly_1pct", "celegans_dev")]
    assert main(["gates", PAPER, "--data", str(data), "--genomes", *genomes]) == 2
    assert f"--genomes {genomes[1]}: is a judge" in capsys.readouterr().err


def test_trees_tell_apart_what_they_learned_and_cuts_keep_what_they_must():
    rng = np.random.default_rng(0)
    features = rng.integers(-1000, 1000, (4000, 6)).astype(np.int32)
    wanted = (features[:, 0] > 200) & (features[:, 3] < 500)
    trees = grow_trees(features, wanted, 0)
    votes = trees.votes(features)
    assert (votes[wanted].min(), votes[~wanted].max()) > (0, 0)
    assert np.mean((votes > 0) == wanted) > 0.97
    place = np.arange(4000) // 50
    blind = vote_blindly(features, wanted, place, seed=0)
    assert 0 < np.mean(blind != votes) < 1
    passed = votes >= place_cut(blind, [wanted], [0.01])
    assert np.mean(~passed[wanted]) <= 0.02
    assert passed.mean() < wanted.mean() + 0.1
    assert np.mean(blind >= place_cut(blind, [wanted, ~wanted], [0.01, 0.4])) >= 0.6


@pytest.mark.parametrize("kind", ["animal", "plant"])
def test_planted_hairpins_stand_in_pieces_of_the_genomes(tmp_path, kind):
    data = data_sets.genomes_dir().parent
    path = tmp_path / "planted.fa"
    known = read_known([Known(mirbase=data, kind=kind)])
    count = len(plant_in(known, [ARABIDOPSIS], path, seed=1, limit=20).loci)
    (header, sequence) = path.read_text().splitlines()
    assert header == ">planted"
    assert count == 20
    assert encode(sequence).size > 20 * (2 * 200 + 45)


def test_trees_that_vote_on_a_planted_precursor_have_not_seen_its_family():
    known = read_known([Known(mirbase=data_sets.genomes_dir().parent, kind="animal")])
    planted = survey_planted(known, [ARABIDOPSIS], load_model(PAPER), seed=1, limit=40)
    assert planted.precursors == 40
    found = planted.precursor >= 0
    assert np.unique(planted.precursor[found]).size > 30
    place = planted.surveyed.place
    of_precursor = {
        precursor: set(place[planted.precursor == precursor].tolist())
        for precursor in planted.precursor[found].tolist()
    }
    assert {len(places) for places in of_precursor.values()} == {1}
    families = {each.family for each in known}
    assert 1 < np.unique(place).size < min(len(families), planted.precursors)
