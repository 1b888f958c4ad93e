"""The section for MultiQC: the numbers of the summary, under a name that MultiQC finds."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import builders
import pytest
from golden import DEMO

from premir.scanner.cli import main
from premir.scanner.report.multiqc import sample_name


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("multiqc")
    out = ["--out", str(folder / "demo.v1.bed.gz"), "--multiqc", str(folder / "demo_mqc.json")]
    assert main([str(DEMO), *out, "--min-prob", "0.5", "-q"]) == 0
    return folder


def test_a_row_has_the_numbers_of_the_summary(folder):
    summary = json.loads((folder / "demo.v1.bed.gz.summary.json").read_text())
    section = json.loads((folder / "demo_mqc.json").read_text())
    (name,) = section["data"]
    row = section["data"][name]
    assert (name, row.keys()) == ("demo.v1", section["headers"].keys())
    assert row["hits"] == summary["hits"] == 47
    assert row["hits_per_mb"] == pytest.approx(47 / summary["megabases_scanned"], abs=1e-6)
    expected = summary["expected_false"]
    assert (row["false_lowest"], row["false_highest"]) == (expected["lowest"], expected["highest"])
    assert (row["candidates"], row["tiles_missing"]) == (summary["candidates"], 0)
    assert (row["min_prob"], row["model"]) == (0.5, summary["model"])


def test_of_candidates_alone_there_are_no_hits(tmp_path):
    command = ["--candidates", str(tmp_path / "c.bed"), "--multiqc", str(tmp_path / "x_mqc.json")]
    assert main([str(DEMO), *command, "-q"]) == 0
    (row,) = json.loads((tmp_path / "x_mqc.json").read_text())["data"].values()
    assert row.keys() == {"candidates", "megabases", "min_prob", "tiles_missing"}
    assert row["candidates"] == (tmp_path / "c.bed").read_text().count("\n")


def test_many_genomes_have_a_row_each(tmp_path):
    (tmp_path / "bad.fa").write_text(">a\nAC!T\n")
    builders.write_fasta(tmp_path / "small.fa", {"a": "ACGT" * 50})
    genomes = [str(DEMO), str(tmp_path / "bad.fa"), str(tmp_path / "small.fa")]
    out, path = str(tmp_path / "out"), tmp_path / "all_mqc.json"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "bad.bed.summary.json").write_text("of an earlier scan")
    for _ in range(2):  # the second finds all but one finished
        assert main([*genomes, "--out-dir", out, "--multiqc", str(path), "-q"]) == 3
        rows = json.loads(path.read_text())["data"]
        assert {name: row["hits"] for name, row in rows.items()} == {"demo": 6, "small": 0}
        path.unlink()


@pytest.mark.parametrize("where", [["--out", "hits.bed"], ["--out-dir", "hits"]])
def test_a_name_that_multiqc_would_not_find_is_refused(where, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([str(DEMO), *where, "--multiqc", "premir.json"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("--multiqc premir.json: MultiQC finds files whose names end in _mqc.json; "
        "give such a name")  # fmt: skip
    assert main([str(DEMO), "--out", "a_mqc.json", "--multiqc", "a_mqc.json"]) == 2
    assert "--multiqc is the same file as --out" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name, sample",
    [("a.bed", "a"), ("x/a.b.gff3.gz", "a.b"), ("a.GZ", "a"), ("-", "premir"), ("a", "a")],
)
def test_names_of_samples(name, sample):
    assert sample_name(Path(name)) == sample


def test_multiqc_itself_makes_a_table_of_it(folder, tmp_path):
    program = shutil.which("multiqc")
    if program is None:
        pytest.skip("multiqc is not installed")
    subprocess.run([program, "-q", "-o", str(tmp_path), str(folder)], check=True)
    (table,) = tmp_path.glob("multiqc_data/*premir*.txt")
    names, row = (line.split("\t") for line in table.read_text().splitlines())
    assert dict(zip(names, row, strict=True))["Sample"] == "demo.v1"
    assert "47" in " ".join(row)
