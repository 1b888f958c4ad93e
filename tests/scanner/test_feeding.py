"""What a GPU is fed with, on a CPU that is fed like one: the same bytes as ever."""

from __future__ import annotations

import json

import builders
import gpus
import numpy as np
import pytest
import torch
from read_sets import Read, write_library

from premir.scanner.cli import main
from premir.scanner.score.feeding import FEEDING
from premir.scanner.score.inference import batch_log_odds, single_log_odds
from premir.scanner.score.networks import NETWORKS
from premir.scanner.score.networks.stem import StemConvNet
from premir.scanner.score.networks.variable import VariableConvNet
from premir.scanner.score.selecting import Found
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model

CPU = torch.device("cpu")
TILES = ("--tile-size", "2200", "--threads", "2")
COUNT = 21
NUMBER = len(load_model(DEFAULT_MODEL).kinds)
"""Networks of the default model."""
"""Tiles of the genome: two groups of eight, and one of five."""


@pytest.fixture
def as_gpu(monkeypatch):
    return gpus.feed_as_gpu(monkeypatch)


@pytest.fixture(scope="module")
def expected(default_scan):
    return default_scan[0]


@pytest.fixture(scope="module")
def scored(default_genome, tmp_path_factory):
    """Scores of all tiles by the default command, scored one by one."""
    return scores_of(default_genome, tmp_path_factory.mktemp("apart"))


def scores_of(genome, folder, *options):
    """Return, by tile, the file of its likely hits, and what its commit record says."""
    out = folder / "hits.bed"
    assert main([str(genome[0]), "--out", str(out), "-q", *TILES, "--part", "1/1", *options]) == 0
    work = out.with_name("hits.bed.premir-work")
    records = [json.loads(path.read_text()) for path in work.glob("commits/scores-*.json")]
    found = {path.name: path.read_bytes() for path in work.glob("scores/*/*.h5")}
    return found, sorted((each["tile"], each["scored"], each["hits"]) for each in records)


def test_tiles_that_are_scored_together_have_the_scores_that_they_have_apart(
    default_genome, scored, as_gpu, tmp_path
):
    files, records = scored
    assert len(records) == COUNT
    assert sum(hits > 0 for _, _, hits in records) > 5
    assert scores_of(default_genome, tmp_path) == (files, records)
    assert as_gpu.taken == 3 * NUMBER  # three groups


def test_hits_of_the_default_command(default_genome, expected, as_gpu, scan):
    assert scan(default_genome[0], *TILES) == (0, expected)
    assert as_gpu.taken == 3 * NUMBER


def test_what_was_found_together_is_divided_by_tile():
    found = Found(np.array([1, 5, 6]), np.array([0.1, 0.5, 0.6]), np.arange(1, 9), {"gates": 4.0})
    parts = found.split([2, 0, 4, 3])
    assert [part.index.tolist() for part in parts] == [[1], [], [3], [0]]
    assert [part.log_odds.tolist() for part in parts] == [[0.1], [], [0.5], [0.6]]
    assert [part.scored.tolist() for part in parts] == [[1], [], [0, 1, 2, 3], [0, 1, 2]]
    assert {part.seconds["gates"] for part in parts} == {1.0}


def test_reads_spare_what_they_spare_in_tiles_apart(default_genome, scored, monkeypatch, tmp_path):
    lengths = {name: len(text) for name, text in default_genome[1].items()}
    reads = [
        Read(name, at, 22, strand, "a_x30")
        for name, length in lengths.items()
        for at in range(0, length - 22, 400)
        for strand in "+-"
    ]
    library = write_library(tmp_path / "reads.bam", lengths, reads)
    apart, together = tmp_path / "apart", tmp_path / "together"
    apart.mkdir()
    together.mkdir()
    files, records = scores_of(default_genome, apart, "--reads", str(library))
    assert sum(hits for _, _, hits in records) > sum(hits for _, _, hits in scored[1]) + 20
    gpus.feed_as_gpu(monkeypatch)
    assert scores_of(default_genome, together, "--reads", str(library)) == (files, records)


@pytest.mark.usefixtures("as_gpu")
@pytest.mark.parametrize("network", [StemConvNet, VariableConvNet])
def test_batches_that_do_not_fit_are_halved_across_tiles(
    network, default_genome, expected, scan, monkeypatch, capsys
):
    forward, sizes = network.forward, []

    def small(self, batch):
        size = batch.host_lengths.size
        if size > 9 and batch.dtype == torch.float32:
            raise torch.OutOfMemoryError("no memory")
        sizes.append(size)
        return forward(self, batch)

    monkeypatch.setattr(network, "forward", small)
    assert scan(default_genome[0], *TILES) == (0, expected)
    assert "hairpins are too many for cpu: half as many" in capsys.readouterr().err
    assert 4 < max(sizes) <= 9


def test_tiles_of_a_group_are_committed_one_by_one(
    default_genome, expected, crash_server, tmp_path
):
    """Killed between two tiles of a group, on a GPU; and what is left is done by one, and by none.

    The shards of what was committed are gone, the others are there.
    """
    out = tmp_path / "hits.bed"
    command = [str(default_genome[0]), "--out", str(out), "--quiet", *TILES]
    ending = crash_server.scan(
        *command, kill_before="unlink shards/tile-000002.h5", fed_as_gpu=True
    )
    assert ending.code == -9
    work = out.with_name("hits.bed.premir-work")
    names = sorted(path.name for path in work.glob("scores/*/*.h5"))
    assert "tile-000002.h5" in names
    assert 0 < len(names) < COUNT
    assert {path.name for path in work.glob("shards/*.h5")} >= {"tile-000002.h5"}
    assert len(list(work.glob("shards/*.h5"))) > COUNT - len(names) - 8
    assert main(command) == 0
    assert out.read_text() == expected
    summary = json.loads(out.with_name("hits.bed.summary.json").read_text())
    assert summary["scores_reused"] == len(names)


@pytest.mark.usefixtures("as_gpu")
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_scores_in_batches_of_all_sizes_are_those_of_hairpins_alone(name):
    torch.manual_seed(3)
    network = NETWORKS[name]().eval().requires_grad_(False)
    rng = np.random.default_rng(4)
    hairpins = builders.random_hairpins(rng, rng.integers(30, 220, 40).tolist())
    (index,) = network.batches(hairpins.lengths, FEEDING["cpu"])
    assert index.size == 40
    found = batch_log_odds(network, hairpins, device=CPU)
    expected = single_log_odds(network.double(), hairpins)
    assert np.abs(found - expected).max() < network.margin / 100


def test_a_cpu_gets_small_batches_of_one_size_and_a_gpu_large_ones_of_all():
    lengths = np.random.default_rng(0).integers(87, 200, 7_000)
    network = VariableConvNet()
    for kind, mixed in (("cpu", False), ("cuda", True)):
        batches = list(network.batches(lengths, FEEDING[kind]))
        assert sorted(np.concatenate(batches)) == list(range(7_000))
        sizes = [np.unique(network.map_sizes(lengths[index])).size for index in batches]
        assert (max(sizes) > 1) == mixed
        assert (np.mean([index.size for index in batches]) > 1_000) == mixed
