"""What a run directory promises: whose it is, what is reused, what is made again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import builders
import numpy as np
import psutil
import pytest
import torch

from premir.scanner.cli import main
from premir.scanner.errors import FoldError
from premir.scanner.find.folding import KernelFolder, PoolViennaFolder
from premir.scanner.run import tasks
from premir.scanner.run.rundir import RunDirectory, open_run_directory
from premir.scanner.score.networks.variable import VariableConvNet
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model
from premir.scanner.score.weights import save_model

TILES = ("--min-prob", 0, "--tile-size", 2_500)


@pytest.fixture(scope="session")
def genome(tmp_path_factory):
    contigs = {"chr1": 12_000, "chr2": 3_000, "b": 150, "c": 60}
    sequences, _ = builders.planted_genome(seed=3, contigs=contigs)
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    return builders.write_fasta(path, sequences)


@pytest.fixture(scope="session")
def reference(kept):
    return kept.with_name("hits.bed").read_text()


@pytest.fixture(scope="session")
def kept(genome, tmp_path_factory):
    """A finished scan whose run directory was kept; copy it before you touch it."""
    work = tmp_path_factory.mktemp("kept") / "work"
    out = work.with_name("hits.bed")
    options = [*map(str, TILES), "--work-dir", str(work), "--keep-work", "-q"]
    assert main([str(genome), "--out", str(out), *options]) == 0
    return work


@pytest.fixture
def work(kept, tmp_path):
    shutil.copytree(kept, tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def summary(tmp_path):
    return lambda: json.loads((tmp_path / "hits.bed.summary.json").read_text())


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def tear(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))


def empty(path):
    path.write_bytes(b"")


DAMAGES = [flip, truncate, tear, empty, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_shards_are_made_again(genome, reference, scan, work, summary, damage):
    for number in (1, 4):
        damage(work / "shards" / f"tile-{number:06d}.h5")
    assert scan(genome, *TILES, "--work-dir", work, "--keep-work") == (0, reference)
    counts = summary()
    total = counts["tiles_total"]
    assert total > 5
    assert (counts["tiles_reused"], counts["tiles_redone"], counts["tiles_new"]) == (
        total - 2,
        2,
        0,
    )
    # The same hairpins stand in the same rows again: their scores are still good.
    assert counts["scores_reused"] == total
    assert counts["tiles_quarantined"] == 0
    for number in range(total):
        assert RunDirectory(work).committed(work / "shards" / f"tile-{number:06d}.h5")


@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_damaged_scores_are_made_again(genome, reference, scan, work, summary, damage):
    (file,) = work.glob("scores/*/tile-000002.h5")
    damage(file)
    assert scan(genome, *TILES, "--work-dir", work) == (0, reference)
    counts = summary()
    assert counts["tiles_reused"] == counts["tiles_total"]
    assert (counts["scores_reused"], counts["scores_redone"]) == (counts["tiles_total"] - 1, 1)


@pytest.mark.parametrize("damage", [flip, empty, Path.unlink])
def test_damaged_records_are_made_again(genome, reference, scan, work, summary, damage):
    damage(work / "commits" / "shards-tile-000003.json")
    assert scan(genome, *TILES, "--work-dir", work, "--keep-work") == (0, reference)
    counts = summary()
    assert counts["tiles_reused"] == counts["tiles_total"] - 1
    redone = 0 if damage is Path.unlink else 1
    assert (counts["tiles_redone"], counts["tiles_new"]) == (redone, 1 - redone)


@pytest.mark.parametrize("damage", [flip, truncate])
def test_damaged_letters_are_written_again(genome, reference, scan, work, summary, damage):
    damage(work / "genome.seq")
    shutil.rmtree(work / "shards")
    (work / "shards").mkdir()
    assert scan(genome, *TILES, "--work-dir", work, "--keep-work") == (0, reference)
    assert summary()["tiles_redone"] == summary()["tiles_total"]


def test_letters_that_agree_are_not_written_again(genome, scan, work):
    before = (work / "genome.seq").stat()
    assert scan(genome, *TILES, "--work-dir", work, "--keep-work")[0] == 0
    after = (work / "genome.seq").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert not list(work.rglob(".*.tmp"))


def test_seconds_of_reused_tiles_are_those_of_their_records(genome, scan, work, summary):
    records = [json.loads(path.read_text()) for path in (work / "commits").glob("shards-*.json")]
    assert scan(genome, *TILES, "--work-dir", work)[0] == 0
    expected = sum(record["seconds"]["folding"] for record in records)
    assert summary()["seconds_by_stage"]["folding"] == pytest.approx(expected, abs=1e-3)
    assert summary()["mb_per_min"] == 0


def test_interrupted_scan_goes_on(genome, reference, scan, tmp_path, summary, monkeypatch):
    work = tmp_path / "work"
    options = (*TILES, "--work-dir", work)
    original = tasks.fold_tile

    def fails_late(job, tile, folder):
        if tile.index >= 2:
            raise KeyboardInterrupt
        return original(job, tile, folder)

    monkeypatch.setattr("premir.scanner.run.executors.local.fold_tile", fails_late)
    assert scan(genome, *options)[0] == 130
    monkeypatch.undo()
    committed = {path.stem for path in work.glob("s*/**/*.h5")}  # shards, and what is scored
    assert committed
    assert scan(genome, *options) == (0, reference)
    assert summary()["tiles_reused"] == len(committed)
    assert not work.exists()


def test_another_model_reuses_the_folds(genome, scan, work, summary, tmp_path):
    shipped = load_model(DEFAULT_MODEL)
    torch.manual_seed(5)
    save_model(tmp_path / "mine", [VariableConvNet()], {**shipped.card, "name": "mine"})
    options = (*TILES, "--model", tmp_path / "mine")
    code, text = scan(genome, *options, "--work-dir", work)
    counts = summary()
    assert code == 0
    assert counts["tiles_reused"] == counts["scores_new"] == counts["tiles_total"]
    assert scan(genome, *options, out="fresh.bed") == (0, text)


def test_another_threshold_reuses_the_folds(genome, scan, work, summary):
    assert scan(genome, *TILES, "--min-prob", 0.5, "--work-dir", work)[0] == 0
    assert summary()["tiles_reused"] == summary()["scores_new"] == summary()["tiles_total"]


@pytest.mark.parametrize(
    "options, field",
    [
        (("--max-span", 120), "extractor.max_span is 160 there and 120 here"),
        (("--preset", "plant"), "extractor.max_span is 160 there and 300 here"),
        (("--extractor", "windows"), "extractor.kind is 'stems' there and 'windows' here"),
        (("--tile-size", 2_000), "tile_size is 2500 there and 2000 here"),
        (("--regions", "chr1"), "regions is [] there and ['chr1'] here"),
    ],
)
def test_run_of_other_parameters_is_refused(genome, scan, work, capsys, options, field):
    before = sorted(work.rglob("*"))
    assert scan(genome, *TILES, *options, "--work-dir", work) == (4, None)
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"premir-scan: error: {work}: run directory belongs to another run: {field}; choose "
        "another --work-dir, or give --resume never to discard it"
    )
    assert sorted(work.rglob("*")) == before


@pytest.mark.parametrize("name", ["premir", "viennarna", "energy_parameters", "feature_schema"])
def test_run_of_other_versions_is_refused(genome, scan, work, capsys, name):
    path = work / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: "older"}))
    assert scan(genome, *TILES, "--work-dir", work) == (4, None)
    assert f"another run: {name} is 'older' there and '" in capsys.readouterr().err


def test_run_of_another_genome_is_refused_and_kept(
    genome, reference, scan, work, summary, tmp_path, capsys
):
    builders.write_fasta(tmp_path / "other.fa", {"a": "ACGT" * 100})
    assert scan(tmp_path / "other.fa", *TILES, "--work-dir", work) == (4, None)
    assert "another run: genome is '" in capsys.readouterr().err
    assert scan(genome, *TILES, "--work-dir", work) == (0, reference)
    assert summary()["tiles_reused"] == summary()["tiles_total"]


def test_damaged_identity_is_refused(genome, scan, work, capsys):
    tear(work / "run.json")
    assert scan(genome, *TILES, "--work-dir", work) == (4, None)
    assert "run.json: damaged; remove" in capsys.readouterr().err


def test_resume_never_starts_again(genome, reference, scan, work, summary, tmp_path):
    never = ("--resume", "never", "--work-dir", work)
    assert scan(genome, *TILES, *never) == (0, reference)
    counts = summary()
    assert counts["tiles_new"] == counts["scores_new"] == counts["tiles_total"]
    # Nor does it matter whose run it was, or that nothing is there.
    builders.write_fasta(tmp_path / "other.fa", {"a": "ACGT" * 100})
    assert scan(tmp_path / "other.fa", *never, "--keep-work")[0] == 0
    assert scan(genome, *TILES, *never) == (0, reference)


def test_resume_never_keeps_the_run_when_the_genome_is_bad(scan, work, tmp_path):
    before = sorted(work.rglob("*"))
    (tmp_path / "bad.fa").write_text(">a\nACGT\n>a\nACGT\n")
    assert scan(tmp_path / "bad.fa", *TILES, "--resume", "never", "--work-dir", work)[0] == 2
    assert sorted(work.rglob("*")) == before


def test_shards_of_an_unknown_run_are_not_used(genome, reference, scan, work, summary):
    (work / "run.json").unlink()
    assert scan(genome, *TILES, "--work-dir", work) == (0, reference)
    assert summary()["tiles_new"] == summary()["scores_new"] == summary()["tiles_total"]


@pytest.mark.parametrize("resume", ["auto", "never"])
def test_directory_of_others_is_refused(genome, scan, tmp_path, capsys, resume):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    assert scan(genome, "--resume", resume, "--work-dir", tmp_path / "mine")[0] == 2
    assert "exists and is not a premir run directory" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


FOREIGN = {
    "empty run.json": {"run.json": ""},
    "run.json of others": {"run.json": '{"name": "mine"}', "lock": ""},
    "run.json with our magic alone": {"run.json": '{"format": "premir-run", "version": 1}'},
    "run.json with our fields": {
        "run.json": '{"version": 1, "premir": "", "feature_schema": "", "extractor": {}, '
        '"genome": "", "tile_size": 1}'
    },
    "list": {"run.json": "[1]"},
    "nested": {"run.json": "[" * 100_000},
    "lock": {"lock": ""},
    "lock and shards": {"lock": "1234", "lock.json": "{}", "shards/tile-000001.h5": "precious"},
    "temporary file": {".thesis.txt.01234567.tmp": "precious"},
    "mark of others": {".premir-run": "#!/bin/sh"},
    "run.json beside our mark": {".premir-run": "", "run.json": '{"name": "mine"}'},
    "file": None,
}


@pytest.mark.parametrize("what", FOREIGN)
def test_directory_of_others_is_left_exactly_as_it_was(genome, tmp_path, capsys, what):
    """Whatever names it shares with ours."""
    work = tmp_path / "work"
    if FOREIGN[what] is None:
        work.write_text("precious")
    for name, text in (FOREIGN[what] or {}).items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def state():
        return {
            path: (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
            for path in (work, *work.rglob("*"))
        }

    before = state()
    command = [str(genome), "--out", str(tmp_path / "hits.bed"), "--work-dir", str(work), "-q"]
    for options in (
        [],
        ["--resume", "never"],
        ["--resume", "require"],
        ["--part", "1/2"],
        ["--finalise"],
        ["--plan"],
    ):
        assert main([*command, *options]) == 2
        error = f"premir-scan: error: {work}: exists and is not a premir run directory; choose "
        assert capsys.readouterr().err == f"{error}--work-dir\n"
        assert state() == before
    assert not (tmp_path / "hits.bed").exists()


@pytest.mark.parametrize("resume", ["auto", "never"])
def test_run_directory_of_another_version_is_refused(genome, scan, work, capsys, resume):
    path = work / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))
    (work / "lock").unlink()
    before = sorted(work.rglob("*"))
    assert scan(genome, *TILES, "--work-dir", work, "--resume", resume)[0] == 4
    assert "of another version of premir (format 99); remove it or" in capsys.readouterr().err
    assert sorted(work.rglob("*")) == before


def test_run_of_a_version_without_mark_goes_on(genome, reference, scan, work, summary):
    (work / ".premir-run").unlink()
    assert scan(genome, *TILES, "--work-dir", work) == (0, reference)
    assert summary()["tiles_reused"] == summary()["tiles_total"]
    assert not work.exists()


@pytest.mark.parametrize("files", [[], ["lock"], ["lock", "lock.json", ".genome.seq.0123abcd.tmp"]])
def test_directory_killed_in_its_first_moments_is_taken_up(scan, tmp_path, files):
    work = tmp_path / "work"
    work.mkdir()
    for name in (".premir-run", *files):
        (work / name).touch()
    builders.write_fasta(tmp_path / "small.fa", {"a": "ACGT" * 50})
    assert scan(tmp_path / "small.fa", "--work-dir", work)[0] == 0
    assert not work.exists()


@pytest.mark.parametrize("resume", ["auto", "never"])
def test_what_others_put_into_a_run_directory_stays(genome, reference, scan, work, resume):
    foreign = [
        work / name
        for name in (
            "notes.txt",
            "shards/notes.txt",
            "shards/tile-1.h5",
            "commits/.notes.txt.01234567.tmp",
            "scores/mine/tile-000001.npz",
            "parts/1-of-2.txt",
            ".run.json.tmp",
        )
    ]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("precious")
    left = [work / "shards" / ".tile-000001.h5.01234567.tmp", work / ".token-01234567"]
    for path in left:
        path.touch()
    for _ in range(2):
        options = ("--work-dir", work, "--resume", resume)
        assert scan(genome, *TILES, *options) == (0, reference)
        files = [path for path in work.rglob("*") if path.is_file()]
        assert sorted(files) == sorted([*foreign, work / ".premir-run"])
        assert {path.read_text() for path in foreign} == {"precious"}


def test_resume_require(genome, reference, scan, work, summary, tmp_path, capsys):
    require = ("--resume", "require", "--work-dir")
    assert scan(genome, *TILES, *require, tmp_path / "none") == (2, None)
    assert capsys.readouterr().err == (
        f"premir-scan: error: {tmp_path / 'none'}: there is no run to resume (--resume require)\n"
    )
    assert not (tmp_path / "none").exists()
    assert scan(genome, *TILES, *require, work) == (0, reference)
    assert summary()["tiles_reused"] == summary()["tiles_total"]


def test_who_works_here_is_said(genome, scan, tmp_path, capsys):
    work = tmp_path / "work"
    with open_run_directory(work):
        signs = json.loads((work / "lock.json").read_text())
        assert signs["pid"] == os.getpid()
        assert scan(genome, "--work-dir", work) == (2, None)
        error = capsys.readouterr().err
    assert error.startswith(
        f"premir-scan: error: {work}: another premir-scan is working here: process {os.getpid()} "
        f"on {os.uname().nodename}, since {signs['since']}, last sign of life "
    )
    assert len(error.splitlines()) == 1
    assert not work.exists()


def test_heart_beats_while_a_run_lasts(tmp_path, monkeypatch):
    monkeypatch.setattr("premir.scanner.run.locks._BEAT", 0.01)
    path = tmp_path / "work" / "lock.json"
    with open_run_directory(tmp_path / "work"):
        written: set[tuple[int, int]] = set()
        while len(written) < 3:
            written.add((path.stat().st_ino, path.stat().st_mtime_ns))
            time.sleep(0.001)
        assert json.loads(path.read_text())["last_beat"]
    assert not path.exists()


def test_tile_that_fails_twice_is_set_aside_listed_and_tried_again(
    genome, reference, scan, tmp_path, summary, monkeypatch, capsys
):
    original = tasks.fold_tile
    calls = []

    def fails(job, tile, folder):
        calls.append(tile.index)
        if tile.index == 1:
            raise RuntimeError("boom")
        return original(job, tile, folder)

    monkeypatch.setattr("premir.scanner.run.executors.local.fold_tile", fails)
    code, text = scan(genome, *TILES)
    assert code == 3
    assert calls.count(1) == 2
    place = "chr1:2501-5000"
    error = capsys.readouterr().err
    assert f"{place} failed twice, set aside: boom" in error
    assert f"missing from the output; run the same command again: {place} (RuntimeErr" in error
    assert f"## incomplete: {place} is missing" in text.splitlines()
    counts = summary()
    assert counts["tiles_quarantined"] == 1
    assert counts["tiles_new"] == counts["tiles_total"] - 1
    assert counts["quarantined"] == [{"tile": 1, "place": place, "reason": "RuntimeError: boom"}]
    hits = [line for line in text.splitlines() if not line.startswith("#")]
    full = [line for line in reference.splitlines() if not line.startswith("#")]
    far = [
        line
        for line in full
        if not (line.startswith("chr1\t") and 1_500 < int(line.split("\t")[1]) < 6_000)
    ]
    assert 0 < len(far) < len(hits) < len(full)
    assert set(far) <= set(hits)
    note = json.loads((tmp_path / "hits.bed.premir-work/quarantine/tile-000001.json").read_text())
    assert note == {"tile": 1, "place": place, "reason": "RuntimeError: boom"}
    # A later run tries it again, and only it.
    monkeypatch.undo()
    assert scan(genome, *TILES) == (0, reference)
    counts = summary()
    assert (counts["tiles_new"], counts["tiles_quarantined"]) == (1, 0)
    assert counts["tiles_reused"] == counts["tiles_total"] - 1


def children():
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # a zombie is one, too
            if "spawn_main" in " ".join(child.cmdline()):
                found.add(child.pid)
    return found


def batch(lengths):
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 4, sum(lengths)).astype(np.uint8)
    return codes, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def test_killed_folding_process_costs_no_fold():
    codes, offsets = batch([100] * 100)
    expected = KernelFolder().fold(codes, offsets)
    before = children()
    folder = PoolViennaFolder(2)
    try:
        results = []
        callers = [
            threading.Thread(target=lambda: results.append(folder.fold(codes, offsets)))
            for _ in range(2)
        ]
        for caller in callers:
            caller.start()
        while not (mine := children() - before):
            time.sleep(0.001)
        os.kill(mine.pop(), signal.SIGKILL)
        for caller in callers:
            caller.join()
        results.append(folder.fold(codes, offsets))  # the new pool works
    finally:
        folder.close()
    assert len(results) == 3
    for result in results:
        assert np.array_equal(result.pairs, expected.pairs)
        assert np.array_equal(result.mfe, expected.mfe)
    assert not children() - before


def test_batch_that_kills_its_process_twice_is_an_error():
    codes, offsets = batch([400] * 200)
    before = children()
    folder = PoolViennaFolder(1)
    stop = threading.Event()

    def kill_all():
        while not stop.is_set():
            for pid in children() - before:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.001)

    killer = threading.Thread(target=kill_all)
    killer.start()
    try:
        with pytest.raises(FoldError, match="died twice on the same batch"):
            folder.fold(codes, offsets)
    finally:
        stop.set()
        killer.join()
        folder.close()


def test_scan_survives_killed_folding_processes(genome, reference, scan, monkeypatch):
    before = children()
    original = tasks.fold_tile
    killed = []

    def kills(job, tile, folder):
        if tile.index in (1, 3):
            mine = children() - before
            for pid in mine:
                os.kill(pid, signal.SIGKILL)
            killed.append(len(mine))
        return original(job, tile, folder)

    monkeypatch.setattr("premir.scanner.run.executors.local.fold_tile", kills)
    options = (*TILES, "--folder", "viennarna", "--threads", 2)
    assert scan(genome, *options) == (0, reference)
    assert sum(killed) > 0


def test_commit_records_hold_what_they_say(kept):
    run = RunDirectory(kept)
    records = [json.loads(path.read_text()) for path in (kept / "commits").iterdir()]
    assert len(records) == 2 * len(list((kept / "shards").iterdir()))
    for record in records:
        found = run.committed(kept / record["file"])
        del record["record_sha256"]
        assert found == {**record, "state": "reused"}
        assert set(record) >= {"tile", "seconds", "sha256"}
