"""Crashes, full disks, closed folders, rivals: the same bytes in the end, and no work done twice.

The default run takes a selection; ``pytest -m faults`` takes the rest (some minutes).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import builders
import data_sets
import pytest

from premir.scanner.cli import main
from premir.scanner.run.rundir import RunDirectory

OPTIONS = ("--tile-size", "2500", "--threads", "2", "--min-prob", "0.3")
STEP = 13
"""The default run kills before every so many-th step."""
MOMENTS = 30


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    contigs = {"chr1": 8_000, "chr2": 3_000, "b": 150, "c": 60}
    sequences, _ = builders.planted_genome(seed=3, contigs=contigs)
    return builders.write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", sequences)


@pytest.fixture(scope="module")
def undisturbed(genome, crash_server, tmp_path_factory):
    """Hits and number of steps of a scan that nothing happens to."""
    out = tmp_path_factory.mktemp("undisturbed") / "hits.bed"
    ending = crash_server.scan(genome, "--out", out, *OPTIONS)
    assert ending.code == 0, ending.errors
    assert ending.steps is not None
    return out.read_text(), ending.steps


def committed(work):
    """How many tiles are folded, as a sound shard or sound scores show, and how many scored."""
    run = RunDirectory(work)
    files = [
        run.path / json.loads(record.read_text())["file"] for record in work.glob("commits/*.json")
    ]
    sound = [file for file in files if run.committed(file)]
    assert len(sound) == len(files), "a commit record of something that is not there"
    scored = {file.stem for file in sound if "scores" in file.parts}
    return len({file.stem for file in sound}), len(scored)


def check_finished(out, expected, folded, scored):
    """The output is as it must be, made with what was committed, and nothing else is left."""
    assert out.read_text() == expected
    summary = json.loads(out.with_name("hits.bed.summary.json").read_text())
    assert (summary["tiles_reused"], summary["scores_reused"]) == (folded, scored)
    assert (summary["tiles_redone"], summary["scores_redone"]) == (0, 0)
    assert summary["tiles_new"] == summary["tiles_total"] - folded
    assert summary["tiles_quarantined"] == 0
    assert sorted(path.name for path in out.parent.iterdir() if path.suffix != ".fa") == [
        "hits.bed",
        "hits.bed.summary.json",
    ]


def kill_before_steps(steps, genome, crash_server, undisturbed, tmp_path):
    expected, _ = undisturbed
    seen = set()
    for step in steps:
        folder = tmp_path / str(step)
        folder.mkdir()
        out, work = folder / "hits.bed", folder / "hits.bed.premir-work"
        assert crash_server.scan(genome, "--out", out, *OPTIONS, kill_before=step).code == -9
        if out.exists():
            assert out.read_text() == expected, f"step {step}: torn output"
        folded, scored = committed(work)
        seen.add((folded, scored))
        ending = crash_server.scan(genome, "--out", out, *OPTIONS)
        assert ending.code == 0, f"step {step}: {ending.errors}"
        check_finished(out, expected, folded, scored)
    return seen


@pytest.mark.slow
def test_sigkill_before_some_steps(genome, crash_server, undisturbed, tmp_path):
    steps = range(STEP // 2, undisturbed[1], STEP)
    seen = kill_before_steps(steps, genome, crash_server, undisturbed, tmp_path)
    assert len(seen) > 4


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_sigkill_before_every_step(genome, crash_server, undisturbed, tmp_path):
    seen = kill_before_steps(range(undisturbed[1]), genome, crash_server, undisturbed, tmp_path)
    assert len(seen) > 8


@pytest.mark.parametrize(
    "step", ["unlink commits/shards-tile-000001.json", "unlink shards/tile-000001.h5"]
)
def test_sigkill_before_the_shard_of_a_scored_tile_goes(
    genome, crash_server, undisturbed, tmp_path, step
):
    out, work = tmp_path / "hits.bed", tmp_path / "hits.bed.premir-work"
    assert crash_server.scan(genome, "--out", out, *OPTIONS, kill_before=step).code == -9
    assert (work / "shards" / "tile-000001.h5").exists()
    assert list(work.glob("commits/scores-*-tile-000001.json"))
    folded, scored = committed(work)
    ending = crash_server.scan(genome, "--out", out, *OPTIONS)
    assert ending.code == 0, ending.errors
    check_finished(out, undisturbed[0], folded, scored)


@pytest.mark.slow
def test_killed_again_and_again(genome, crash_server, undisturbed, tmp_path):
    """Each time a few steps later; what one run committed, the next one does not do again."""
    out, work = tmp_path / "hits.bed", tmp_path / "hits.bed.premir-work"
    before = (0, 0)
    for steps in range(25, 500, 25):
        ending = crash_server.scan(genome, "--out", out, *OPTIONS, kill_before=steps)
        if ending.code == 0:
            break
        assert ending.code == -9
        if out.exists():  # it was tidying up
            break
        now = committed(work)
        assert now >= before
        before = now
    assert before > (1, 0)
    if ending.code != 0:
        assert crash_server.scan(genome, "--out", out, *OPTIONS).code == 0
    assert out.read_text() == undisturbed[0]
    assert not work.exists()


@pytest.mark.faults
def test_sigkill_while_a_compressed_output_is_written(crash_server, tmp_path):
    sequences, _ = builders.planted_genome(seed=3, contigs={"chr1": 1_200})
    genome = builders.write_fasta(tmp_path / "genome.fa", sequences)

    def scan(folder, **options):
        folder.mkdir(exist_ok=True)
        return crash_server.scan(genome, "--out", folder / "hits.bed.gz", *OPTIONS, **options)

    def written(folder):
        return {
            path.name: path.read_bytes() for path in folder.glob("hits.bed.gz*") if path.is_file()
        }

    ending = scan(tmp_path / "whole")
    expected = written(tmp_path / "whole")
    assert sorted(expected) == ["hits.bed.gz", "hits.bed.gz.summary.json", "hits.bed.gz.tbi"]
    del expected["hits.bed.gz.summary.json"]  # it tells seconds
    partly = set()
    for step in range(ending.steps - 40, ending.steps, 3):
        folder = tmp_path / str(step)
        assert scan(folder, kill_before=step).code == -9
        left = written(folder)
        partly.add(tuple(sorted(left)))
        assert left.get("hits.bed.gz", expected["hits.bed.gz"]) == expected["hits.bed.gz"]
        assert scan(folder).code == 0
        assert {**expected, **written(folder)} == written(folder)
        assert not (folder / "hits.bed.gz.premir-work").exists()
    assert len(partly) > 1


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "premir.scanner.cli", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_at_moments(count, genome, crash_server, tmp_path):
    """Scans by the default command; the first shows how long they take."""
    options = ("--tile-size", 5_000, "--threads", 2, "-q")
    whole = tmp_path / "whole.bed"
    ending = crash_server.scan(genome, "--out", whole, *options)
    assert ending.code == 0, ending.errors
    expected, lasts = whole.read_text(), ending.seconds
    draw = random.Random(17)
    reused: list[int] = []
    while len(reused) < count:
        folder = tmp_path / str(len(reused))
        folder.mkdir()
        out, work = folder / "hits.bed", folder / "hits.bed.premir-work"
        ending = crash_server.scan(
            genome, "--out", out, *options, kill_after=draw.uniform(0, lasts)
        )
        if ending.code == 0:  # it was faster than the first
            shutil.rmtree(folder)
            lasts *= 0.8
            continue
        assert ending.code == -9
        if out.exists():
            assert out.read_text() == expected
        folded, scored = committed(work)
        ending = crash_server.scan(genome, "--out", out, *options)
        assert (ending.code, ending.errors) == (0, ""), f"moment {len(reused)}"
        check_finished(out, expected, folded, scored)
        reused.append(folded)
    return reused


@pytest.mark.slow
def test_sigkill_at_some_moments(default_genome, crash_server, tmp_path):
    kill_at_moments(3, default_genome[0], crash_server, tmp_path)


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_sigkill_at_thirty_moments_of_real_scans(crash_server, tmp_path):
    """Of Epstein-Barr virus."""
    ebv = data_sets.genomes_dir() / "ebv" / "genome.fa.gz"
    reused = kill_at_moments(MOMENTS, ebv, crash_server, tmp_path)
    assert len(set(reused)) > 5
    sys.stderr.write(f"tiles reused after {MOMENTS} kills: {reused}\n")


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of a given size in KiB, that can be given another size."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a tmpfs")
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
        return folder

    yield mount
    while os.path.ismount(folder):
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("kib", [48, 60, 76, 92, 108, 124])
def test_full_disk(genome, undisturbed, small_disk, capsys, kib):
    disk = small_disk(f"size={kib}k")
    out, work = disk / "hits.bed", disk / "hits.bed.premir-work"
    command = [str(genome), "--out", str(out), *OPTIONS, "-q"]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert error.startswith(f"premir-scan: error: {disk}/")
    assert error.endswith(": No space left on device; run again to go on\n")
    folded, scored = committed(work)
    small_disk("remount", "size=64m")
    assert main(command) == 0
    check_finished(out, undisturbed[0], folded, scored)


def test_full_folder_for_temporary_files(genome, crash_server, undisturbed, tmp_path):
    """ViennaRNA writes its parameters there, and does not say when it cannot."""
    out = tmp_path / "hits.bed"
    ending = crash_server.scan(genome, "--out", out, *OPTIONS, "-q", largest_file=50_000)
    assert ending.code == 1
    assert len(ending.errors.splitlines()) == 1
    assert "energy parameters could not be written; is the disk full?" in ending.errors
    assert crash_server.scan(genome, "--out", out, *OPTIONS).code == 0
    check_finished(out, undisturbed[0], 0, 0)


def test_closed_folders_are_refused_before_work(small_disk, tmp_path, capsys):
    disk = small_disk("size=1m", "ro")
    (tmp_path / "file").touch()
    # What would be found out as soon as work began.
    bad = tmp_path / "bad.fa"
    bad.write_text(">a\nACGT\n>a\nACGT\n")
    closed = disk / "hits.bed"
    file = tmp_path / "file" / "hits.bed"
    fine = tmp_path / "hits.bed"
    for options, message in [
        (["--out", closed], f"{closed}: cannot be written: Read-only file system"),
        (["--out", file], f"{file}: cannot be written: Not a directory"),
        (
            ["--out", fine, "--work-dir", disk / "work"],
            f"{disk / 'work'}: cannot be written: Read-only file system",
        ),
        (
            ["--out", fine, "--work-dir", tmp_path / "file" / "work"],
            f"{tmp_path / 'file' / 'work'}: cannot be written: Not a directory",
        ),
        (["--out", fine, "--summary", disk / "s"], f"{disk / 's'}: cannot be written: Read-only"),
    ]:
        assert main([str(bad), *map(str, options)]) == 2
        assert capsys.readouterr().err.startswith(f"premir-scan: error: {message}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.fa", "disk", "file"]


def test_of_two_processes_one_works_and_one_says_who(default_genome, default_scan, tmp_path):
    out = tmp_path / "hits.bed"
    command = (default_genome[0], "--out", out, "--tile-size", 5_000, "--threads", 1, "-q")
    rivals = {rival.pid: rival for rival in (start(*command), start(*command))}
    signs = Path(f"{out}.premir-work", "lock.json")
    while not signs.exists():
        assert any(rival.poll() is None for rival in rivals.values())
        time.sleep(0.001)
    winner = rivals.pop(json.loads(signs.read_text())["pid"])
    winner.send_signal(signal.SIGSTOP)  # it shall not be done before the other has begun
    (loser,) = rivals.values()
    error = loser.communicate()[1]
    winner.send_signal(signal.SIGCONT)
    assert (winner.communicate()[1], winner.returncode) == ("", 0)
    assert loser.returncode == 2
    assert error.startswith(
        f"premir-scan: error: {out}.premir-work: another premir-scan is working here: "
        f"process {winner.pid} on "
    )
    assert out.read_text() == default_scan[0]
    assert not Path(f"{out}.premir-work").exists()
