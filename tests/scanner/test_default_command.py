"""The default command: shipped network, its threshold and its gates."""

from __future__ import annotations

import json
import resource
import shutil
from dataclasses import replace

import builders
import numpy as np
import pytest
import RNA
import torch
from hit_rows import DEFAULT_COLUMNS, rows
from safetensors.numpy import load_file, save_file

from premir.kernels.codes import encode
from premir.kernels.mfe import fold_batch
from premir.kernels.pairing import dot_bracket, pack
from premir.scanner import __version__
from premir.scanner.cli import main
from premir.scanner.files import sha256
from premir.scanner.find import shards
from premir.scanner.find.candidates import PRESETS
from premir.scanner.find.folding import InlineViennaFolder
from premir.scanner.report.evidence.known.reading import shipped
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.run.tasks import Job
from premir.scanner.score.card import CARD
from premir.scanner.score.gating import GATES
from premir.scanner.score.model import probabilities
from premir.scanner.score.selecting import find_hits
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model

CPU = torch.device("cpu")
ALONE = [load_model(DEFAULT_MODEL).card["gates"]["alone"][name] for name in ("stem", "fold")]
"""Votes that what nothing lifts needs."""
SWAPPED = str.maketrans("ACGTacgt", "TGCAtgca")


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


def test_columns_are_of_the_fold_that_is_printed(default_scan):
    """Probability, MFE and structure follow from the sequence alone, by other ways."""
    hits = rows(default_scan[0])
    codes, offsets = pack([encode(hit["sequence"]) for hit in hits])
    folds = InlineViennaFolder().fold(codes, offsets)
    log_odds = load_model(DEFAULT_MODEL).score(folds)
    exact = probabilities(log_odds)
    evidence = np.log1p([int(hit["kin"]) for hit in hits]).round(6)
    for n, hit in enumerate(hits):
        _, pairs, mfe = folds[n]
        assert (hit["structure"], hit["mfe"]) == (dot_bracket(pairs), f"{mfe / 100:.2f}")
        total = log_odds[n] - evidence[n]
        assert (hit["prob"], hit["log_odds"]) == (f"{exact[n]:.6f}", f"{total:.6f}")
    assert len({hit["log_odds"] for hit in hits}) > 10


def test_header_says_what_hits_depend_on(default_genome, default_scan):
    model = load_model(DEFAULT_MODEL)
    lines = [line for line in default_scan[0].splitlines() if line.startswith("#")]
    assert lines == [
        "## format premir-hits 2",
        f"## premir {__version__}, ViennaRNA {RNA.__version__}, {model.card['feature_schema']}",
        f"## genome {default_genome[0].name}",
        f"## model {model.name} sha256 {sha256(model.directory / 'weights.safetensors')}",
        f"## gates sha256 {sha256(model.directory / GATES)} alone {' '.join(map(str, ALONE))} "
        f"floor {model.floor(model.min_prob)}",
        f"## preset animal extractor stems max_span 160 min_prob {model.min_prob:g}",
        f"## unknown_letters {model.unknown_letters:g}",
        f"## known {shipped().name} sha256 {shipped().digest}",
        "## kin weigh",
        "## sort fasta",
        "#" + "\t".join(column.name for column in DEFAULT_COLUMNS),
    ]


def test_summary_says_what_was_done(default_genome, default_scan):
    text, summary = default_scan
    model = load_model(DEFAULT_MODEL)
    assert summary["genome"] == str(default_genome[0])
    assert summary["megabases_scanned"] == summary["megabases"]
    assert (summary["model"], summary["min_prob"]) == (model.name, model.min_prob)
    assert (summary["preset"], summary["extractor"], summary["max_span"]) == (
        "animal",
        "stems",
        160,
    )
    assert summary["gates"] == {
        "sha256": model.card["gates"]["sha256"],
        "judged": model.card["gates"]["alone"]["judged"],
        "alone": ALONE,
        "floor": model.floor(model.min_prob),
    }
    assert (summary["refolded"], summary["fold_disagreements"]) == (len(rows(text)), 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert 50 < summary["peak_memory_mb"] <= peak


def test_a_wrong_fold_kernel_changes_nothing_but_a_warning(
    default_genome, default_scan, scan, tmp_path, monkeypatch, capsys
):
    def wrong(codes, offsets, parameters):
        pairs, mfe = fold_batch(codes, offsets, parameters)
        return pairs, mfe + 1

    monkeypatch.setattr("premir.scanner.find.folding.fold_batch", wrong)
    text, before = default_scan
    code, found = scan(default_genome[0])
    assert code == 0
    # The hairpin alone is folded by the kernel and nobody else.
    hits, expected = rows(found), rows(text)
    off = [
        round(100 * (float(hit.pop("mfe_hairpin")) - float(right.pop("mfe_hairpin"))))
        for hit, right in zip(hits, expected, strict=True)
    ]
    assert (hits, set(off)) == (expected, {1})
    summary = json.loads((tmp_path / "hits.bed.summary.json").read_text())
    assert summary["fold_disagreements"] == summary["refolded"] == before["hits"]
    assert capsys.readouterr().err.count("ViennaRNA's fold is reported") == before["hits"]


def test_candidates_are_all_there_are_in_order(tiny_genome, tmp_path):
    """Also where the default command would let gates drop some, and in regions."""
    name = max(tiny_genome[1], key=lambda contig: len(tiny_genome[1][contig]))
    found = {}
    for case, options in {
        "alone": (),
        "regions": ("--regions", f"{name}:101-1500"),
        "beside": ("--out", str(tmp_path / "hits.bed")),
    }.items():
        path = tmp_path / case
        command = [str(tiny_genome[0]), "--candidates", str(path), *options, "-q"]
        command += ["--summary", str(tmp_path / f"{case}.json")]
        assert main(command) == 0
        found[case] = [line.split("\t") for line in path.read_text().splitlines()]
    assert found["beside"] == found["alone"]
    order = {contig: number for number, contig in enumerate(tiny_genome[1])}
    keys = [(order[c], int(a), int(b), strand == "-") for c, a, b, _, _, strand in found["alone"]]
    assert keys == sorted(keys)
    assert {strand for *_, strand in found["alone"]} == {"+", "-"}
    for contig, start, end, place, _, strand in found["alone"]:
        assert place == f"{contig}:{int(start) + 1}-{end}({strand})"
    assert found["regions"] == [
        row
        for row in found["alone"]
        if row[0] == name and 100 <= (int(row[1]) + int(row[2])) // 2 < 1500
    ]
    assert 0 < len(found["regions"]) < len(found["alone"])
    summary = json.loads((tmp_path / "alone.json").read_text())
    assert (summary["hits"], summary["model"], summary["folded"]) == (None, None, 0)
    assert summary["candidates"] == len(found["alone"])


@pytest.fixture(scope="module")
def default_job(default_scan_path):
    """The default scan's run directory, what its tiles had in common, and the model."""
    model = load_model(DEFAULT_MODEL)
    run = RunDirectory(default_scan_path.with_name("work"))
    extractor = replace(PRESETS["animal"], context_nt=model.context_nt)
    job = Job(
        run, extractor, "kernel", model, model.min_prob, model.min_prob, "", model.gates(), ""
    )
    return run, job


def test_a_hit_at_the_threshold_is_a_hit_whatever_the_batch_said(default_job):
    """Batches are float32: what they say of a hairpin lies on either side of its own score."""
    run, job = default_job
    (shard,) = run.path.glob("shards/*.h5")
    hairpins, loci = shards.read_hairpins(shard), shards.read_loci(shard)

    def hits(min_prob):
        return find_hits(
            job.model,
            hairpins,
            loci,
            gates=job.gates,
            min_prob=min_prob,
            places=None,
            device=CPU,
        )

    found = hits(job.min_prob)
    index, prob = found.index, probabilities(found.log_odds)
    worth = np.flatnonzero(job.gates.after_folding(loci, hairpins))
    batch = dict(
        zip(
            worth.tolist(),
            1 / (1 + np.exp(-job.model.select(hairpins.take(worth)).astype(float))),
            strict=True,
        )
    )
    below = [n for n, row in enumerate(index) if batch[int(row)] < prob[n]]
    assert len(below) > 3
    for n in below[:2]:
        again = hits(prob[n])
        assert index[n] in again.index
        assert min(probabilities(again.log_odds)) == prob[n]


@pytest.fixture(scope="module")
def shallow(tmp_path_factory):
    """The default model with gates that let a little more pass."""
    folder = tmp_path_factory.mktemp("models") / "shallow"
    shutil.copytree(load_model(DEFAULT_MODEL).directory, folder)
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
    alone = f"alone {' '.join(map(str, ALONE))}"
    gates, others = (
        f"sha256 {load_model(str(m)).card['gates']['sha256']} {alone}"
        for m in (DEFAULT_MODEL, shallow)
    )
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


def test_a_genome_of_the_same_size_is_another_genome(tiny_genome, tmp_path):
    path, folder = tmp_path / "genome.fa", tmp_path / "hits"
    command = [str(path), "--out-dir", str(folder), "--min-prob", "0.3", "-q"]
    path.write_bytes(tiny_genome[0].read_bytes())
    assert main(command) == 0
    before = (folder / "genome.bed").read_text()
    letters = {name: text.translate(SWAPPED) for name, text in tiny_genome[1].items()}
    builders.write_fasta(path, letters)
    assert path.stat().st_size == tiny_genome[0].stat().st_size
    assert main(command) == 0
    assert (folder / "genome.bed").read_text() != before
