"""Columns: the docs, and the values of hits made by hand."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import RNA
from data_sets import ROOT
from hit_rows import SEQUENCE, STRUCTURE, hits_in

from premir.scanner.report import documenting, material
from premir.scanner.report.columns import NO_INT, Column
from premir.scanner.report.evidence import TRACKS, alone
from premir.scanner.report.evidence.track import add_tracks
from premir.scanner.report.hits import COLOURS, columns_with
from premir.scanner.score.false_calls import FalseCalls

COLUMNS = {column.name: column for column in columns_with(TRACKS, decoys=False)}


def test_the_docs_hold_the_columns_as_declared(tmp_path):
    page = ROOT / "docs" / "formats.md"
    copy = tmp_path / page.name
    copy.write_text(re.sub(r"(?m)^\| 1 \| chrom.*\n", "", page.read_text()))
    assert documenting.main([str(copy)]) == 0
    assert copy.read_text() == page.read_text()


def test_a_column_is_declared_once_and_in_full():
    assert len(COLUMNS) == len(columns_with(TRACKS, decoys=False))
    for column in COLUMNS.values():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
        assert column.text
        assert column.text[-1] != "."


def test_values_of_hits_made_by_hand(tmp_path, monkeypatch):
    monkeypatch.setattr(material, "_CHUNK", 2)  # in two pieces
    unpaired = "." * len(SEQUENCE)
    records = [(0, 0, 16, 1), (0, 4, 20, -1), (1, 8, 24, 1)]
    table, source = hits_in(tmp_path, ["a", "b"], records, [STRUCTURE, STRUCTURE, unpaired])
    copies, prob = np.array([0, 7, NO_INT]), np.array([0.5, 0.0005, 0.0015])
    table = replace(table, log_odds=np.log(prob / (1 - prob)), columns={"copies": copies})
    chunks = list(source.chunks(table))
    assert [len(chunk.hits) for chunk in chunks] == [2, 1]

    def texts(name):
        return [text for chunk in chunks for text in COLUMNS[name].texts(chunk)]

    assert texts("chrom") == ["a", "a", "b"]
    assert texts("name") == ["a:1-16(+)", "a:5-20(-)", "b:9-24(+)"]
    assert texts("strand") == ["+", "-", "+"]
    assert texts("score") == ["500", "0", "2"]
    assert texts("prob") == ["0.500000", "0.000500", "0.001500"]
    assert texts("log_odds") == ["0.000000", "-7.600402", "-6.500789"]
    assert texts("fp_per_mb") == 3 * ["."]
    assert texts("thick_start") == texts("start") == ["0", "4", "8"]
    assert texts("thick_end") == texts("end") == ["16", "20", "24"]
    assert texts("item_rgb") == [COLOURS[2], COLOURS[0], COLOURS[0]]
    assert texts("block_count") == ["2", "2", "1"]
    assert texts("block_sizes") == ["6,6", "6,6", "16"]
    assert texts("block_starts") == ["0,10", "0,10", "0"]
    assert texts("mfe") == 3 * ["-20.00"]
    assert texts("length") == 3 * ["16"]
    assert texts("loop_start") == ["6", "10", "."]
    assert texts("loop_end") == ["10", "14", "."]
    assert texts("copies") == ["0", "7", "."]
    assert texts("sequence") == 3 * [SEQUENCE]
    assert texts("structure") == [STRUCTURE, STRUCTURE, unpaired]


def test_blocks_are_what_lies_on_either_side_of_the_loop(tmp_path):
    """Also where the fold branches, and where its loop reaches out of the hit or lies outside."""
    structures = ["(((....)))......", "((....))((....))", *4 * ["(((((......)))))"]]
    places = [(0, 100 * n, 100 * n + 16, (1, -1)[n % 2]) for n in range(6)]
    table, source = hits_in(tmp_path, ["a"], places, structures)
    start, end = table.loci.start.copy(), table.loci.end.copy()
    # The others are parts of what was folded: the loop ends where they end or begins where they
    # begin (on either strand), and in the last one letter is left of each arm.
    for n, (before, after) in {2: (0, 5), 3: (0, 5), 4: (5, 0), 5: (4, 4)}.items():
        start[n] += before
        end[n] -= after
    table = replace(table, loci=replace(table.loci, start=start, end=end))
    (chunk,) = source.chunks(table)
    blocks = [COLUMNS[f"block_{name}"].texts(chunk) for name in ("count", "sizes", "starts")]
    assert list(zip(*blocks, strict=True)) == [
        ("2", "3,9", "0,7"),
        ("2", "10,2", "0,14"),  # on the minus strand
        ("1", "11", "0"),
        ("1", "11", "0"),
        ("1", "11", "0"),
        ("2", "1,1", "0,7"),
    ]


def test_colours_are_those_of_cividis_and_darken_by_quarters_of_the_score(tmp_path):
    matplotlib = pytest.importorskip("matplotlib", reason="comes with the extra [results]")
    ramp = matplotlib.colormaps["cividis"]
    for colour, place in zip(COLOURS, (0.75, 0.5, 0.25, 0.0), strict=True):
        assert colour == ",".join(f"{255 * part:.0f}" for part in ramp(place)[:3])
    table, source = hits_in(tmp_path, ["a"], [(0, 20 * n, 20 * n + 16, 1) for n in range(8)])
    prob = np.array([0, 0.2494, 0.2496, 0.4994, 0.4996, 0.7494, 0.7496, 0.999999])
    with np.errstate(divide="ignore"):
        table = replace(table, log_odds=np.log(prob) - np.log1p(-prob))
    (chunk,) = source.chunks(table)
    assert COLUMNS["item_rgb"].texts(chunk) == [COLOURS[n // 2] for n in (0, 0, 2, 2, 4, 4, 6, 6)]
    rest = ["0", "249", "250", "499", "500", "749", "750", "1000"]
    assert COLUMNS["score"].texts(chunk) == rest


def test_a_score_follows_from_false_calls_where_the_model_knows_them(tmp_path):
    table, source = hits_in(tmp_path, ["a"], [(0, 20 * n, 20 * n + 16, 1) for n in range(6)])
    table = replace(table, log_odds=np.array([-9.0, 0.0, 1.0, 1.5, 2.0, 9.0]))
    rates = np.array([400.0, 100.0, 1.0, 0.0])
    curve = FalseCalls(np.array([-1.0, 0.0, 1.0, 2.0]), rates, rates, rates, 0.001)
    (chunk,) = replace(source, false_calls=curve).chunks(table)
    assert COLUMNS["fp_per_mb"].texts(chunk) == ["400", "100", "1", "0.0316", "0.001", "0.001"]
    assert COLUMNS["score"].texts(chunk) == ["0", "0", "500", "875", "1000", "1000"]


def test_context_is_lower_case_and_the_hairpin_also_folded_without_it(tmp_path):
    table, source = hits_in(tmp_path, ["a"], [(0, 0, 16, 1), (0, 20, 36, 1), (0, 40, 56, -1)])
    loci = table.loci
    start, end = loci.start + np.array([0, 1, 2]), loci.end - np.array([0, 3, 3])
    table = replace(table, loci=replace(loci, start=start, end=end))
    (chunk,) = source.chunks(table)
    inner = ["GGGGGCAAAAGCCCCC", "GGGGCAAAAGCC", "GGCAAAAGCCC"]
    assert COLUMNS["sequence"].texts(chunk) == [inner[0], f"g{inner[1]}ccc", f"ggg{inner[2]}cc"]
    table = add_tracks([alone.TRACK], table, source, {})
    (chunk,) = source.chunks(table)
    energies = [f"{RNA.fold(each)[1]:.2f}" for each in inner]
    assert COLUMNS["mfe_hairpin"].texts(chunk) == energies
    assert len(set(energies)) > 1
    assert alone.hairpin_energies(table.take(table.row < 0), source).size == 0


@pytest.mark.parametrize(
    "column, text, value",
    [
        (Column("a", int, "x"), "-3", -3),
        (Column("a", float, "x", form=".2f"), "0.25", 0.25),
        (Column("a", str, "x"), ".", "."),
        (Column("a", str, "x", optional=True), ".", None),
        (Column("a", int, "x", optional=True), ".", None),
    ],
)
def test_text_becomes_the_value_it_was(column, text, value):
    found = column.parse(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("column", [Column("a", int, "x"), Column("a", float, "x")])
def test_a_value_that_is_always_there_is_no_dot(column):
    with pytest.raises(ValueError, match=r"invalid literal|could not convert"):
        column.parse(".")
