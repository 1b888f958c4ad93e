"""Cross-fitted models: what part of a genome each set of networks scores."""

from __future__ import annotations

import builders
import gpus
import numpy as np
import pytest
import torch

from premir.kernels.codes import encode
from premir.kernels.pairing import pack
from premir.scanner.cli import main
from premir.scanner.errors import ModelError
from premir.scanner.find.folding import InlineViennaFolder, fold
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.report.reading import read_hits
from premir.scanner.score.crossfit import CrossFit, Places
from premir.scanner.score.networks.stem import StemConvNet
from premir.scanner.score.networks.variable import VariableConvNet
from premir.scanner.score.refolding import Refolder
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.scanner.score.weights import save_model

BLOCK = 1_000


@pytest.fixture(scope="module")
def members():
    torch.manual_seed(5)
    return [[StemConvNet(), VariableConvNet()] for _ in range(3)]


@pytest.fixture(scope="module")
def parts(tmp_path_factory, members):
    """The networks of each part as a model of their own."""
    card = {"name": "part", "description": "", "feature_schema": "do2018-v1", "context_nt": 20}
    return [save_model(tmp_path_factory.mktemp("part"), own, card) for own in members]


@pytest.fixture(scope="module")
def model(tmp_path_factory, members):
    card = {**load_model(DEFAULT_MODEL).card, "name": "fitted", "min_prob": 0.0}
    card |= {
        "cross_fit": {"folds": 3, "block_nt": BLOCK},
        "calibration": {"slope": 1, "intercept": 0},
    }
    networks = [network for own in members for network in own]
    return save_model(tmp_path_factory.mktemp("fitted"), networks, card)


def test_blocks_take_turns_whatever_the_contigs_are_called():
    places = Places(np.array([0, 999, 1000, 2500, 3000, 0]), np.array([6, 6, 6, 6, 6, 7]))
    assert CrossFit(3, BLOCK).fold(places).tolist() == [0, 0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    "nucleotides, block_nt", [(1_000, 100_000), (16_000_000, 1_000_000), (3 * 10**9, 5_000_000)]
)
def test_blocks_suit_the_genome(nucleotides, block_nt):
    assert CrossFit.of_genome(nucleotides, 2).block_nt == block_nt


def test_hairpins_are_scored_by_the_networks_that_have_not_seen_their_place(model, parts):
    rng = np.random.default_rng(1)
    hairpins = fold([builders.hairpin(rng) for _ in range(30)])
    places = Places(rng.integers(0, 50 * BLOCK, 30), rng.integers(50, 60, 30) * BLOCK)
    part = model.cross_fit.fold(places)
    assert set(part) == {0, 1, 2}
    alone = np.stack([each.score(hairpins) for each in parts])
    expected = alone[part, np.arange(30)]
    assert model.score(hairpins, places) == pytest.approx(expected, abs=1e-6)
    assert model.select(hairpins, places=places) == pytest.approx(expected, abs=model.margin / 100)
    assert model.score(hairpins) == pytest.approx(alone.mean(axis=0), abs=1e-6)
    assert np.ptp(alone, axis=0).min() > 1e-4


def test_a_scan_scores_by_place_for_any_tile_thread_and_device(
    model, parts, tiny_genome, tmp_path, monkeypatch
):
    path, sequences, _ = tiny_genome
    texts = []
    tiles = ["--threads", "2", "--tile-size", "700"]
    for n, options in enumerate((["--threads", "1"], tiles, tiles)):
        if n == 2:
            gpus.feed_as_gpu(monkeypatch)
        out = tmp_path / f"{n}.bed"
        command = [str(path), "--out", str(out), "--model", str(model.directory), "-q", *options]
        assert main(command) == 0
        texts.append(out.read_bytes())
    assert texts[0] == texts[1] == texts[2]
    hits = list(read_hits(tmp_path / "0.bed"))
    middle = np.array([(hit.start + hit.end) // 2 for hit in hits])
    lengths = np.array([len(sequences[hit.chrom]) for hit in hits])
    part = model.cross_fit.fold(Places(middle, lengths))
    assert set(part) == {0, 1, 2}
    for hit, number in zip(hits, part, strict=True):
        assert hit.log_odds == pytest.approx(parts[number].score([hit.sequence])[0], abs=1e-6)


def test_a_second_opinion_is_scored_where_the_hit_lies(model, parts):
    rng = np.random.default_rng(3)
    right = InlineViennaFolder().fold(*pack([encode(builders.hairpin(rng)) for _ in range(6)]))
    wrong = Hairpins(right.codes, right.pairs, right.mfe + 10, right.offsets)
    places = Places(np.arange(6) * BLOCK, np.full(6, 3 * BLOCK))
    nine = np.full(6, 9.0)
    _, log_odds = Refolder(InlineViennaFolder(), model).check(wrong, nine, places, nine)
    expected = [parts[n % 3].score(right.take([n]))[0] for n in range(6)]
    assert log_odds == pytest.approx(expected, abs=1e-6)


def test_other_blocks_are_other_scores(model, tmp_path):
    card = {**model.card, "cross_fit": {"folds": 3, "block_nt": BLOCK + 1}}
    other = save_model(tmp_path, model.networks(), card)
    assert other.digest == model.digest
    assert other.key != model.key


@pytest.mark.parametrize(
    "cross_fit, message",
    [
        ({"folds": 4, "block_nt": 5}, "cross_fit.folds is 4; expected equal shares of 6"),
        ({"folds": 1, "block_nt": 5}, "cross_fit.folds is 1; expected a whole number from 2 to"),
        ({"folds": 2}, "cross_fit.block_nt is missing"),
        ({"folds": 2, "block_nt": 0}, "cross_fit.block_nt is 0; expected a whole number from 1"),
    ],
)
def test_cards_that_divide_nothing_are_refused(model, tmp_path, cross_fit, message):
    with pytest.raises(ModelError, match=message):
        save_model(tmp_path, model.networks(), {**model.card, "cross_fit": cross_fit})
