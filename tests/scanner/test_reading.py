"""Hits read back from the files that scans write."""

from __future__ import annotations

import dataclasses
import gzip
import subprocess
import sys
from pathlib import Path

import pysam
import pytest
from golden import GOLDEN, NAMES
from hit_rows import DEFAULT_COLUMNS

from premir.scanner.cli import main
from premir.scanner.errors import InputError
from premir.scanner.report.reading import read_hits

HEADER = "#" + "\t".join(column.name for column in DEFAULT_COLUMNS)
_VALUES = {
    "chrom": "c", "start": "1", "end": "9", "name": "c:2-9(+)", "score": "500", "strand": "+",
    "thick_start": "1", "thick_end": "9", "item_rgb": "67,78,108", "block_count": "1",
    "block_sizes": "8", "block_starts": "0", "prob": "0.5", "log_odds": "0.0", "mfe": "-3.10",
    "length": "8", "masked_fraction": "0.000", "missing_context": "0", "unknown_fraction": "0.000",
    "mfe_hairpin": "-3.10", "kin": "0", "kin_llr": "0.000", "sequence": "ACGU", "structure": "....",
}  # fmt: skip
LINE = "\t".join(_VALUES.get(column.name, ".") for column in DEFAULT_COLUMNS)
FORMAT_1 = (
    "## premir 0.1.0, ViennaRNA 2.8.0, do2018-v1\n"
    "#chrom\tstart\tend\tname\tscore\tstrand\tprob\tlog_odds\tfp_per_mb\tq_value\tmfe\tmirror_prob\t"
    "sequence\n"
    "c\t1\t9\tc:2-9(+)\t500\t+\t0.5\t0.0\t1.2\t.\t-3.10\t.\tACGU\n"
)


def printed(hit):
    """A hit as its line."""
    columns = DEFAULT_COLUMNS
    values = [getattr(hit, column.name) for column in columns]
    texts = [
        "." if value is None else format(value, column.form)
        for column, value in zip(columns, values, strict=True)
    ]
    return "\t".join(texts)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("compressed", [False, True])
def test_golden_files_come_back_as_they_are(name, compressed, tmp_path):
    path = GOLDEN / name
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    if compressed:
        path = tmp_path / f"{name}.gz"
        pysam.tabix_compress(str(GOLDEN / name), str(path))
    hits = list(read_hits(path))
    assert len(hits) == len(lines) > 0
    assert [printed(hit) for hit in hits] == lines
    for hit in hits:
        for column in DEFAULT_COLUMNS:
            value = getattr(hit, column.name)
            assert type(value) is column.type or (column.optional and value is None)


def test_a_hit_is_a_frozen_record_with_types(tmp_path):
    (tmp_path / "hits.bed").write_text(f"## x\n{HEADER}\n{LINE}\n")
    (hit,) = read_hits(tmp_path / "hits.bed")
    assert (hit.start, hit.prob, hit.loop_start, hit.sequence) == (1, 0.5, None, "ACGU")
    types = {field.name: field.type for field in dataclasses.fields(hit)}
    assert (types["end"], types["mfe"], types["copies"]) == (int, float, int | None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        hit.prob = 1.0


@pytest.mark.parametrize("kind", [str, Path])
def test_files_of_the_format_before_are_read(tmp_path, kind):
    path = tmp_path / "hits.bed"
    path.write_text(FORMAT_1)
    (hit,) = read_hits(kind(path))
    assert (hit.prob, hit.fp_per_mb, hit.mfe, hit.sequence) == (0.5, 1.2, -3.1, "ACGU")
    assert hit.q_value is None
    types = {field.name: field.type for field in dataclasses.fields(hit)}
    assert types["q_value"] == types["mirror_prob"] == float | None
    path.write_text(f"## format premir-hits 2\n{HEADER}\n{LINE}\n")
    (hit,) = read_hits(kind(path))
    assert (hit.prob, hit.thick_end, hit.block_count, hit.block_sizes) == (0.5, 9, 1, "8")


def test_columns_are_those_of_the_file(tmp_path):
    (tmp_path / "hits.bed").write_text("#chrom\tstart\tsurprise\nc\t7\tx\nc\t8\t.\n")
    hits = [dataclasses.asdict(hit) for hit in read_hits(tmp_path / "hits.bed")]
    assert hits == [
        {"chrom": "c", "start": 7, "surprise": "x"},
        {"chrom": "c", "start": 8, "surprise": None},
    ]


def test_hits_are_read_one_by_one(tmp_path):
    (tmp_path / "hits.bed").write_text(f"{HEADER}\n{LINE}\nc\tx\n")
    hits = read_hits(tmp_path / "hits.bed")
    assert next(hits).chrom == "c"
    with pytest.raises(
        InputError, match=f"line 3: 2 columns in place of {HEADER.count(chr(9)) + 1}"
    ):
        next(hits)


@pytest.mark.parametrize(
    "text, fault",
    [
        ("", "file is empty; expected hits"),
        (f"{LINE}\n{HEADER}\n{LINE}\n", "no line names columns"),
        ("# a table\nc\t1\t2\n", "no line names columns"),
        (f"{HEADER}\n{LINE}", "the last line has no end: truncated"),
        (f"{HEADER}\n{LINE.replace('0.5', 'half')}\n", "line 2: prob: 'half' is no float"),
        (f"{HEADER}\n{LINE.replace('500', '.')}\n", "line 2: score: '.' is no int"),
        (f"{HEADER}\n{HEADER}\n", "line 2: start: 'start' is no int"),
        (
            f"## format premir-hits 3\n{HEADER}\n",
            "line 1: format is premir-hits 3; this premir reads",
        ),
        (f"## format other 2\n{HEADER}\n", "line 1: format is other 2; this premir reads"),
        (f"## x\n## format premir-hits 2 b\n{HEADER}\n", "line 2: format is premir-hits 2 b;"),
        ("#chrom\tchrom\n", "line 1: a column stands twice"),
        ("#chrom\tclass\n", "line 1: 'class' is no name of a column"),
        ("#chrom\t__init__\n", "line 1: '__init__' is no name of a column"),
    ],
)
def test_what_is_no_file_of_hits_is_refused_by_line(tmp_path, text, fault):
    path = tmp_path / "hits.bed"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        list(read_hits(path))
    assert str(error.value).startswith(str(path))
    assert fault in str(error.value)


def test_damaged_bytes_are_refused(tmp_path):
    path = tmp_path / "hits.bed.gz"
    path.write_bytes(gzip.compress(f"{HEADER}\n{LINE}\n".encode())[:-9])
    with pytest.raises(InputError, match="truncated or damaged"):
        list(read_hits(path))
    path.write_bytes(f"{HEADER}\n".encode() + b"\xff\n")
    with pytest.raises(InputError, match="line 2: not UTF-8"):
        list(read_hits(path))


def test_reading_loads_no_torch_and_no_ray():
    code = "import sys, premir.scanner.report.reading; print({'torch', 'ray'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("name", ["hits.tsv", "hits.jsonl", "hits.gff3", "hits.gff3.gz"])
def test_other_formats_give_the_same_hits(name, default_genome, tmp_path):
    bed, other = tmp_path / "hits.bed", tmp_path / name
    arguments = [str(default_genome[0]), "--out", str(bed), "--out", str(other), "--quiet"]
    assert main(arguments) == 0
    expected = list(read_hits(bed))
    found = list(read_hits(other))
    assert len(found) == len(expected) > 0
    for one, two in zip(expected, found, strict=True):
        columns = dataclasses.asdict(two)
        assert {"chrom", "start", "strand", "prob", "copies", "sequence"} < set(columns)
        bed_has = dataclasses.asdict(one)
        assert bed_has.keys() <= columns.keys() or other.suffix not in (".tsv", ".jsonl")
        for column, value in columns.items():
            if column not in bed_has:  # a detail
                continue
            assert value == getattr(one, column)
            assert type(value) is type(getattr(one, column))
    assert ("thick_start" in columns) == (other.suffix in (".tsv", ".jsonl"))


@pytest.mark.parametrize(
    "text, message",
    [
        (
            '{"chrom": "c", "start": 1}\n{"chrom": "c"}\n',
            "line 2: has other members than the first",
        ),
        ('{"chrom": "c", "start": "x"}\n', "line 1: start: 'x' is no int"),
        ('{"chrom": "c"}\n[1]\n', "line 2: is no object"),
        ('{"chrom": "c"\n', "line 1: is no JSON"),
        ("chrom\tstart\nc\n", "line 2: 1 columns in place of 2"),
        ("##gff-version 3\n# x\nc\ty\n", "no line names columns: not a file of hits"),
        ("##gff-version 3\n", "no line names columns: not a file of hits"),
    ],
)
def test_damaged_files_of_other_formats(text, message, tmp_path):
    (tmp_path / "hits").write_text(text)
    with pytest.raises(InputError, match=message):
        list(read_hits(tmp_path / "hits"))


def test_a_file_of_json_lines_without_hits(tmp_path):
    (tmp_path / "hits.jsonl").touch()
    assert list(read_hits(tmp_path / "hits.jsonl")) == []
