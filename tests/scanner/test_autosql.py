"""autoSql of files of hits, by the rules that bedToBigBed goes by."""

from __future__ import annotations

import math
import re

import pytest
from golden import GOLDEN, NAMES

from premir.scanner.cli import main
from premir.scanner.report.columns import NOTHING
from premir.scanner.report.reading import read_rows

STANDARD = """string chrom|uint chromStart|uint chromEnd|string name|uint score|char[1] strand
uint thickStart|uint thickEnd|uint reserved|int blockCount|int[blockCount] blockSizes
int[blockCount] chromStarts""".replace("\n", "|").split("|")
"""What bedToBigBed compares the first twelve with, type and name (kent's basicBed.c)."""


def fields_of(text):
    """Type and name of each field of an autoSql table; nothing else may stand in it."""
    head, body = text.split("    (\n")
    assert re.fullmatch(r'table [A-Za-z]\w*\n"[^"\n]+"\n', head)
    *lines, end = body.splitlines()
    assert end == "    )"
    found = [
        re.fullmatch(r'    ([a-z]+(?:\[\w+\])?) ([a-z]\w*);\t"[^"\n]+"', line) for line in lines
    ]
    assert all(found)
    return [match.groups() for match in found if match]


def taken(kind, text):
    """Whether bedToBigBed takes a field of a line for one of this type."""
    if kind == "int":
        return re.fullmatch(r"-?\d+", text) and -(2**31) <= int(text) < 2**31
    if kind == "double":
        return re.fullmatch(r"[-+.0-9e]+", text) and text != NOTHING and math.isfinite(float(text))
    return kind == "lstring" or len(text) <= 255


def printed(path, capsys):
    assert main(["--autosql", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_of_the_type_that_is_said(name, capsys):
    text = printed(GOLDEN / name, capsys)
    fields = fields_of(text)
    assert [" ".join(field) for field in fields[:12]] == STANDARD
    columns, _ = read_rows(GOLDEN / name)
    assert f"bed12+{len(columns) - 12}" in text
    assert [name for _, name in fields[12:]] == [column.name for column in columns[12:]]
    lines = [x for x in (GOLDEN / name).read_text().splitlines() if not x.startswith("#")]
    for line in lines:
        for (kind, _), value in zip(fields[12:], line.split("\t")[12:], strict=True):
            assert taken(kind, value), (kind, value)
    kinds = {name: kind for kind, name in fields}
    assert (kinds["prob"], kinds["copies"], kinds["sequence"]) == ("double", "int", "lstring")


def test_a_column_with_a_gap_is_text(tmp_path, capsys):
    lines = (GOLDEN / "demo.bed").read_text().splitlines()
    head = next(line for line in lines if line.startswith("#chrom"))
    place = head.split("\t").index("loop_start")
    last = lines[-1].split("\t")
    last[place] = NOTHING
    (tmp_path / "hits.bed").write_text("\n".join([*lines[:-1], "\t".join(last)]) + "\n")
    kinds = {name: kind for kind, name in fields_of(printed(tmp_path / "hits.bed", capsys))}
    assert (kinds["loop_start"], kinds["loop_end"]) == ("lstring", "int")


def test_columns_of_another_premir_are_text(tmp_path, capsys):
    lines = (GOLDEN / "demo.bed").read_text().splitlines()
    added = [x if x.startswith("##") else x + ("\tnew" if x[0] == "#" else "\t7") for x in lines]
    (tmp_path / "hits.bed").write_text("\n".join(added) + "\n")
    assert fields_of(printed(tmp_path / "hits.bed", capsys))[-1] == ("lstring", "new")


@pytest.mark.parametrize(
    "text, fault",
    [
        ("#chrom\tstart\tend\nc\t1\t2\n", "columns 1 to 12 are not those of BED12"),
        ("c\t1\t2\n", "no line names columns"),
    ],
)
def test_other_files_are_refused_in_a_line(tmp_path, capsys, text, fault):
    (tmp_path / "hits.bed").write_text(text)
    assert main(["--autosql", str(tmp_path / "hits.bed")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert fault in captured.err
