"""What ``premir.scanner`` gives to users of Python; the page about it is run."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from pathlib import Path

import builders
import numpy as np
import pytest

import premir.scanner
from premir.scanner import PremirError, candidates, fold, load_model, read_hits, read_shard, scan
from premir.scanner.cli import main
from premir.scanner.errors import InputError

ROOT = Path(__file__).parent.parent


def test_the_page_says_what_happens(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    found = doctest.testfile(
        str(ROOT / "docs" / "api.md"), module_relative=False, globs={"out": tmp_path}
    )
    assert (found.failed, found.attempted > 10) == (0, True)


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, premir.scanner, premir.train\n"
        "heavy = {'torch', 'numba', 'ray', 'RNA', 'numpy', 'h5py', 'pysam'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert set(premir.scanner.__all__) <= set(dir(premir.scanner))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_name_is_there_and_no_other():
    for name in premir.scanner.__all__:
        assert getattr(premir.scanner, name).__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'scans'"):
        _ = premir.scanner.scans


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    sequences, _ = builders.default_hits_genome()
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    return builders.write_fasta(path, {name: sequences[name] for name in ("chr2", "tiny")})


def test_scan_writes_what_the_command_writes(genome, tmp_path):
    options = ["--out", str(tmp_path / "command.bed"), "--max-copies", "5", "-q"]
    assert main([str(genome), *options, "--regions", "chr2:1-7500"]) == 0
    out = tmp_path / "hits.bed"
    summary = scan(genome, str(out), max_copies=5, regions=["chr2:1-7500"])
    assert out.read_text() == (tmp_path / "command.bed").read_text()
    assert summary == json.loads((tmp_path / "hits.bed.summary.json").read_text())
    assert len(list(read_hits(out))) == summary["hits"] > 0
    assert not (tmp_path / "hits.bed.premir-work").exists()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"preset": "fungus"}, "preset is 'fungus'; expected one of animal, plant, virus"),
        ({"folder": "paper"}, "folder is 'paper'; expected one of kernel, viennarna"),
        ({"min_prob": 1.5}, "min_prob is 1.5; expected a number from 0 to 1"),
        ({"min_prob": float("nan")}, "min_prob is nan; expected a number from 0 to 1"),
        ({"model": "nobody"}, "nobody: no such model; give one of "),
        ({"regions": ["chr9"]}, "--regions chr9: no contig 'chr9' in the genome"),
    ],
)
def test_settings_that_cannot_be_are_refused(genome, tmp_path, settings, message):
    with pytest.raises(InputError) as caught:
        scan(genome, tmp_path / "hits.bed", **settings)
    assert str(caught.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_scan_does_not_write_over_its_genome(genome):
    before = genome.read_bytes()
    with pytest.raises(PremirError, match="is the same file"):
        scan(genome, genome)
    assert genome.read_bytes() == before


def test_candidates_are_those_of_a_scan(genome, tmp_path):
    assert main([str(genome), "--candidates", str(tmp_path / "c.bed"), "-q"]) == 0
    rows = [line.split("\t") for line in (tmp_path / "c.bed").read_text().splitlines()]
    found = list(candidates(genome, context_nt=5))
    expected = {(c, int(a), int(b), s) for c, a, b, _, _, s in rows}
    assert {(each.contig, each.start, each.end, each.strand) for each in found} == expected
    assert all(len(each.sequence) == len(each.structure) for each in found)
    one = found[len(found) // 2]
    hairpins = fold([one.sequence])
    assert hairpins.mfe[0] / 100 == one.mfe
    text = {"chr2": builders.default_hits_genome()[0]["chr2"]}
    assert list(candidates(text, context_nt=5)) == [x for x in found if x.contig == "chr2"]


def test_fold_and_score_take_sequences_in_any_case():
    model = load_model("do2018-human-test-variable")
    sequences = ["GGGGAAACCUUUGAAAGGUUUCCCC" * 3, "ggggaaacctttgaaaggtttcccc" * 3]
    assert model.score(sequences).tolist() == model.score(fold(sequences)).tolist()
    assert len(set(model.score(sequences))) == 1
    assert np.abs(model.select(sequences) - model.score(sequences)).max() < 1e-3
    assert fold([]).mfe.size == 0
    assert fold(sequences, folder="viennarna").mfe.tolist() == fold(sequences).mfe.tolist()
    with pytest.raises(InputError, match="sequence 2: letter 'N' at 3"):
        fold(["ACGU", "ACNU"])
    with pytest.raises(InputError, match="sequence 1: has 0 nt"):
        fold([""])


def test_read_shard_reads_what_is_there(genome, tmp_path):
    scan(genome, tmp_path / "hits.bed", work_dir=tmp_path / "work", keep_work=True)
    (path,) = (tmp_path / "work" / "shards").iterdir()
    shard = read_shard(path)
    assert len(shard.hairpins) == len(shard.loci) > 0
    options = ["--candidates", str(tmp_path / "c.bed"), "--work-dir", str(tmp_path / "listed")]
    assert main([str(genome), *options, "--keep-work", "-q"]) == 0
    (path,) = (tmp_path / "listed" / "shards").iterdir()
    assert read_shard(path).hairpins is None
    assert len(read_shard(path).loci) >= len(shard.loci)
    path.write_bytes(b"no shard")
    with pytest.raises(PremirError, match="damaged shard, or not one"):
        read_shard(path)
