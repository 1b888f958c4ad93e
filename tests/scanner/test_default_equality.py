"""The default command gives the same bytes wherever and however it runs.

Shipped network, its threshold, its gates: no option but those that shall not matter. Ray is in
``test_ray_private.py`` and ``test_ray_cluster.py``, which have it running.
"""

from __future__ import annotations

import json

import golden
import pytest

from premir.scanner.cli import main

TILES = ("--tile-size", "5000")
"""So that there are several tiles."""


@pytest.fixture(scope="module")
def genome(default_genome):
    return str(default_genome[0])


@pytest.fixture(scope="module")
def expected(default_scan):
    text, summary = default_scan
    assert summary["hits"] > 0
    assert "sha256" in summary["gates"]
    return text


@pytest.mark.parametrize(
    "options",
    [
        ("--threads", "1"),
        ("--threads", "2"),
        ("--threads", "2", *TILES),
        ("--folder", "viennarna", *TILES),
        ("--work-dir", "{}/work", "--keep-work"),
        ("--device", "cpu", "--summary", "{}/summary", "--log-file", "{}/log"),
    ],
    ids=" ".join,
)
def test_whatever_may_not_matter(genome, expected, tmp_path, options):
    options = [option.format(tmp_path) for option in options]
    out = tmp_path / "hits.bed"
    assert main([genome, "--out", str(out), "--quiet", *options]) == 0
    assert out.read_text() == expected


@pytest.fixture(scope="module")
def alone(genome, tmp_path_factory):
    """The default command without known families: nothing but the model makes a hit."""
    out = tmp_path_factory.mktemp("alone") / "hits.bed"
    assert main([genome, "--out", str(out), "--quiet", "--known", "none"]) == 0
    return out.read_text(), json.loads(out.with_name("hits.bed.summary.json").read_text())


def test_without_known_families_gates_pass_what_no_family_lifts(alone, default_scan):
    (_, without), (_, summary) = alone, default_scan
    assert without["hits"] > 0
    assert without["gates"] == summary["gates"]
    assert len(summary["gates"]["alone"]) == 2
    for stage in ("folded", "scored"):
        assert without[stage] <= summary[stage] < 0.95 * summary["candidates"]


@pytest.mark.parametrize(
    "options", [("--threads", "2", *TILES), ("--folder", "viennarna")], ids=" ".join
)
def test_whatever_may_not_matter_without_known_families(genome, alone, tmp_path, options):
    out = tmp_path / "hits.bed"
    assert main([genome, "--out", str(out), "--quiet", "--known", "none", *options]) == 0
    assert out.read_text() == alone[0]


def test_stdout(genome, expected, capsys):
    assert main([genome, "--out", "-", "--quiet"]) == 0
    assert capsys.readouterr().out == expected


def test_a_folder_of_genomes(genome, expected, tmp_path):
    assert main([genome, "--out-dir", str(tmp_path / "hits"), "--quiet"]) == 0
    assert (tmp_path / "hits" / "genome.bed").read_text() == expected


def test_parts(genome, expected, tmp_path):
    out = tmp_path / "hits.bed"
    for part in (("--part", "2/2"), ("--part", "1/2"), ("--finalise",)):
        assert main([genome, "--out", str(out), "--quiet", *TILES, *part]) == 0
    assert out.read_text() == expected


def test_killed_twice_and_resumed(genome, expected, crash_server, tmp_path):
    out = tmp_path / "hits.bed"
    command = [genome, "--out", str(out), "--quiet", *TILES]
    endings = [crash_server.scan(*command, kill_before=step) for step in (45, 45)]
    assert [ending.code for ending in endings] == [-9, -9]
    assert not out.exists()
    assert main(command) == 0
    assert out.read_text() == expected
    summary = json.loads(out.with_name("hits.bed.summary.json").read_text())
    assert summary["tiles_reused"] > 0


@pytest.mark.parametrize("name", golden.NAMES)
def test_golden_hits(name, tmp_path):
    assert golden.scan(name, tmp_path / name) == 0
    text = (tmp_path / name).read_text()
    assert text.count("\n") > text.count("\n#") + 1
    assert text == (golden.GOLDEN / name).read_text(), "renew with python tests/golden.py"
