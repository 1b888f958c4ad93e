"""A tile that is scored needs its shard no longer: what goes, what stays, what is folded again."""

from __future__ import annotations

import json
import shutil

import builders
import pytest

from premir.scanner.cli import main
from premir.scanner.find.shards import read_shard
from premir.scanner.run import tasks

COUNT = 5
"""Tiles of the genome."""
OPTIONS = ("--tile-size", "1500", "--threads", "1", "--min-prob", "0.3", "--exhaustive", "-q")
OF_TILES = ("candidates", "folded", "scored", "above_threshold", "passed_over")
"""Fields of a summary that add up what tiles say."""


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    sequences, _ = builders.planted_genome(seed=3, contigs={"chr1": 6_000, "b": 150, "d": 1_200})
    return builders.write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", sequences)


@pytest.fixture(scope="module")
def kept(genome, tmp_path_factory):
    """Output and run directory of a scan with ``--keep-work``."""
    out = tmp_path_factory.mktemp("kept") / "hits.bed"
    assert main([str(genome), "--out", str(out), *OPTIONS, "--keep-work"]) == 0
    return out


@pytest.fixture(scope="module")
def parted(genome, tmp_path_factory):
    """Run directory of a scan all of whose tiles are scored, and that has no output yet."""
    out = tmp_path_factory.mktemp("parted") / "hits.bed"
    assert main([str(genome), "--out", str(out), *OPTIONS, "--part", "1/1"]) == 0
    return work_of(out)


def work_of(out):
    return out.with_name("hits.bed.premir-work")


def shards_in(work):
    return {path.name: path.read_bytes() for path in (work / "shards").iterdir()}


def scores_in(work):
    return {path.name: path for path in work.glob("scores/*/*.h5")}


def summary_of(out):
    return json.loads(out.with_name("hits.bed.summary.json").read_text())


@pytest.fixture
def out(tmp_path):
    return tmp_path / "hits.bed"


@pytest.fixture
def scan(genome, out):
    return lambda *options: main([str(genome), "--out", str(out), *OPTIONS, *map(str, options)])


@pytest.fixture
def work(parted, out):
    return shutil.copytree(parted, work_of(out))


def test_scores_hold_hits_with_their_folds_and_shards_are_gone(kept, parted):
    assert shards_in(parted) == {}
    assert not list(parted.glob("commits/shards-*"))
    scores, ours = scores_in(work_of(kept)), scores_in(parted)
    assert len(scores) == COUNT
    assert {name: path.read_bytes() for name, path in ours.items()} == {
        name: path.read_bytes() for name, path in scores.items()
    }
    found = 0
    for name, path in scores.items():
        shard, held = read_shard(work_of(kept) / "shards" / name), read_shard(path)
        assert held.scores is not None
        assert held.hairpins is not None
        row = held.scores.row
        for group, columns in (("hairpins", ("codes", "pairs", "mfe")), ("loci", ("start", "end"))):
            whole = getattr(shard, group).take(row)
            for column in columns:
                of_hits = getattr(getattr(held, group), column)
                assert of_hits.tolist() == getattr(whole, column).tolist()
        assert len(held.hairpins) == held.scores.log_odds.size
        found += row.size
    assert found == summary_of(kept)["above_threshold"] > 3


def test_what_is_scored_is_done(kept, work, out, scan, monkeypatch):
    monkeypatch.setattr(tasks, "candidates_of_tile", None)
    assert scan("--resume", "require") == 0
    assert out.read_text() == kept.read_text()
    found, expected = summary_of(out), summary_of(kept)
    assert (found["tiles_reused"], found["scores_reused"]) == (COUNT, COUNT)
    assert {name: found[name] for name in OF_TILES} == {name: expected[name] for name in OF_TILES}
    assert found["seconds_by_stage"]["folding"] > 0
    assert not work.exists()


@pytest.mark.usefixtures("work")
def test_another_threshold_folds_again(genome, out, scan, tmp_path):
    again = [str(genome), "--out", str(tmp_path / "fresh.bed"), *OPTIONS, "--min-prob", "0.6"]
    assert main(again) == 0
    assert scan("--min-prob", 0.6) == 0
    assert out.read_text() == (tmp_path / "fresh.bed").read_text()
    found = summary_of(out)
    assert (found["tiles_new"], found["scores_new"]) == (COUNT, COUNT)


def test_shards_that_are_wanted_are_made_again(kept, work, out, scan, capsys):
    assert scan("--finalise", "--keep-work") == 1
    error = capsys.readouterr().err
    assert (
        f"{COUNT} of {COUNT} tiles are missing; run their parts again: part 1/1, chr1:1-" in error
    )
    assert error.count("(its shard was not kept)") == COUNT
    assert scan("--keep-work") == 0
    assert out.read_text() == kept.read_text()
    found = summary_of(out)
    assert (found["tiles_new"], found["scores_reused"]) == (COUNT, COUNT)
    assert shards_in(work) == shards_in(work_of(kept))


@pytest.mark.usefixtures("work")
def test_candidates_are_read_from_shards(genome, out, scan, tmp_path):
    fresh, candidates = tmp_path / "fresh.bed", tmp_path / "candidates.bed"
    assert main([str(genome), "--candidates", str(fresh), "-q"]) == 0
    assert scan("--candidates", candidates) == 0
    assert candidates.read_text() == fresh.read_text()
    assert summary_of(out)["tiles_new"] == COUNT


def test_damaged_scores_are_made_again_from_the_letters(kept, work, out, scan):
    scores_in(work)["tile-000002.h5"].write_bytes(b"torn")
    assert scan() == 0
    assert out.read_text() == kept.read_text()
    found = summary_of(out)
    assert (found["tiles_new"], found["tiles_reused"]) == (1, COUNT - 1)
    assert (found["scores_redone"], found["scores_reused"]) == (1, COUNT - 1)


def test_shards_that_were_left_go(kept, out, scan):
    """As where a process is killed between scores and shard."""
    work = shutil.copytree(work_of(kept), work_of(out))
    assert len(shards_in(work)) == COUNT
    assert scan("--part", "1/1") == 0
    assert shards_in(work) == {}
    assert scan("--finalise") == 0
    assert out.read_text() == kept.read_text()


def test_a_shard_that_changes_before_it_is_scored_is_not_read(scan, out, monkeypatch, capsys):
    original = tasks.score_tiles

    def torn(job, tiles, *others):
        for tile in tiles:
            if tile.index == 2:
                job.run.shard(tile).write_bytes(b"torn")
        return original(job, tiles, *others)

    monkeypatch.setattr("premir.scanner.run.executors.local.score_tiles", torn)
    assert scan() == 3
    path = work_of(out) / "shards" / "tile-000002.h5"
    assert f"set aside: {path}: is gone, or not as it was written\n" in capsys.readouterr().err


def test_scores_of_an_earlier_premir_are_swept(kept, work, out, scan):
    (folder,) = work.glob("scores/*")
    (folder / "tile-000001.npz").write_bytes(b"arrays")
    assert scan() == 0
    assert out.read_text() == kept.read_text()
    assert not work.exists()
