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
import premir.train
from premir.kernels.pairing import dot_bracket
from premir.scanner import PremirError, candidates, fold, load_model, read_hits, read_shard, scan
from premir.scanner.cli import main
from premir.scanner.errors import InputError, ModelError
from premir.train import judge_model, train_genome_network, train_network
from premir.train.cli import main as train_main

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "api.md"


def test_the_page_says_what_happens(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PREMIR_CACHE", str(tmp_path / "cache"))
    found = doctest.testfile(str(PAGE), module_relative=False, globs={"out": tmp_path})
    assert (found.failed, found.attempted > 30) == (0, True)


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, premir.scanner, premir.train\n"
        "heavy = {'torch', 'numba', 'ray', 'RNA', 'numpy', 'h5py', 'pysam'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "for floor in (premir.scanner, premir.train):\n"
        "    assert set(floor.__all__) <= set(dir(floor))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_name_is_there_and_no_other():
    for floor in (premir.scanner, premir.train):
        for name in floor.__all__:
            assert getattr(floor, name).__doc__, name
    for name in premir.train.__all__:
        assert f"`{name}" in PAGE.read_text() or f"{name}(" in PAGE.read_text(), name
    with pytest.raises(AttributeError, match="has no attribute 'scans'"):
        _ = premir.scanner.scans
    with pytest.raises(AttributeError, match="has no attribute 'train_all'"):
        _ = premir.train.train_all


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
    assert 0 < len(list(read_hits(out))) == summary["hits"]
    assert not (tmp_path / "hits.bed.premir-work").exists()


def test_scan_writes_several_files(genome, tmp_path):
    outs = [tmp_path / "hits.txt", str(tmp_path / "hits.bed")]
    summary = scan(genome, outs, format="jsonl")
    assert summary == json.loads((tmp_path / "hits.txt.summary.json").read_text())
    lines = (tmp_path / "hits.txt").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == [hit.name for hit in read_hits(outs[1])]
    assert summary["hits"] == len(lines) > 0
    with pytest.raises(InputError, match="out names no file"):
        scan(genome, [])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"format": "sam"}, "format is 'sam'; expected one of bed, gff3, tsv"),
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
    hidden = one.sequence[:40] + "N" + one.sequence[41:]
    assert all("N" not in x.sequence for x in candidates(hidden))
    assert any("N" in x.sequence for x in candidates(hidden, unknown_letters=0.02))


def test_fold_and_score_take_sequences_in_any_case():
    model = load_model("do2018-human-test-variable")
    sequences = ["GGGGAAACCUUUGAAAGGUUUCCCC" * 3, "ggggaaacctttgaaaggtttcccc" * 3]
    assert model.score(sequences).tolist() == model.score(fold(sequences)).tolist()
    assert len(set(model.score(sequences))) == 1
    assert np.abs(model.select(sequences) - model.score(sequences)).max() < 1e-3
    assert fold([]).mfe.size == 0
    assert fold(sequences, folder="viennarna").mfe.tolist() == fold(sequences).mfe.tolist()
    with pytest.raises(InputError, match="sequence 2: letter '-' at 3"):
        fold(["ACGU", "AC-U"])
    unknown = fold(["ggggrNaacccc"])
    assert unknown.unknown.tolist() == [2]
    assert dot_bracket(unknown.pairs) == "((((....))))"
    with pytest.raises(ModelError, match=r"up to 0 % of letters other .*; one has 2 of them"):
        model.score(unknown)
    with pytest.raises(InputError, match="sequence 1: has 0 nt"):
        fold([""])


def test_read_shard_reads_what_is_there(genome, tmp_path):
    scan(genome, tmp_path / "hits.bed", work_dir=tmp_path / "work", keep_work=True)
    (path,) = (tmp_path / "work" / "shards").iterdir()
    shard = read_shard(path)
    assert shard.hairpins is not None
    assert shard.loci is not None
    assert len(shard.hairpins) == len(shard.loci) > 0
    options = ["--candidates", str(tmp_path / "c.bed"), "--work-dir", str(tmp_path / "listed")]
    assert main([str(genome), *options, "--keep-work", "-q"]) == 0
    (path,) = (tmp_path / "listed" / "shards").iterdir()
    listed = read_shard(path)
    assert listed.hairpins is None
    assert listed.loci is not None
    assert len(listed.loci) >= len(shard.loci)
    by_name = read_shard(str(path))
    assert by_name.loci is not None
    assert np.array_equal(by_name.loci.start, listed.loci.start)
    path.write_bytes(b"no shard")
    for name in (path, str(path)):
        with pytest.raises(PremirError, match="damaged shard, or not one"):
            read_shard(name)


@pytest.fixture
def hairpins(tmp_path, monkeypatch):
    """FASTA files of hairpins and of others."""
    monkeypatch.setenv("PREMIR_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(1)
    real = {f"p{n}": builders.hairpin(rng) for n in range(10)}
    other = {f"n{n}": builders.random_sequence(rng, 80) for n in range(16)}
    return (
        builders.write_fasta(tmp_path / "p.fa", real),
        builders.write_fasta(tmp_path / "n.fa", other),
    )


def test_networks_are_those_that_the_command_trains(hairpins, tmp_path):
    positives, negatives = map(str, hairpins)
    out = tmp_path / "called"
    model = train_network(positives, negatives, out, epochs=1, threads=1, seed=3)
    sets = ["--positives", positives, "--negatives", negatives, "--threads", "1"]
    command = ["custom", *sets, "--epochs", "1", "--seed", "3", "--out", str(tmp_path / "typed")]
    assert train_main([*command, "-q"]) == 0
    typed = load_model(str(tmp_path / "typed"))
    assert (model.digest, model.card["recipe"]) == (typed.digest, typed.card["recipe"])
    assert model.name == "called"


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"recipe": "mine"}, "recipe is 'mine'; expected one of paper, released"),
        ({"epochs": 0}, "epochs is 0; expected 1 or more"),
        ({"threads": 0}, "threads is 0; expected 1 or more"),
        ({"device": "tpu"}, "device is 'tpu'; expected one of auto, cpu, cuda"),
        ({"test_positives": "p.fa"}, "--test-positives and --test-negatives go together"),
        ({"positives": []}, "own files need --positives and --negatives"),
    ],
)
def test_trainings_that_cannot_be_are_refused(hairpins, tmp_path, settings, message):
    files = {"positives": hairpins[0], "negatives": hairpins[1], **settings}
    with pytest.raises(InputError) as caught:
        train_network(out=tmp_path / "model", **files)
    assert str(caught.value).startswith(message)
    assert not (tmp_path / "model").exists()


def test_models_are_judged_by_protocols_of_the_paper(hairpins, tmp_path):
    for part in ("cv", "test"):
        (tmp_path / part / "human").mkdir(parents=True)
    for kind, path in zip(("pos", "neg"), hairpins, strict=True):
        text = path.read_text()
        (tmp_path / "cv" / "human" / f"human_{kind}_all.fa").write_text(text[: len(text) // 2])
        (tmp_path / "test" / "human" / f"human_{kind}_test.fa").write_text(text)
    found = judge_model("do2018-human-test-variable", "human-test", data=tmp_path, threads=1)
    assert found["removed_positives"] > 0 < found["removed_negatives"]
    assert found["as_published"]["auroc"] > 0.5
    with pytest.raises(InputError, match="protocol is 'mine'; expected one of human-cv, "):
        judge_model("do2018-human-test-variable", "mine")


def test_genome_networks_adapt_only_where_they_are_told(tmp_path):
    with pytest.raises(InputError, match="contigs does nothing without adapt_to"):
        train_genome_network(tmp_path / "out", tmp_path, contigs=["chr1"])
    with pytest.raises(InputError, match="start does nothing without adapt_to"):
        train_genome_network(tmp_path / "out", tmp_path, start="do2018-human-test-variable")
    with pytest.raises(InputError, match="no such file; see premir-train sources"):
        train_genome_network(tmp_path / "out", tmp_path / "absent")
