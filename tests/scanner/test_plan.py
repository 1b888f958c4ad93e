"""``--plan`` says what a scan would do and writes nothing."""

from __future__ import annotations

import math
import re
import shutil
from dataclasses import replace

import builders
import gpus
import pytest

from premir.scanner import planning
from premir.scanner.cli import main
from premir.scanner.find.candidates import PRESETS
from premir.scanner.genome.letters import Contigs, Genome
from premir.scanner.options import Execution
from premir.scanner.planning import Measured, Sample
from premir.scanner.report.evidence.reads.counting import Estimate
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.run.tasks import Job

TILES = ("--tile-size", "2500", "--min-prob", "0.3")


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    contigs = {"chr1": 12_000, "chr2": 3_000, "b": 150, "c": 60}
    sequences, _ = builders.planted_genome(seed=3, contigs=contigs)
    return builders.write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", sequences)


@pytest.fixture
def plan(genome, tmp_path, capsys, monkeypatch):
    """Ask for a plan, measured on the whole genome; returns its facts by name."""
    monkeypatch.setattr("premir.scanner.planning._SECONDS", math.inf)

    def call(*options):
        before = sorted(tmp_path.rglob("*"))
        command = [str(genome), "--out", str(tmp_path / "hits.bed"), *TILES, *map(str, options)]
        assert main([*command, "--plan", "-q"]) == 0
        assert sorted(tmp_path.rglob("*")) == before
        captured = capsys.readouterr()
        assert captured.err == ""
        return dict(line.split("\t") for line in captured.out.splitlines())

    return call


def test_plan_of_a_new_scan(genome, plan, tmp_path):
    facts = plan("--threads", 2)
    assert facts["genome"] == (f"{genome}: 4 contigs, 0.015 Mb, the longest chr1 with 0.012 Mb")
    assert facts["tiles"] == "7 of up to 0.0025 Mb, 0.015 Mb in all"
    assert facts["run_directory"] == str(tmp_path / "hits.bed.premir-work")
    assert facts["reuse"] == "nothing: there is no run yet"
    assert re.fullmatch(r"about \S+ (s|min|h) on 2 threads of this machine", facts["time"])
    stages = ("candidates", "folding", "shards", "scoring", "canonical", "output")
    assert [s for s in stages if f"{s} " in facts["seconds_per_mb"]] == list(stages)
    assert facts["seconds_per_mb"].endswith("measured on 0.015 Mb of this genome")
    assert re.fullmatch(
        r"about \d+\.\d MB while it runs: letters 0\.0 MB, shards \d+\.\d MB "
        r"\(of up to 0\.01521 Mb at once\), likely hits 0\.0 MB; \d+ MB free",
        facts["disk"],
    )
    assert facts["device"] in {"cpu"} or "cuda" in facts["device"].lower()


@pytest.mark.parametrize(
    "keep, address, as_gpu, needed, shards, at_once, libraries, reads",
    [
        (False, None, False, 109, 8, 8, [], ""),
        (False, None, True, 165, 64, 64, [], ""),
        (True, None, False, 201, 100, 100, [], ""),
        (False, "auto", False, 201, 100, 100, [], ""),
        (False, None, False, 139, 8, 8, [Estimate(1, 1e7), Estimate(1, 2e7)], ", reads 30.0 MB"),
        (False, None, False, 109, 8, 8, [None], ", reads 0.0 MB, CRAM files not counted"),
    ],
    ids=[
        "scored shards go",
        "eight tiles together",
        "kept",
        "a cluster of any size",
        "reads",
        "reads of unknown number",
    ],
)
def test_disk_is_of_tiles_in_flight(
    tmp_path, monkeypatch, keep, address, as_gpu, needed, shards, at_once, libraries, reads
):
    """Of 100 Mb, with 1 MB of shards and 0.01 MB of likely hits per Mb."""
    if as_gpu:
        gpus.feed_as_gpu(monkeypatch)
    genome = Genome(tmp_path, tmp_path, Contigs.of(["c"], [100_000_000], bytes(32)))
    measured = Measured(nucleotides=2_000_000, shard_bytes=2_000_000, score_bytes=20_000)
    job = Job(RunDirectory(tmp_path), PRESETS["animal"], None, None, 0, 0, "", None, "")
    text = planning._disk(
        tmp_path / "work",
        genome,
        measured,
        100.0,
        replace(job, keep_shards=keep),
        Execution(threads=2, ray_address=address, device="cpu"),
        libraries,
    )
    assert text.startswith(
        f"about {needed}.0 MB while it runs: letters 100.0 MB, shards {shards}.0 MB (of up to "
        f"{at_once} Mb at once), likely hits 1.0 MB{reads}; "
    )


def test_plan_of_candidates_folds_nothing(genome, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("premir.scanner.find.folding.fold_batch", None)
    path = tmp_path / "candidates.bed"
    assert main([str(genome), "--candidates", str(path), "--plan"]) == 0
    assert "scoring" not in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_plan_says_what_would_be_reused(genome, plan, tmp_path):
    out = tmp_path / "hits.bed"
    assert main([str(genome), "--out", str(out), *TILES, "--keep-work", "-q"]) == 0
    work = tmp_path / "hits.bed.premir-work"
    assert plan()["reuse"] == "7 of 7 tiles are folded, 7 scored"
    assert plan("--min-prob", "0.4")["reuse"] == "7 of 7 tiles are folded, 0 scored"
    (work / "shards" / "tile-000002.h5").write_bytes(b"torn")
    assert plan()["reuse"] == "7 of 7 tiles are folded, 7 scored"
    assert plan("--keep-work")["reuse"] == "6 of 7 tiles are folded, 6 scored"
    (scores,) = work.glob("scores/*/tile-000002.h5")
    scores.write_bytes(b"torn")
    assert plan()["reuse"] == "6 of 7 tiles are folded, 6 scored"
    assert plan("--part", "1/2")["reuse"] == "3 of 4 tiles are folded, 3 scored"
    assert plan("--resume", "never")["reuse"] == "nothing: the run there would be discarded"
    assert plan("--max-span", 120)["reuse"] == (
        "refused: the run directory belongs to another run: "
        "extractor.max_span is 160 there and 120 here"
    )
    shutil.rmtree(work)
    assert plan()["reuse"] == "nothing: there is no run yet"


def test_plan_of_regions(plan):
    assert plan("--regions", "chr2")["tiles"] == "2 of up to 0.0025 Mb, 0.003 Mb in all"


def test_bad_genome_is_found_by_the_plan(tmp_path, capsys):
    (tmp_path / "bad.fa").write_text(">a\nACGT\n>a\nA\n")
    assert main([str(tmp_path / "bad.fa"), "--out", str(tmp_path / "o.bed"), "--plan"]) == 2
    assert "name occurs twice" in capsys.readouterr().err


@pytest.mark.parametrize("piece", [200, 5_000, 1 << 20])
def test_sample_is_small_and_from_all_over(piece):
    sample = Sample()
    total = 60_000_000 if piece > 1_000 else 6_000_000
    for number in range(total // piece):
        sample.take(number.to_bytes(4, "big") * (piece // 4))
    sample.close()
    assert 16 <= len(sample.units) <= 64
    assert all(sum(map(len, unit)) <= 1 << 15 for unit in sample.units)
    at = [int.from_bytes(unit[0][:4], "big") * piece / total for unit in sample.units]
    assert at == sorted(at)
    gaps = [b - a for a, b in zip([0.0, *at], [*at, 1.0], strict=True)]
    assert max(gaps) < 0.1
