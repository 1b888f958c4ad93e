"""--circular: where the file cuts a circular contig changes nothing but coordinates."""

from __future__ import annotations

import csv
import itertools
import json
import re
import subprocess
from dataclasses import replace
from io import BytesIO

import builders
import naive
import numpy as np
import pytest
from hit_rows import hits_in, loci_of, rows
from hypothesis import given
from hypothesis import strategies as st
from read_sets import Read, write_library

from premir.scanner.api import read_hits
from premir.scanner.api import scan as scan_api
from premir.scanner.cli import main
from premir.scanner.errors import InputError
from premir.scanner.find.candidates import PRESETS
from premir.scanner.genome.circular import REACH, Circles, checked_names
from premir.scanner.genome.decoys import plan_decoys
from premir.scanner.genome.letters import Contigs, read_genome, read_letters
from premir.scanner.genome.regions import parse_regions
from premir.scanner.genome.tiles import place, plan_tiles
from premir.scanner.report.autosql import autosql
from premir.scanner.report.columns import NO_INT
from premir.scanner.report.evidence import copies
from premir.scanner.report.evidence.arms import track as arms
from premir.scanner.report.evidence.features.files import FeatureFile
from premir.scanner.report.evidence.mirror import partners
from premir.scanner.report.evidence.reads.counting import count_reads
from premir.scanner.report.evidence.reads.sighting import sightings
from premir.scanner.report.evidence.reads.stacks import STACK, UNIT, Stacks
from premir.scanner.report.formats import write_hits
from premir.scanner.report.hits import Hits, columns_with
from premir.scanner.report.merging import merge
from premir.scanner.report.origin import table_from_the_cut
from premir.scanner.report.page.top import top_hits
from premir.scanner.report.table import HitTable
from premir.scanner.score import crossfit

LENGTH = 3000
PLACES = [(300, 0, "+"), (900, 1, "-"), (1500, 8, "+"), (2400, 3, "-")]
"""Start, which of ``PRE_MIRNAS`` and ``RIVALS``, and strand."""
_CUT = (0, 305, 335, 367, 415, 955, 1545, 2440, 2470)
"""Far away; in context, arm, loop and context again of the first hit; in hits on both strands, in
rivals that contest each other, in the loop and an arm of one on the minus strand."""
_SEAM = (350, 965, 1580)
"""Where a turn of the line begins and ends: in a hit, in hits on both strands, between rivals."""
CUTS = (*_CUT, *((seam - REACH) % LENGTH for seam in _SEAM))
CIRCULAR = ",".join(f"c{cut}" for cut in CUTS)
OPTIONS = ("--circular", CIRCULAR, "--min-prob", "0.9")
OUTPUTS = ("hits.bed", "hits.tsv", "hits.gff3", "hits.mature.fa", "candidates.bed")


def circle() -> str:
    letters = list(builders.random_sequence(np.random.default_rng(7), LENGTH, 0.4))
    for start, number, strand in PLACES:
        insert = (builders.PRE_MIRNAS + builders.RIVALS)[number]
        text = insert if strand == "+" else builders.reverse_complement(insert)
        letters[start : start + len(text)] = text
    return "".join(letters)


CIRCLE = circle()
LINEAR = CIRCLE[:200] + builders.PRE_MIRNAS[4] + CIRCLE[:200]


def cut_at(cut: int, sequence: str = CIRCLE) -> str:
    return sequence[cut:] + sequence[:cut]


def scan(genome, folder, *options, outputs=OUTPUTS[:4]):
    out = [
        part for name in outputs if name != "candidates.bed" for part in ("--out", folder / name)
    ]
    assert main([str(each) for each in (genome, "-q", *out, *options)]) == 0
    return {name: (folder / name).read_text() for name in outputs}


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    """The circle, cut at several places, and a linear contig."""
    path = tmp_path_factory.mktemp("circles") / "genome.fa"
    turned = {f"c{cut}": cut_at(cut) for cut in CUTS}
    return builders.write_fasta(path, {**turned, "linear": LINEAR})


@pytest.fixture(scope="module")
def found(genome, tmp_path_factory):
    """What a scan of it writes."""
    folder = tmp_path_factory.mktemp("found")
    return scan(genome, folder, *OPTIONS)


def by_contig(text: str) -> dict[str, list[dict[str, str]]]:
    """Lines of a TSV file, with places on each turned circle as on the one that is cut at 0."""
    contigs: dict[str, list[dict[str, str]]] = {}
    for hit in csv.DictReader(text.splitlines(), delimiter="\t"):
        name = hit["chrom"]
        length, cut = (LENGTH, int(name[1:])) if name != "linear" else (10**9, 0)
        start, end = int(hit["start"]), int(hit["end"])
        assert 0 <= start < length
        assert hit["wraps"] == (f"{start}-{end}" if end > length else ".")
        for column, value in hit.items():
            if re.fullmatch(r"(\w+_)?(start|end)", column) and value != ".":
                assert int(value) >= 0
                hit[column] = str((int(value) + cut) % length)
            elif found := re.fullmatch(r"\w+:(\d+)-(\d+)(\(.\))", value):
                first, last = (str((int(found[n]) + cut) % length) for n in (1, 2))
                hit[column] = f"{first}-{last}{found[3]}"
        contigs.setdefault(name, []).append({**hit, "chrom": "", "wraps": ""})
    for hits in contigs.values():
        hits.sort(key=lambda hit: (int(hit["start"]), hit["strand"]))
    return contigs


def test_where_the_file_cuts_the_circle_changes_nothing_but_coordinates(found):
    contigs = by_contig(found["hits.tsv"])
    whole = contigs["c0"]
    assert len(whole) >= 5
    assert {hit["strand"] for hit in whole} == {"+", "-"}
    assert any(hit["mirror"] != "." for hit in whole)
    assert {hit["missing_context"] for hit in whole} == {"0"}
    for cut in CUTS:
        assert contigs[f"c{cut}"] == whole, cut
    assert f"\n## circular {','.join(sorted(CIRCULAR.split(',')))}\n" in found["hits.bed"]
    across = [hit for hit in rows(found["hits.bed"]) if hit["wraps"] != "."]
    assert len({hit["chrom"] for hit in across}) >= 6
    # Each has the others for copies and kin, and is none of its own.
    assert {hit["copies"] for hit in whole} == {str(len(CUTS) - 1)}
    assert min(int(hit["kin"]) for hit in whole) == len(CUTS) - 1


def test_far_from_the_cut_hits_are_those_of_a_linear_contig(found, tmp_path):
    path = builders.write_fasta(tmp_path / "genome.fa", {"c0": CIRCLE, "linear": LINEAR})
    for name in ("linear", "circular"):
        (tmp_path / name).mkdir()
    linear = scan(path, tmp_path / "linear", outputs=["hits.bed", "hits.tsv"])
    circular = scan(path, tmp_path / "circular", "--circular", "c0", outputs=["hits.bed"])
    assert "wraps" not in linear["hits.tsv"]
    plain, joined = rows(linear["hits.bed"]), rows(circular["hits.bed"])
    assert [{**hit, "wraps": "."} for hit in plain] == joined
    # Nothing is of its own kin, though the store holds letters twice.
    assert {hit["kin"] for hit in joined if int(hit["start"]) < 1000} == {"0"}
    (own,) = [hit for hit in by_contig(found["hits.tsv"])["linear"] if hit["strand"] == "+"]
    assert own["sequence"] == joined[-1]["sequence"]
    summary = json.loads((tmp_path / "circular" / "hits.bed.summary.json").read_text())
    assert summary["circular"] == ["c0"]
    assert summary["megabases"] == summary["megabases_scanned"]
    assert summary["megabases"] == (LENGTH + len(LINEAR)) / 1e6


def test_tiles_and_threads_make_no_difference(genome, found, tmp_path):
    options = ("--tile-size", "1900", "--threads", "1")
    assert scan(genome, tmp_path, *OPTIONS, *options) == found


def test_neither_do_parts_nor_a_crash(genome, found, crash_server, tmp_path):
    outs = [part for name in found for part in ("--out", str(tmp_path / name))]
    command = [str(genome), "-q", *outs, "--tile-size", "5000", *OPTIONS]
    for part in (("--part", "2/2"), ("--part", "1/2"), ("--finalise",)):
        assert main([*command, *part]) == 0
    assert {name: (tmp_path / name).read_text() for name in found} == found
    for name in found:
        (tmp_path / name).unlink()
    assert crash_server.scan(*command, kill_before=45).code == -9
    other = ["all" if each == CIRCULAR else each for each in command]
    assert main(other) == 4  # another run
    assert main(command) == 0
    assert {name: (tmp_path / name).read_text() for name in found} == found
    summary = json.loads((tmp_path / "hits.bed.summary.json").read_text())
    assert summary["tiles_reused"] > 0


def test_regions_have_the_hits_whose_mid_points_lie_inside(genome, found, tmp_path):
    asked = {"c335": [(0, 60), (2900, 3000)], "c955": [(1, 1000)], "linear": [(0, 400)]}
    regions = [
        part
        for name, intervals in asked.items()
        for start, end in intervals
        for part in ("--regions", f"{name}:{start + 1}-{end}")
    ]
    inside = scan(genome, tmp_path, *OPTIONS, *regions)["hits.tsv"].splitlines()
    header, *lines = found["hits.tsv"].splitlines()
    expected = [header]
    for line in lines:
        name, start, end, *_ = line.split("\t")
        length = LENGTH if name in asked and name != "linear" else 10**9
        middle = (int(start) + int(end)) // 2 % length
        if any(low <= middle < high for low, high in asked.get(name, [])):
            expected.append(line)
    assert inside == expected
    assert any(line.startswith("c335\t29") for line in inside)


def test_bed_has_the_longer_piece_as_its_readers_want_it(found, tmp_path):
    hits = {
        hit["name"]: hit for hit in csv.DictReader(found["hits.tsv"].splitlines(), delimiter="\t")
    }
    lines = rows(found["hits.bed"])
    assert len(lines) == len(hits)
    for line in lines:
        start, end, length = (int(line[name]) for name in ("start", "end", "length"))
        whole = hits[line["name"]]
        assert 0 <= start < end <= (len(LINEAR) if line["chrom"] == "linear" else LENGTH)
        assert (line["thick_start"], line["thick_end"]) == (line["start"], line["end"])
        sizes, starts = (
            [int(each) for each in line[f"block_{name}"].split(",")] for name in ("sizes", "starts")
        )
        assert len(sizes) == len(starts) == int(line["block_count"])
        assert starts[0] == 0
        assert start + starts[-1] + sizes[-1] == end
        if line["wraps"] == ".":
            assert (line["start"], line["end"]) == (whole["start"], whole["end"])
        else:
            first, last = (int(each) for each in line["wraps"].split("-"))
            assert [str(first), str(last)] == [whole["start"], whole["end"]]
            assert length == last - first
            assert end - start == max(LENGTH - first, last - LENGTH)
            assert line["wraps"] == whole["wraps"]
    wrapping = [line for line in lines if line["wraps"] != "."]
    assert {line["start"] == "0" for line in wrapping} == {True, False}
    assert {line["block_count"] for line in wrapping} == {"1", "2"}
    for one, two in itertools.pairwise(lines):
        assert one["chrom"] != two["chrom"] or int(one["start"]) <= int(two["start"])
    (tmp_path / "hits.bed").write_text(found["hits.bed"])
    assert 'lstring wraps;\t"START-END' in autosql(tmp_path / "hits.bed")


def test_from_python_and_sorted_as_other_programs_sort(genome, tmp_path):
    outputs = ["hits.bed", "hits.bed.gz", "hits.gff3.gz"]  # tabix takes nothing that is not sorted
    out = [tmp_path / name for name in outputs]
    for names, fault in ((["chrM"], "no contig 'chrM'"), (["c0", "c0"], "twice")):
        with pytest.raises(InputError, match=fault):
            scan_api(genome, out, circular=names)
    scan_api(genome, out, circular=CIRCULAR.split(","), min_prob=0.9, sort="coordinate")
    lines = [x for x in (tmp_path / "hits.bed").read_text().splitlines(True) if x[0] != "#"]
    command = ["sort", "-k1,1", "-k2,2n"]
    done = subprocess.run(
        command,
        input="".join(lines),
        text=True,
        capture_output=True,
        env={"LC_ALL": "C"},
        check=True,
    )
    assert done.stdout == "".join(lines)
    for name in outputs[1:]:
        assert (tmp_path / f"{name}.tbi").exists()


def test_gff3_counts_on_beyond_the_length(found, tmp_path):
    text = found["hits.gff3"]
    lines = [line.split("\t") for line in text.splitlines() if line[0] != "#"]
    landmarks = [line for line in lines if line[2] == "region"]
    assert [line[0] for line in landmarks] == [f"c{cut}" for cut in CUTS]
    for line in landmarks:
        assert line[3:7] == ["1", str(LENGTH), ".", "+"]
        assert line[8] == f"ID={line[0]};Name={line[0]};Is_circular=true"
        assert f"##sequence-region {line[0]} 1 {LENGTH}\n" in text
    assert text.startswith("##gff-version 3\n##sequence-region c0 1 3000\n")
    for one, two in itertools.pairwise(lines):
        assert one[0] != two[0] or int(one[3]) <= int(two[3])
    circular = [line for line in lines if line[0] != "linear"]
    assert all(1 <= int(line[3]) <= LENGTH for line in circular)
    beyond = [line[2] for line in circular if int(line[4]) > LENGTH]
    assert {"pre_miRNA", "miRNA"} == set(beyond)
    # Arms on either side of the cut are both there, wherever it lies.
    per_contig = {name: sum(x[0] == name for x in circular) for name in {x[0] for x in circular}}
    assert len(set(per_contig.values())) == 1
    for name in ("hits.gff3", "hits.tsv", "hits.bed"):
        (tmp_path / name).write_text(found[name])
    names = ("chrom", "start", "end", "name", "wraps", "sequence", "loop_start")
    gff3, tsv, bed = (
        sorted(tuple(getattr(hit, name) for name in names) for hit in read_hits(tmp_path / file))
        for file in ("hits.gff3", "hits.tsv", "hits.bed")
    )
    assert gff3 == tsv
    assert [hit[3:] for hit in sorted(bed, key=lambda hit: hit[3])] == [
        hit[3:] for hit in sorted(tsv, key=lambda hit: hit[3])
    ]
    assert {hit[4] for hit in bed} == {hit[4] for hit in tsv}


def test_matures_have_their_letters_wherever_the_cut(found):
    hits = {
        hit["name"]: hit for hit in csv.DictReader(found["hits.tsv"].splitlines(), delimiter="\t")
    }
    records = found["hits.mature.fa"].splitlines()
    letters = {
        name: [
            text
            for header, text in zip(records[::2], records[1::2], strict=True)
            if header.startswith(f">{name}:")
        ]
        for name in {hit["chrom"] for hit in hits.values()}
    }
    whole = sorted(letters["c0"])
    assert len(whole) >= 8
    for cut in CUTS:
        assert sorted(letters[f"c{cut}"]) == whole
    for header, text in zip(records[::2], records[1::2], strict=True):
        assert text in hits[header[1:].rpartition("-")[0]]["sequence"].upper()


@pytest.fixture(scope="module")
def evidence(genome, found, tmp_path_factory):
    """What a scan makes of reads and features on each of the turned circles."""
    folder = tmp_path_factory.mktemp("evidence")
    reads, features = [], ["##gff-version 3"]
    whole = [hit for hit in rows(found["hits.bed"]) if hit["chrom"] == "c0"]
    for cut in CUTS:
        for hit in whole[:3] + whole[-1:]:
            start, end = int(hit["start"]), int(hit["end"])
            loop = int(hit["loop_start"]), int(hit["loop_end"])
            for read in (loop[0] - 23, loop[1] + 1, start - 30):
                begin = (read - cut) % LENGTH
                name = f"r_x{3 if read < start else 20}"
                reads.append(Read(f"c{cut}", begin, 22, hit["strand"], name))
            for first, last, label in (
                (start - 30, start + 25, "one"),
                (end - 10, end + 700, "two"),
                *[(start + 200, start + LENGTH + 50, "long")] * (hit is whole[0]),
            ):
                begin = (first - cut) % LENGTH
                place_ = f"{begin + 1}\t{begin + last - first}"
                features.append(f"c{cut}\tx\texon\t{place_}\t.\t+\t.\tName={label}")
    contigs = {**{f"c{cut}": LENGTH for cut in CUTS}, "linear": len(LINEAR)}
    library = write_library(folder / "reads.bam", contigs, reads)
    (folder / "features.gff3").write_text("\n".join(features) + "\n")
    options = (
        *("--reads", library, "--mark", folder / "features.gff3"),
        *("--candidates", folder / "candidates.bed", "--report", folder / "report.html"),
    )
    return scan(genome, folder, *OPTIONS, *options, outputs=OUTPUTS), folder


def test_reads_and_features_on_either_side_of_the_cut_count(evidence):
    written, folder = evidence
    contigs = by_contig(written["hits.tsv"])
    whole = contigs["c0"]
    assert {"supported"} < {hit["read_verdict"] for hit in whole}
    assert max(float(hit["reads"]) for hit in whole) == 40
    assert "3.00" in {hit["reads_flank"] for hit in whole}
    assert "exon:long,exon:one,exon:two" in {hit["features"] for hit in whole}
    for cut in CUTS:
        assert contigs[f"c{cut}"] == whole, cut
    page = (folder / "report.html").read_text()
    assert f"{len(CUTS) + 1} contigs, {(LENGTH * len(CUTS) + len(LINEAR)) / 1e6:.3f} Mb" in page
    assert f"; {len(CUTS)} circular" in page


def made_by_hand(folder, records, *, circular=True, **options):
    """Hits on a contig of 1,000 nt, counted from its cut."""
    table, material = hits_in(folder, ["a"], records)
    contigs = Contigs.of(["a"], [1000], bytes(32), circular)
    source = replace(material, genome=replace(material.genome, contigs=contigs))
    return Hits(columns_with((), decoys=False), table, source, [], **options)


def test_a_mature_in_the_context_before_the_cut_is_at_the_end_of_the_contig():
    contigs = Contigs.of(["a"], [2500], bytes(32), [True])
    loci = loci_of([(0, 2450, 2530, 1), (0, 2503, 2580, -1), (0, 4400, 4480, 1)])
    columns = {
        "mature_5p_start": np.array([2510, 2498, NO_INT]),
        "mature_5p_end": np.array([2532, 2520, NO_INT]),
        "copies": np.array([2510, 0, 0]),
    }
    nothing = np.zeros(3, np.int64)
    table = HitTable(loci, np.zeros(3), nothing, np.arange(3), columns)
    told = [*arms.TRACK.columns[:2], *copies.TRACK.columns]
    table = table_from_the_cut(table, contigs, told)
    assert table.loci.start.tolist() == [3, 1900, 2450]
    assert table.loci.folded_end.tolist() == [80, 1980, 2530]
    assert table.row.tolist() == [1, 2, 0]
    assert table.columns["mature_5p_start"].tolist() == [2498, NO_INT, 2510]
    assert table.columns["mature_5p_end"].tolist() == [2520, NO_INT, 2532]
    assert table.columns["copies"].tolist() == [0, 0, 2510]


def test_features_may_end_beyond_a_circle_and_networks_know_places_from_the_cut(tmp_path, caplog):
    contigs = Contigs.of(["a", "b"], [1000, 1000], bytes(64), [True, False])
    for name, end, warned in (("a", 1500, False), ("a", 2100, True), ("b", 1500, True)):
        caplog.clear()
        path = tmp_path / "f.bed"
        path.write_text(f"{name}\t900\t{end}\n")
        FeatureFile.checked(path).compare(contigs)
        told = [record.getMessage() for record in caplog.records]
        expected = f"{path}: line 1: ends at {end}, and {name} has 1000 nt; is it of this genome?"
        assert told == [expected] * warned
    places = crossfit.Places.of(loci_of([(0, 2990, 3012, 1), (1, 10, 20, 1)]), contigs.lengths)
    assert places.middle.tolist() == [1, 15]
    assert places.contig_length.tolist() == [1000, 1000]


def test_a_loop_in_the_context_before_the_cut_is_at_the_end_of_the_contig(tmp_path):
    hits = made_by_hand(tmp_path, [(0, 3, 7, 1), (0, 3, 7, -1), (0, 990, 1006, 1)])
    moved = np.array([-9, -9, 990])
    loci = replace(hits.table.loci, folded_start=moved, folded_end=moved + 16)
    hits = replace(hits, table=replace(hits.table, loci=loci))
    (chunk,) = hits.chunks()
    values = {column.name: column.texts(chunk) for column in hits.columns}
    assert values["loop_start"] == ["997", "997", "996"]
    assert values["loop_end"] == ["1001", "1001", "1000"]
    assert values["block_count"] == ["1", "1", "2"]


def test_pieces_that_begin_at_the_cut_are_sorted_by_their_names_in_the_end(tmp_path):
    places = [(0, 0, 50, 1), (0, 960, 1050, -1), (0, 970, 1200, 1), (0, 980, 1050, 1)]
    hits = made_by_hand(tmp_path, places, sort="coordinate")
    write_hits(tmp_path / "hits.bed", hits)
    lines = (tmp_path / "hits.bed").read_bytes().splitlines()[2:]
    assert lines == sorted(lines)  # all begin at 0
    assert [line.split(b"\t")[3] for line in lines] == [
        *(b"a:971-1200(+)", b"a:1-50(+)", b"a:961-1050(-)", b"a:981-1050(+)"),
    ]


def test_a_report_knows_neighbours_across_the_cut(tmp_path):
    told = []
    for circular in (False, True):
        places = [(0, 10, 26, 1), (0, 500, 516, 1), (0, 970, 986, 1)]
        first, *_ = top_hits(made_by_hand(tmp_path / str(circular), places, circular=circular))
        told.append([(each.name, each.nt) for each in first.neighbours])
    assert told == [
        [("a:501-516(+)", 474), ("a:971-986(+)", 944)],
        [("a:971-986(+)", 24), ("a:501-516(+)", 474)],
    ]


def test_candidates_across_the_cut_are_among_them(evidence):
    contigs: dict[str, list[tuple[int, str, str]]] = {}
    last = ("", -1)
    for line in evidence[0]["candidates.bed"].splitlines():
        chrom, start, end, name, score, strand = line.split("\t")
        assert last[0] != chrom or last[1] <= int(start)
        last = chrom, int(start)
        if chrom == "linear":
            continue
        assert 0 <= int(start) < int(end) <= LENGTH
        first, beyond = re.findall(r"\d+", name.partition(":")[2])
        before, behind = LENGTH - int(first) + 1, int(beyond) - LENGTH
        assert before > 0
        if behind <= 0:
            assert (int(first) - 1, int(beyond)) == (int(start), int(end))
        elif behind > before:
            assert (0, behind) == (int(start), int(end))
        else:
            assert (LENGTH - before, LENGTH) == (int(start), int(end))
        middle = (int(first) - 1 + int(chrom[1:])) % LENGTH
        contigs.setdefault(chrom, []).append((middle, score, strand))
    assert len({tuple(sorted(each)) for each in contigs.values()}) == 1
    assert len(contigs) == len(CUTS)


def test_a_tiny_circle_is_scanned_and_a_tinier_one_stays_linear(tmp_path, capsys):
    """On a circle of 220 nt the line goes round more than ten times."""
    insert = builders.PRE_MIRNAS[0]
    tiny = insert + builders.random_sequence(np.random.default_rng(1), 220 - len(insert), 0.4)
    turned = {f"t{cut}": cut_at(cut, tiny) for cut in (0, 30, 66, 150)}
    genome = builders.write_fasta(tmp_path / "g.fa", {**turned, "short": tiny[:195]})
    command = [str(genome), "--out", str(tmp_path / "h.tsv"), "--circular", "all"]
    assert main(command) == 0
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "linear" in line]
    assert warning.endswith(
        f"{genome}: 1 contigs are shorter than 200 nt, the longest hairpin with its context, and "
        "stay linear in spite of --circular: short"
    )
    hits = [hit for hit in read_hits(tmp_path / "h.tsv") if hit.chrom != "short"]
    assert [hit.chrom for hit in hits] == list(turned)
    seen = {
        (hit.prob, hit.log_odds, hit.sequence, hit.structure, hit.mfe, hit.missing_context, hit.kin)
        for hit in hits
    }
    assert len(seen) == 1
    assert {(hit.start + int(hit.chrom[1:])) % 220 for hit in hits} == {22}


@pytest.mark.parametrize(
    "names, message",
    [
        ("c0,c0", "--circular c0: is named twice"),
        ("c0,all", "--circular: all stands for every contig; give it alone, or names"),
        ("chrM", "--circular chrM: no contig 'chrM' in the genome; it has c0, c305, c335, c367, "
         "c415, ..."),
        ("c0,", "argument --circular: 'c0,' is no list of names with commas between them (see "
         "premir-scan --help)"),
    ],
)  # fmt: skip
def test_names_that_are_wrong(genome, tmp_path, capsys, names, message):
    command = [str(genome), "--out", str(tmp_path / "h.bed"), "--circular", names]
    for more in ([], ["--plan"]):
        if message.startswith("argument"):
            with pytest.raises(SystemExit, match="2"):
                main([*command, *more])
        else:
            assert main([*command, *more]) == 2
        assert capsys.readouterr().err == f"premir-scan: error: {message}\n"
    assert list(tmp_path.iterdir()) == []


def test_many_genomes_have_the_circles_that_are_theirs(tmp_path, capsys):
    one = builders.write_fasta(tmp_path / "one.fa", {"c": cut_at(335), "d": LINEAR})
    two = builders.write_fasta(tmp_path / "two.fa", {"e": LINEAR})
    command = [str(one), str(two), "--out-dir", str(tmp_path / "hits"), "--circular"]
    assert main([*command, "c,f"]) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line == "premir-scan: error: --circular f: none of the genomes has a contig 'f'"
    assert main([*command, "c"]) == 0
    assert "two: has no contig that --circular names" in capsys.readouterr().err
    assert main([str(one), "--out", str(tmp_path / "one.bed"), "--circular", "c", "-q"]) == 0
    assert main([str(two), "--out", str(tmp_path / "two.bed"), "-q"]) == 0
    for name in ("one.bed", "two.bed"):
        assert (tmp_path / "hits" / name).read_bytes() == (tmp_path / name).read_bytes()
    capsys.readouterr()
    assert main([*command, "all"]) == 0  # another scan of both
    table = (tmp_path / "hits" / "genomes.tsv").read_text().splitlines()[1:]
    assert [line.split("\t")[3] for line in table] == ["done", "done"]
    assert "wraps" in (tmp_path / "hits" / "two.bed").read_text()


def test_the_store_holds_what_lies_across_the_cut_uncut(tmp_path):
    short, text = "ACGTTGCA" * 30, circle()
    path = builders.write_fasta(tmp_path / "g.fa", {"a": short, "b": "GGC", "c": text})
    genome = read_genome(path, tmp_path / "store", Circles({"a", "c", "b"}, least=4))
    contigs = genome.contigs
    assert contigs.circular.tolist() == [True, False, True]
    assert (genome.length, genome.longest) == (len(short) + 3 + LENGTH, LENGTH)
    lines = {"a": 240 + 2 * REACH, "b": 3, "c": LENGTH + 2 * REACH}
    assert contigs.lines.tolist() == list(lines.values())
    assert genome.store.stat().st_size == contigs.stored == sum(lines.values())
    for n, (letters, line) in enumerate(zip((short, "GGC", text), lines.values(), strict=True)):
        start = int(contigs.offsets[n])
        held = read_letters(genome.store, start, start + line).tobytes().decode()
        assert held == (letters * (line // len(letters) + 1))[:line]
    plain = read_genome(path, tmp_path / "other")
    assert genome.digest() == plain.digest()


def test_reads_near_the_cut_count_once(tmp_path):
    reads = [Read("a", at, 22, "+", f"r{at}_x2") for at in (0, 5, 400, 1999, 2990)]
    library = write_library(
        tmp_path / "r.bam", {"a": LENGTH, "b": 300}, [*reads, Read("b", 3, 20, "-")]
    )
    stacks, counts = [], []
    for circular in (False, True):
        contigs = Contigs.of(["a", "b"], [LENGTH, 300], bytes(64), circular)
        out = BytesIO()
        counts.append(count_reads(library, contigs, out))
        found = np.frombuffer(out.getvalue(), STACK)
        assert (np.diff(found["start"]) >= 0).all()
        stacks.append(found["start"].tolist())
    assert counts[0] == counts[1]
    assert counts[0].reads == 11 * UNIT
    starts, line = [0, 5, 400, 1999, 2990], LENGTH + 2 * REACH
    assert stacks[0] == [*starts, LENGTH + 3]
    later = [start + LENGTH for start in starts] + [2 * LENGTH + start for start in (0, 5, 400)]
    turns = [line + 3 + 300 * n for n in range((300 + 2 * REACH) // 300 + 1)]
    assert stacks[1] == [*starts, *later, *turns]


def test_decoys_are_of_one_turn(tmp_path):
    contigs = Contigs.of(["a", "b", "c"], [3000, 500, 9000], bytes(96), [True, False, True])
    tiles = plan_decoys(contigs, 2 * 12_500 + 7_000, tile_size=4000)
    assert sum(tile.length for tile in tiles) == 2 * 12_500 + 7_000
    spans = [(span.contig, span.start, span.end) for tile in tiles for span in tile.spans]
    for contig, start, end in spans:
        first, last = contigs.turn(contig)
        assert first <= start < end <= last
    path = builders.write_fasta(tmp_path / "g.fa", {"c": CIRCLE, "linear": LINEAR})
    options = ("--circular", "c", "--decoys", "0.03")
    whole = scan(path, tmp_path, *options, outputs=["hits.bed"])
    assert scan(path, tmp_path, *options, "--tile-size", "900", outputs=["hits.bed"]) == whole
    assert all(float(hit["q_value"]) < 0.01 for hit in rows(whole["hits.bed"]))


def test_a_turn_has_room_on_either_side_for_whatever_is_asked():
    for preset in PRESETS.values():
        widest = (1000 - preset.max_span) + 2 * 200 + preset.halo  # --max-span, context_nt
        assert widest < REACH


def test_regions_and_tiles_of_a_circle():
    contigs = Contigs.of(["a", "b"], [3000, 500], bytes(64), [True, False])
    asked = ["a:1-100", "a:2001-3000", "b:1-100"]
    assert parse_regions(asked, contigs) == {0: [(2000, 3100)], 1: [(0, 100)]}
    assert parse_regions(["a:1991-2010"], contigs) == {0: [(2000, 2010), (4990, 5000)]}
    assert parse_regions(["a"], contigs) == {0: [(2000, 5000)]}
    tiny = Contigs.of(["t"], [300], bytes(32), [True])
    assert parse_regions(["t:1-300"], tiny) == {0: [(2000, 2300)]}
    assert parse_regions(["t:201-201"], tiny) == {0: [(2000, 2001)]}
    tiles = plan_tiles(None, contigs, tile_size=2000)
    assert [place(tile, contigs) for tile in tiles] == [
        "a:2001-4000",
        "a:1001 to b:500 (2 pieces)",
    ]
    assert sum(tile.length for tile in tiles) == 3500
    last = Contigs.of(["b", "t"], [500, 600], bytes(64), [False, True])
    (tile,) = plan_tiles(None, last, tile_size=2000)
    assert place(tile, last) == "b:1 to t:800 (2 pieces)"


interval = st.tuples(
    st.integers(0, 299), st.integers(40, 90), st.sampled_from([1, -1]), st.integers(0, 9)
)


def on_line(places, length, first=REACH):
    """Records of one circle as loci on its line, and where each lies."""
    records = []
    for start, size, strand, _ in places:
        begin = start + (first - (start + size // 2)) // length * length
        begin += length if (2 * begin + size) // 2 < first else 0
        records.append((0, begin, begin + size, strand))
    return records


@given(st.lists(interval, min_size=1, max_size=25, unique_by=lambda p: p[:3]), st.integers(0, 299))
def test_candidates_contest_each_other_round_the_circle(places, turn):
    """As the slow twin has it, and wherever the circle is cut: scores are all different."""
    length = 300
    contigs = Contigs.of(["a"], [length], bytes(32), [True])
    kept = []
    for by in (0, turn):
        moved = [((start + by) % length, *rest) for start, *rest in places]
        records = on_line(moved, length)
        order = np.lexsort(np.array([(e, s) for _, s, e, _ in records]).T)
        loci = loci_of([records[n] for n in order])
        scores = np.array([places[n][3] + n / 100 for n in order])
        table = HitTable(loci, scores, np.zeros(len(order), np.int64), order.astype(np.int64))
        hits, _ = merge(table, contigs, longest=90, scanned=None)
        kept.append(set(hits.row.tolist()))
    assert kept[0] == kept[1]
    expected = set()
    for strand in (1, -1):
        own = [n for n, place_ in enumerate(places) if place_[2] == strand]
        best = sorted(range(len(own)), key=lambda k: -places[own[k]][3] - own[k] / 100)
        intervals = [(places[n][0], places[n][0] + places[n][1]) for n in own]
        states = naive.resolve_overlaps(intervals, best, [False] * len(own), turn=length)
        expected |= {n for n, state in zip(own, states, strict=True) if state == "kept"}
    assert kept[0] == expected


@pytest.mark.parametrize("strand", [1, -1])
def test_of_equal_ones_the_cut_does_not_decide(strand):
    contigs = Contigs.of(["a"], [1000], bytes(32), [True])
    names = []
    for by in (0, 5, 60, 100, 135, 500):
        places = [((start + by) % 1000, 80, strand, 0) for start in (850, 870, 500)]
        records = on_line(places, 1000)
        order = sorted(range(3), key=lambda n: records[n])
        rows_ = np.array(order)
        table = HitTable(loci_of([records[n] for n in order]), np.zeros(3), rows_ * 0, rows_)
        hits, _ = merge(table, contigs, longest=80, scanned=None)
        names.append(sorted(hits.row.tolist()))
    assert names == [[0, 2] if strand > 0 else [1, 2]] * len(names)


@pytest.mark.parametrize(
    "own, expected",
    [
        (((0, 1), (30, -1), (990, -1)), {0: 2, 1: 0, 2: 0}),
        # Of two that share as much the one nearer to the 5' end.
        (((100, 1), (60, -1), (140, -1)), {0: 1, 1: 0, 2: 0}),
        (((100, -1), (60, 1), (140, 1)), {0: 2, 1: 0, 2: 0}),
    ],
)
def test_partners_are_found_across_the_ends_of_a_turn(own, expected):
    contigs = Contigs.of(["a"], [1000], bytes(32), [True])
    for by in range(0, 1000, 7):
        places = [((start + by) % 1000, 80, strand, 0) for start, strand in own]
        records = on_line(places, 1000)
        order = sorted(range(3), key=lambda n: records[n])
        rows_ = np.array(order)
        table = HitTable(loci_of([records[n] for n in order]), np.zeros(3), rows_ * 0, rows_)
        found = partners(table, contigs).tolist()
        assert {order[n]: order[k] for n, k in enumerate(found)} == expected


def test_reads_in_a_hit_across_the_end_of_a_turn_are_not_its_flank(tmp_path):
    """Two hits, one at the end of a turn, the other behind it: at its beginning."""
    hits = made_by_hand(tmp_path, [(0, 0, 16, 1), (0, 982, 998, 1)])
    loci = loci_of([(0, 2001, 2017, 1), (0, 2982, 2998, 1)])
    table = replace(hits.table, loci=loci)
    stacks = np.zeros(3, STACK)
    stacks["start"], stacks["length"], stacks["strand"] = [2986, 3004, 3020], 8, 1
    stacks["weight"] = [UNIT, 2 * UNIT, 4 * UNIT]
    path = tmp_path / "library"
    path.write_bytes(stacks.tobytes())
    ((hit, sighting),) = sightings(table, hits.material, [Stacks(path)])
    assert (hit, sighting.pattern.total, sighting.flank) == (1, UNIT, 4 * UNIT)


def test_names_of_circles():
    assert checked_names(["a", "b"]) == ["a", "b"]
    assert Circles({"all"}).asked("x")
    assert not Circles().asked("x")
