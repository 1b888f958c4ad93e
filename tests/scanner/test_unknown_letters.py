"""Hairpins with unknown letters, by the default model, whose card admits some."""

from __future__ import annotations

import json
import shutil

import builders
import numpy as np
import pytest
from hit_rows import rows

from premir.kernels.pairing import dot_bracket
from premir.scanner.cli import main
from premir.scanner.find.folding import fold
from premir.scanner.score.card import CARD
from premir.scanner.score.shipped import DEFAULT_MODEL, load_model

MOST = 0.02
"""As the card of the default model has it."""


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    """The default model, as if it had learned from no unknown letters."""
    path = tmp_path_factory.mktemp("model") / "refusing"
    shutil.copytree(load_model(DEFAULT_MODEL).directory, path)
    card = json.loads((path / CARD).read_text())
    card |= {"feature_schema": "do2018-v1", "unknown_letters": 0}
    (path / CARD).write_text(json.dumps(card))
    return path


@pytest.fixture(scope="module")
def genome(tmp_path_factory, default_genome):
    """The genome with hits, one letter in 200 unknown, and a hairpin with a gap for a loop."""
    rng = np.random.default_rng(2)
    sequences = {
        name: builders.with_unknown(rng, text, 0.005) for name, text in default_genome[1].items()
    }
    arm = builders.random_sequence(rng, 40)
    sequences["gap"] = "A" * 300 + arm + "N" * 6 + builders.reverse_complement(arm) + "A" * 300
    path = tmp_path_factory.mktemp("unknown") / "genome.fa"
    return builders.write_fasta(path, sequences)


@pytest.fixture(scope="module")
def hits(genome, tmp_path_factory):
    """All above a probability of 0.5, as text."""
    return scanned(genome, tmp_path_factory.mktemp("hits") / "hits.bed")


def scanned(genome, out, *options):
    command = [genome, "--out", out, "--quiet", "--min-prob", "0.5", *options]
    assert main([str(each) for each in command]) == 0
    return out.read_text()


def test_hits_hold_no_more_unknown_letters_than_the_card_admits(hits, genome, refusing, tmp_path):
    found = rows(hits)
    held = [hit["sequence"].upper().count("N") for hit in found]
    assert all(n <= MOST * len(hit["sequence"]) for n, hit in zip(held, found, strict=True))
    assert any("N" in hit["sequence"] for hit in found)  # in the hairpin itself
    assert 0 in held
    assert f"## unknown_letters {MOST}\n" in hits
    assert ", do2018-v2\n" in hits
    none = scanned(genome, tmp_path / "none.bed", "--model", refusing)
    assert "unknown_letters" not in none
    assert ", do2018-v1\n" in none
    assert not any("N" in hit["sequence"].upper() for hit in rows(none))


@pytest.mark.parametrize(
    "options",
    [("--tile-size", "3000"), ("--folder", "viennarna"), ("--threads", "2")],
    ids=" ".join,
)
def test_whatever_may_not_matter(hits, genome, tmp_path, options):
    assert scanned(genome, tmp_path / "hits.bed", *options) == hits


def test_viennarna_folds_them_alike_and_what_holds_more_is_counted(genome, refusing, tmp_path):
    text = scanned(genome, tmp_path / "hits.bed", "--report", tmp_path / "report.html")
    summary = json.loads((tmp_path / "hits.bed.summary.json").read_text())
    assert summary["refolded"] > 0
    assert summary["fold_disagreements"] == 0
    passed_over = summary["passed_over"]["with_unknown_letters"]
    assert 0 < passed_over
    told = f"{passed_over} stem-loops that hold more than 2 % of unknown letters"
    assert told in (tmp_path / "report.html").read_text()
    scanned(genome, tmp_path / "none.bed", "--model", refusing)
    none = json.loads((tmp_path / "none.bed.summary.json").read_text())
    assert none["passed_over"]["with_unknown_letters"] > passed_over
    assert len(rows(text)) > 0


def test_given_hairpins_are_scored_up_to_that_share(tmp_path, capsys):
    stem = builders.hairpin(np.random.default_rng(1), stem=34)
    one, two = (stem[:38] + "N" * n + stem[38 + n :] for n in (1, 2))
    path = builders.write_fasta(tmp_path / "given.fa", {"none": stem, "one": one, "two": two})
    out = tmp_path / "scores.tsv"
    command = ["--hairpins", str(path), "--out", str(out), "--model", DEFAULT_MODEL]
    assert main(command) == 0
    table = {line.split("\t")[0]: line.split("\t")[1:] for line in out.read_text().splitlines()}
    score = load_model(DEFAULT_MODEL).score([one])
    assert table["one"][0] == f"{1 / (1 + np.exp(-score[0])):.6f}"
    assert table["one"][3] == dot_bracket(fold([one]).pairs)
    assert table["two"] == [".", ".", ".", ".", "2 unknown letters"]
    assert "1 with more than 2 % of unknown letters" in capsys.readouterr().err


def test_scores_of_batches_and_of_single_hairpins_agree():
    rng = np.random.default_rng(4)
    sequences = [
        "".join(list(text)[:k] + ["N"] + list(text)[k + 1 :])
        for text in (builders.hairpin(rng, stem=int(n)) for n in rng.integers(25, 50, 20))
        for k in [int(rng.integers(0, len(text)))]
    ]
    model = load_model(DEFAULT_MODEL)
    assert np.abs(model.select(sequences) - model.score(sequences)).max() < model.margin / 10
