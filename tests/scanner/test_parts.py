"""Parts of a scan on machines that share a run directory, and ``--finalise``."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import builders
import pytest

from premir.scanner.cli import main
from premir.scanner.genome.letters import Contigs
from premir.scanner.genome.parts import Part
from premir.scanner.genome.tiles import plan_tiles
from premir.scanner.run import tasks
from premir.scanner.run.rundir import open_run_directory

TILES = ("--tile-size", "1500", "--threads", "1", "--min-prob", "0.3", "-q")
COUNT = 9
"""Tiles of the genome."""


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    contigs = {"chr1": 9_000, "chr2": 3_000, "b": 150, "c": 60, "d": 1_200}
    sequences, _ = builders.planted_genome(seed=3, contigs=contigs)
    return builders.write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", sequences)


@pytest.fixture(scope="module")
def undisturbed(genome, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "hits.bed"
    assert main([str(genome), "--out", str(out), *TILES]) == 0
    return out.read_text()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "hits.bed"


@pytest.fixture
def work(tmp_path):
    return tmp_path / "hits.bed.premir-work"


@pytest.fixture
def scan(genome, out):
    return lambda *options: main([str(genome), "--out", str(out), *TILES, *map(str, options)])


def start(genome, out, *options):
    command = [sys.executable, "-m", "premir.scanner.cli", genome, "--out", out, *TILES, *options]
    return subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)


def check_finished(out, expected, **counts):
    assert out.read_text() == expected
    summary = json.loads(out.with_name("hits.bed.summary.json").read_text())
    assert {name: summary[name] for name in counts} == counts
    assert summary["tiles_total"] == COUNT
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "hits.bed",
        "hits.bed.summary.json",
    ]
    return summary


@pytest.mark.slow
def test_parts_side_by_side_one_of_them_killed(genome, undisturbed, out, work, scan):
    """Real processes, all at once, where nothing was before."""
    parts = [start(genome, out, "--part", f"{number}/3") for number in (1, 2, 3)]
    while not list(work.glob("commits/scores-*")):
        assert parts[0].poll() is None or list(work.glob("commits/scores-*"))
        time.sleep(0.01)
    parts[1].send_signal(signal.SIGKILL)
    errors = [part.communicate()[1] for part in parts]
    assert (parts[0].returncode, parts[2].returncode) == (0, 0), errors
    assert (errors[0], errors[2]) == ("", "")
    assert not out.exists()
    if parts[1].returncode == -9:
        scan("--finalise")  # refused, unless it had been done with its tiles
        again = start(genome, out, "--part", "2/3")
        assert (again.communicate()[1], again.returncode) == ("", 0)
    if not out.exists():
        assert scan("--finalise") == 0
    summary = check_finished(out, undisturbed, tiles_reused=COUNT, scores_reused=COUNT)
    assert summary["seconds_by_stage"]["folding"] > 0


def test_finalise_refuses_and_says_what_is_missing(undisturbed, out, work, scan, capsys):
    assert scan("--part", "1/3") == 0
    assert scan("--part", "3/3") == 0
    capsys.readouterr()
    before = sorted(work.rglob("*"))
    assert scan("--finalise") == 1
    assert capsys.readouterr().err == (
        f"premir-scan: error: {work}: 3 of 9 tiles are missing; run their parts again: "
        "part 2/3, chr1:1501-3000 (not done); part 2/3, chr1:6001-7500 (not done); "
        "part 2/3, chr2:1501-3000 (not done)\n"
    )
    assert not out.exists()
    assert sorted(work.rglob("*")) == before
    assert scan("--part", "2/3") == 0
    assert scan("--finalise") == 0
    check_finished(out, undisturbed, tiles_reused=COUNT, scores_reused=COUNT)


def test_finalise_needs_a_run(work, scan, capsys):
    assert scan("--finalise") == 2
    assert f"{work}: there is no run to resume" in capsys.readouterr().err
    assert not work.exists()


def test_damaged_scores_are_found_by_finalise(undisturbed, out, work, scan, capsys):
    assert scan("--part", "1/1") == 0
    (scores,) = work.glob("scores/*/tile-000004.h5")
    scores.write_bytes(b"torn")
    assert scan("--finalise") == 1
    assert "1 of 9 tiles are missing; run their parts again: part 1/1, chr1:6001" in (
        capsys.readouterr().err
    )
    assert scan("--part", "1/1") == 0
    assert scan("--finalise") == 0
    check_finished(out, undisturbed, tiles_reused=COUNT)


def test_whole_run_takes_up_what_parts_did(undisturbed, out, scan):
    assert scan("--part", "2/4") == 0
    assert scan() == 0
    check_finished(out, undisturbed, tiles_reused=2, tiles_new=COUNT - 2)


def test_reason_of_a_failed_tile_reaches_finalise(undisturbed, out, scan, monkeypatch, capsys):
    original = tasks.fold_tile

    def fails(job, tile, folder):
        if tile.index == 3:
            raise RuntimeError("boom")
        return original(job, tile, folder)

    monkeypatch.setattr("premir.scanner.run.executors.local.fold_tile", fails)
    assert [scan("--part", f"{n}/2") for n in (1, 2)] == [0, 3]
    monkeypatch.undo()
    capsys.readouterr()
    assert scan("--finalise") == 1
    assert capsys.readouterr().err.endswith(
        "1 of 9 tiles are missing; run their parts again: "
        "part 2/2, chr1:4501-6000 (RuntimeError: boom)\n"
    )
    assert scan("--part", "2/2") == 0
    assert scan("--finalise") == 0
    check_finished(out, undisturbed, tiles_reused=COUNT)


def test_same_part_twice_at_once_is_refused(work, scan, capsys):
    with open_run_directory(work, part=Part(1, 2)):
        assert scan("--part", "1/2") == 2
        assert f"{work}: another premir-scan is working here: process" in capsys.readouterr().err
        assert scan("--part", "2/2") == 0


def test_whole_run_and_parts_exclude_each_other(work, scan, capsys, monkeypatch):
    monkeypatch.setattr("premir.scanner.run.locks._PATIENCE", 0.1)
    with open_run_directory(work, part=Part(1, 2)):
        for option in ((), ("--finalise",)):
            assert scan("--part", "2/2") == 0
            assert scan(*option) == 2
            assert "(part 1/2), since" in capsys.readouterr().err
    with open_run_directory(work):
        assert scan("--part", "2/2") == 2
        assert "another premir-scan is working here: process" in capsys.readouterr().err
    assert scan("--part", "1/2") == 0


def test_part_of_another_genome_is_refused_and_does_no_harm(
    undisturbed, out, work, scan, tmp_path, capsys
):
    assert scan("--part", "1/2") == 0
    letters = (work / "genome.seq").read_bytes()
    other = builders.write_fasta(tmp_path / "other.fa", {"a": "GATTACA" * 500})
    assert main([str(other), "--out", str(out), *TILES, "--part", "2/2"]) == 4
    assert "belongs to another run: genome is" in capsys.readouterr().err
    assert (work / "genome.seq").read_bytes() == letters
    assert not list(work.rglob(".*.tmp"))
    other.unlink()
    assert scan("--part", "2/2") == 0
    assert scan("--finalise") == 0
    check_finished(out, undisturbed, tiles_reused=COUNT)


def test_parts_share_all_tiles_evenly():
    tiles = plan_tiles(None, Contigs.of(["c"], [103_000], bytes(32)), tile_size=1_000)
    for count in (1, 2, 7, 103, 200):
        chosen = [Part(number, count).choose(tiles) for number in range(1, count + 1)]
        assert sorted(tile.index for part in chosen for tile in part) == list(range(103))
        assert max(map(len, chosen)) - min(map(len, chosen)) <= 1


@pytest.mark.parametrize("text", ["", "3", "0/2", "3/2", "-1/2", "1/0", "1/2/3", " 1/2", "a/b"])
def test_bad_parts(text):
    with pytest.raises(ValueError, match="is not i/N with i from 1 to N"):
        Part.parse(text)
    assert str(Part.parse("3/10")) == "3/10"
