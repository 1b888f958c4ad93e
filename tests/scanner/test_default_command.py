"""The default command: shipped network, its threshold and its gates."""

from __future__ import annotations

import json
import shutil

import pytest
from safetensors.numpy import load_file, save_file

from premir.scanner.cli import main
from premir.scanner.files import sha256
from premir.scanner.gates import GATES
from premir.scanner.hits import COLUMNS
from premir.scanner.model_store import CARD, DEFAULT_MODEL, find_model


def rows(text):
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines]


def test_planted_pre_mirnas_are_hits(default_genome, default_scan):
    hits = rows(default_scan[0])
    for contig, start, end, name, strand in default_genome[2]:
        assert any(
            hit["chrom"] == contig
            and hit["strand"] == strand
            and start <= int(hit["start"])
            and int(hit["end"]) <= end
            for hit in hits
        ), name


def test_every_stage_drops_something(default_scan):
    text, summary = default_scan
    stages = ("candidates", "folded", "scored", "above_threshold", "hits")
    counts = [summary[stage] for stage in stages]
    assert counts == sorted(set(counts), reverse=True)
    assert counts[-1] == len(rows(text)) > 30


@pytest.fixture(scope="module")
def shallow(tmp_path_factory):
    """The default model with gates that let a little more pass."""
    folder = tmp_path_factory.mktemp("models") / "shallow"
    shutil.copytree(find_model(DEFAULT_MODEL).directory, folder)
    arrays = load_file(folder / GATES)
    arrays["fold.cut"] = arrays["fold.cut"] - 1
    save_file(arrays, folder / GATES)
    card = json.loads((folder / CARD).read_text())
    card["gates"]["sha256"] = sha256(folder / GATES)
    (folder / CARD).write_text(json.dumps(card))
    return folder


@pytest.fixture(scope="module")
def kept(tiny_genome, tmp_path_factory):
    """Run directories of finished scans, with gates and without."""
    folder = tmp_path_factory.mktemp("kept")
    for name, options in {"gates": (), "exhaustive": ("--exhaustive",)}.items():
        work = ("--work-dir", str(folder / name), "--keep-work", "-q")
        assert main([str(tiny_genome[0]), "--out", str(folder / "x.bed"), *options, *work]) == 0
    return folder


def test_gates_are_part_of_a_run(tiny_genome, kept, shallow, scan, capsys, tmp_path):
    """Shards hold what the gates of their run left: no other gates may take them up."""
    gates, others = (find_model(str(m)).card["gates"]["sha256"] for m in (DEFAULT_MODEL, shallow))
    shutil.copytree(kept, tmp_path / "kept")
    for work, options, there, here in (
        ("gates", ("--exhaustive",), repr(gates), None),
        ("gates", ("--min-prob", 0.5), repr(gates), None),
        ("gates", ("--model", shallow), repr(gates), repr(others)),
        ("exhaustive", (), None, repr(gates)),
    ):
        work = tmp_path / "kept" / work
        assert scan(tiny_genome[0], *options, "--work-dir", work) == (4, None)
        error = capsys.readouterr().err
        assert f"belongs to another run: gates is {there} there and {here} here; " in error


def test_a_finished_genome_is_scanned_again_with_other_gates(tiny_genome, tmp_path):
    def statuses(*options):
        folder = tmp_path / "hits"
        command = ["--out-dir", folder, "-q", tiny_genome[0], *options]
        assert main([str(word) for word in command]) == 0
        rows = (folder / "genomes.tsv").read_text().splitlines()
        return [row.split("\t")[3] for row in rows[1:]]

    assert statuses() == ["done"]
    assert statuses() == ["unchanged"]
    assert statuses("--exhaustive") == ["done"]
    assert statuses() == ["done"]
