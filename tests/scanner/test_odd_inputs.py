"""Genomes as they are found: each gives what the same letters give in a plain file."""

from __future__ import annotations

import functools
import json
import lzma

import builders
import numpy as np
import pytest
from data_sets import data_dir

from premir.scanner.cli import main

RNG = np.random.default_rng(4)
HAIRPIN = builders.hairpin(RNG)
LEFT, RIGHT = (builders.random_sequence(RNG, 200) for _ in range(2))
PLAIN = f">c1\n{LEFT}\n{HAIRPIN}\n{RIGHT}\n".encode()


def masked(letters):
    """The plain genome with a stretch of 30 letters replaced."""
    return PLAIN.replace(LEFT[50:80].encode(), letters)


# What is scanned, the same as a plain file, and what the summary says of it.
CASES = {
    "bom": (b"\xef\xbb\xbf" + PLAIN, PLAIN, {"byte_order_marks": 1}),
    "old Macintosh": (PLAIN.replace(b"\n", b"\r"), PLAIN, {"cr_line_ends": 4}),
    "Windows": (PLAIN.replace(b"\n", b"\r\n"), PLAIN, {"crlf_line_ends": 4}),
    "trailing blanks": (PLAIN.replace(b"\n", b" \n", 3), PLAIN, {"blank_ends": 2}),
    "masked": (masked(b"X" * 30), masked(b"N" * 30), {"x_letters": 30}),
    "gaps": (masked(b"-" * 29 + b"."), masked(b"N" * 30), {"gap_letters": 30}),
    "empty contigs": (b">a\n" + PLAIN + b">b\n", PLAIN, {"empty_records": 2}),
    "all at once": (
        b"\xef\xbb\xbf; mine\r\n" + PLAIN.replace(b"\n", b" \r\n")[:-3] + b"*",
        PLAIN,
        {"byte_order_marks": 1, "comment_lines": 1, "blank_ends": 2, "end_stars": 1,
         "crlf_line_ends": 4},
    ),
    "xz": (lzma.compress(PLAIN), PLAIN, {}),
}  # fmt: skip


def scan(folder, content):
    """Scan some bytes; returns hits and summary."""
    path, out = folder / "genome.fa", folder / "hits.bed"
    path.write_bytes(content)
    assert main([str(path), "--out", str(out), "--min-prob", "0", "-q"]) == 0
    return out.read_text(), json.loads((folder / "hits.bed.summary.json").read_text())


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Scan a plain file, once."""
    return functools.cache(lambda plain: scan(tmp_path_factory.mktemp("plain"), plain))


@pytest.mark.parametrize("content, plain, counts", CASES.values(), ids=CASES.keys())
def test_odd_file_gives_what_the_plain_file_gives(
    tmp_path, capsys, expected, content, plain, counts
):
    plain_hits, plain_summary = expected(plain)
    capsys.readouterr()
    hits, summary = scan(tmp_path, content)
    warnings = capsys.readouterr().err.splitlines()
    assert hits == plain_hits
    assert hits.count("\nc1\t") > 0
    assert summary["genome_sha256"] == plain_summary["genome_sha256"]
    assert summary["contigs"] == 1
    assert {kind: n for kind, n in summary["input_accepted"].items() if n} == counts
    unknown = counts.keys() & {"x_letters", "gap_letters"}
    assert [line.partition("genome.fa: ")[2] for line in warnings] == [
        f"30 letters are taken as unknown, like N: {counts.get('x_letters', 0)} X, "
        f"{counts.get('gap_letters', 0)} gaps (- or .)"
        for _ in unknown
    ]


@pytest.mark.parametrize(
    "name",
    ["bom.fa", "old_mac_cr.fa", "trailing_blanks.fa", "x_masked.fa", "gaps.fa", "plain.fa.xz"],
)
def test_reported_cases(tmp_path, expected, name):
    content = (data_dir("cases") / name).read_bytes()
    plain = lzma.decompress(content) if name.endswith(".xz") else content
    for odd, usual in ((b"\xef\xbb\xbf", b""), (b"\r", b"\n"), (b" \n", b"\n")):
        plain = plain.replace(odd, usual)
    header, _, letters = plain.partition(b"\n")
    plain = header + b"\n" + letters.replace(b"X", b"N").replace(b"-", b"N")
    assert scan(tmp_path, content)[0] == expected(plain)[0]


def test_reported_hairpins(tmp_path):
    source, out = data_dir("cases") / "mirbase_ambiguous.fa", tmp_path / "scores.tsv"
    assert main(["--hairpins", str(source), "--out", str(out), "-q"]) == 0
    _, first, second = (line.split("\t") for line in out.read_text().splitlines())
    assert first == ["zma-MIR160a", *"....", "letter Y at 3 cannot be folded"]
    assert float(second[1]) > 0
