"""``--hairpins``: given sequences, classified as they are."""

from __future__ import annotations

import builders
import numpy as np
import pytest
import torch

from premir.scanner import classify
from premir.scanner.cli import main
from premir.scanner.genome import hairpin_records
from premir.scanner.run import progress
from premir.scanner.score.model import Model

HEADER = "name\tprob\tlabel\tmfe\tstructure\tremark"
LET7 = "UGGGAUGAGGUAGUAGGUUGUAUAGUUUUAGGGUCACACCCACCACUGGGAGAUAACUAUACAAUCUACUGUCUUUCCUA"


@pytest.fixture
def rows(tmp_path):
    """Classify sequences; returns the table's rows by name."""

    def call(sequences, *options):
        path, out = tmp_path / "sequences.fa", tmp_path / "scores.tsv"
        if isinstance(sequences, str):
            path.write_text(sequences)
        else:
            builders.write_fasta(path, sequences)
        assert main(["--hairpins", str(path), "--out", str(out), *map(str, options)]) == 0
        header, *lines = out.read_text().splitlines()
        assert header == HEADER
        return {line.split("\t")[0]: line.split("\t")[1:] for line in lines}

    return call


def test_hairpins_are_classified_as_they_are(rows):
    table = rows({"let-7a": LET7, "fig1": "GCCCTTGGCA"}, "-q")
    prob, label, mfe, structure, remark = table["let-7a"]
    assert (label, remark) == ("1", ".")
    assert float(prob) > 0.9
    assert float(mfe) < -25
    assert len(structure) == len(LET7)
    assert table["fig1"][2:] == ["-3.00", "(((...))).", "shorter than 45 nt"]


def test_one_thread_is_used_inside_an_operation(rows, monkeypatch):
    """More of them wait for each other: on a busy machine that takes five times as long."""
    torch.set_num_threads(2)
    score, seen = Model.score, []

    def watched(self, hairpins):
        seen.append(torch.get_num_threads())
        return score(self, hairpins)

    monkeypatch.setattr(Model, "score", watched)
    rows({"let-7a": LET7}, "-q")
    assert seen == [1]
    assert torch.get_num_threads() == 2  # as it was before


def test_records_that_cannot_be_folded_get_a_row_and_a_remark(rows, capsys):
    alone = rows({"good": LET7}, "-q")
    longest = hairpin_records.LONGEST
    table = rows(
        f">odd\nAGYACN\n>good\n{LET7}\n>none\n>gap\nAC-GT\n>long\n" + "ACGUA\n" * longest, "-q"
    )
    assert list(table) == ["odd", "good", "none", "gap", "long"]
    assert table["good"] == alone["good"]
    assert {name: row[4] for name, row in table.items() if row[:4] == ["."] * 4} == {
        "odd": "letter Y at 3 cannot be folded",
        "none": "no sequence",
        "gap": "letter N at 3 cannot be folded",
        "long": f"{5 * longest} nt, longer than {longest}",
    }
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(
        "sequences.fa: 4 of 5 records cannot be scored and have no values: 2 with a letter "
        f"other than A, C, G, T, U, 1 without sequence, 1 longer than {longest} nt"
    )


def test_a_long_record_is_not_held_in_memory(tmp_path, monkeypatch):
    held, make = [], hairpin_records._record

    def record(*arguments):
        held.append(len(arguments[2]))
        return make(*arguments)

    monkeypatch.setattr(hairpin_records, "_record", record)
    (tmp_path / "s.fa").write_text(">long\n" + "ACGT" * 1_000_000 + "\n>a\nACGT\n")
    lengths = [(r.name, r.length) for r in hairpin_records.hairpin_records(tmp_path / "s.fa")]
    assert lengths == [("long", 4_000_000), ("a", 4)]
    assert max(held) <= hairpin_records.LONGEST


def test_lengths_beyond_the_training_data_are_said(rows, capsys):
    rng = np.random.default_rng(0)
    lengths = {"a": 44, "b": 45, "c": 400, "d": 401, "e": 20}
    table = rows({name: builders.random_sequence(rng, n) for name, n in lengths.items()}, "-q")
    remarks = {name: row[-1] for name, row in table.items()}
    short, long = "shorter than 45 nt", "longer than 400 nt"
    assert remarks == {"a": short, "b": ".", "c": ".", "d": long, "e": short}
    (warning,) = capsys.readouterr().err.splitlines()
    assert "2 sequences are shorter than 45 nt and 1 longer than 400 nt" in warning


@pytest.mark.parametrize("folder", ["kernel", "viennarna"])
def test_blocks_do_not_matter(rows, monkeypatch, folder):
    rng = np.random.default_rng(1)
    sequences = {f"h{n}": builders.hairpin(rng, stem=20 + n) for n in range(9)} | {"odd": "ACGTN"}
    expected = rows(sequences, "-q")
    monkeypatch.setattr(classify, "_BLOCK_NT", 100)
    assert rows(sequences, "-q", "--folder", folder, "--threads", 1) == expected


def test_progress_is_said_every_half_minute(rows, monkeypatch, capsys):
    monkeypatch.setattr(classify, "_BLOCK_NT", 1)
    monkeypatch.setattr(progress, "_INTERVAL", 0.0)
    rows({"a": LET7, "b": LET7}, "--threads", 1)
    said = [line for line in capsys.readouterr().err.splitlines() if " a minute, " in line]
    assert said[0].startswith("premir-scan: 1 of 2 sequences done, ")
    assert said[-1].startswith("premir-scan: 2 of 2 sequences done, ")
    assert said[-1].endswith(" a minute, 2 called pre-miRNA")


def test_a_file_is_checked_before_time_is_spent(tmp_path, capsys):
    (tmp_path / "s.fa").write_text(f">a\n{LET7}\n>b\nA1\n>c\nA2\n")
    assert main(["--hairpins", str(tmp_path / "s.fa"), "--out", "-"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split(": ")[3] for line in captured.err.splitlines()] == ["b:4", "c:6"]
