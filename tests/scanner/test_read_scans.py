"""Scans with reads: columns, formats, strands, and that nothing but the reads matters."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
from collections import defaultdict

import pysam
import pytest
from builders import reverse_complement, write_fasta
from data_sets import data_dir
from hit_rows import rows
from read_sets import Read, write_library

from premir.scanner.cli import main
from premir.scanner.report.evidence.arms import track as arms
from premir.scanner.report.reading import read_hits

ARMS = {column.name for column in arms.TRACK.columns}
NEW = ["read_verdict", "reads", "read_llr"]


def lengths(sequences):
    return {name: len(text) for name, text in sequences.items()}


def on_arms(hit, count=30, flip=False):
    """Reads of 22 nt at the outer ends of both arms of a hit."""
    start, end = int(hit["start"]), int(hit["end"])
    loop_start, loop_end = int(hit["loop_start"]), int(hit["loop_end"])
    strand = hit["strand"] if not flip else "+-"[hit["strand"] == "+"]
    return [
        Read(hit["chrom"], max(loop_start - 23, start), 22, strand, f"a_x{count}"),
        Read(hit["chrom"], min(loop_end + 1, end - 22), 22, strand, f"b_x{count}"),
    ]


@pytest.fixture(scope="module")
def library(default_genome, default_scan, tmp_path_factory):
    """Reads on the arms of all hits of the default scan but the last."""
    hits = rows(default_scan[0])
    path = tmp_path_factory.mktemp("library") / "reads.bam"
    reads = [read for hit in hits[:-1] for read in on_arms(hit)]
    return write_library(path, lengths(default_genome[1]), reads)


def test_reads_add_columns_and_move_log_odds_alone(default_genome, default_scan, library, scan):
    code, text = scan(default_genome[0], "--reads", library, "--min-prob", "1e-6")
    assert code == 0
    plain = {hit["name"]: hit for hit in rows(default_scan[0])}
    hits = {hit["name"]: hit for hit in rows(text)}
    names = list(next(iter(hits.values())))
    at = names.index("read_verdict")
    assert names[at - 1 : at + 4] == ["similarity", *NEW, "sequence"]
    assert set(hits) >= set(plain)
    last = list(plain)[-1]
    for name, before in plain.items():
        hit = hits[name]
        for column in before.keys() - {"log_odds", "mirror", "mirror_log_odds"}:
            assert hit[column] == before[column]
        assert float(hit["log_odds"]) == pytest.approx(
            float(before["log_odds"]) + float(hit["read_llr"]), abs=2e-6
        )
        expected = ("none", "0.00", "0.000000") if name == last else (hit["read_verdict"], "60.00")
        assert (hit["read_verdict"], hit["reads"], hit["read_llr"])[: len(expected)] == expected


def test_tsv_and_json_lines_have_details_that_bed_and_gff3_have_not(
    default_genome, library, tmp_path
):
    found = {}
    for suffix in ("bed", "gff3", "tsv", "jsonl"):
        path = tmp_path / f"hits.{suffix}"
        work = ["--work-dir", str(tmp_path / "work"), "--keep-work"]
        command = [str(default_genome[0]), "--out", str(path), "--reads", str(library), *work]
        assert main([*command, "--quiet"]) == 0
        found[suffix] = path.read_text()
    table = list(csv.DictReader(found["tsv"].splitlines(), delimiter="\t"))
    objects = [json.loads(line) for line in found["jsonl"].splitlines()]
    bed = rows(found["bed"])
    assert list(objects[0]) == list(table[0])
    details = set(table[0]) - set(bed[0])
    assert details >= {"reads_5p", "star", "overhang_dicer", "rules_failed", "multi_share"}
    assert not any(f"{name}=" in found["gff3"] for name in details)
    assert "read_verdict=" in found["gff3"]
    for row, hit in zip(table, bed, strict=True):
        assert {name: row[name] for name in hit} == hit
        reads = [row[f"reads_{part}"] for part in ("5p", "3p", "loop")]
        if hit["read_verdict"] == "none":
            assert {row[name] for name in details - ARMS} == {"."}
        else:
            assert sum(map(float, reads)) == float(hit["reads"]) > 0
            assert row["libraries"] == "1"
    for hit in read_hits(tmp_path / "hits.bed"):
        assert isinstance(hit.reads, float)


def test_matures_are_children_in_gff3(default_genome, default_scan, library, tmp_path):
    reads = {hit["name"]: on_arms(hit) for hit in rows(default_scan[0])[:-1]}
    out = tmp_path / "hits.gff3"
    assert main([str(default_genome[0]), "--out", str(out), "--reads", str(library), "-q"]) == 0
    packed = tmp_path / "hits.gff3.gz"
    command = [str(default_genome[0]), "--out", str(packed), "--reads", str(library), "-q"]
    assert main(command) == 0  # tabix takes nothing that is not sorted
    assert packed.with_name("hits.gff3.gz.tbi").exists()
    assert gzip.decompress(packed.read_bytes()) == out.read_bytes()
    lines = [line.split("\t") for line in out.read_text().splitlines() if line[0] != "#"]
    attributes = [dict(each.split("=", 1) for each in line[8].split(";")) for line in lines]
    for one, two in itertools.pairwise(lines):
        assert one[0] != two[0] or int(one[3]) <= int(two[3]), "tabix wants what is sorted"
    seen, children, origins = {}, [], defaultdict(set)
    for line, own in zip(lines, attributes, strict=True):
        if line[2] == "pre_miRNA":
            seen[own["ID"]] = own
            continue
        speaking = seen[own["Parent"]]["read_verdict"] in ("supported", "partial", "one_arm")
        assert own["ID"] in (f"{own['Parent']}-5p", f"{own['Parent']}-3p")
        assert ("reads" in own) == (own["arms_from"] == "reads") <= speaking
        origins[own["Parent"]].add(own["arms_from"])
        if own["arms_from"] == "reads":
            children.append((own["ID"], int(line[3]) - 1, int(line[4]), line[6]))
    expected = {
        (f"{name}-{arm}", read.start, read.start + 22, read.strand)
        for name, (left, right) in reads.items()
        for arm, read in zip(
            ("5p", "3p"), (left, right) if left.strand == "+" else (right, left), strict=True
        )
    }
    assert len(expected & set(children)) >= 4
    assert {child[3] for child in children} == {"+", "-"}
    assert any(own["read_verdict"] == "none" for own in seen.values())
    for name, own in seen.items():
        if own["read_verdict"] in ("supported", "partial"):
            assert origins[name] == {"reads"}
        elif own["read_verdict"] == "none":
            assert "reads" not in origins[name]


def test_the_mirrored_genome_with_mirrored_reads_gives_mirrored_evidence(
    default_genome, default_scan, library, tmp_path
):
    sequences = default_genome[1]
    sizes = lengths(sequences)
    mirror = write_fasta(
        tmp_path / "mirror.fa",
        {name: reverse_complement(text) for name, text in sequences.items()},
    )
    hits = rows(default_scan[0])
    turned = write_library(
        tmp_path / "turned.bam",
        sizes,
        [
            read._replace(
                start=sizes[read.contig] - read.start - read.length,
                strand="+-"[read.strand == "+"],
            )
            for hit in hits[:-1]
            for read in on_arms(hit)
        ],
    )
    found = []
    for name, genome, reads in [("a", default_genome[0], library), ("b", mirror, turned)]:
        path = tmp_path / f"{name}.tsv"
        assert main([str(genome), "--out", str(path), "--reads", str(reads), "--quiet"]) == 0
        table = csv.DictReader(path.read_text().splitlines(), delimiter="\t")
        keep = [*NEW, "reads_5p", "reads_3p", "overhang_dicer", "rules_failed", "sequence"]
        found.append(sorted(tuple(row[each] for each in keep) for row in table))
    assert found[0] == found[1]
    assert len(found[0]) > 5


@pytest.mark.parametrize(
    "turn, said",
    [(False, None), (True, "lie on the other strand"), ("both", "an exact mirror on the other")],
)
def test_flipped_and_unstranded_libraries_are_warned_of(
    turn, said, default_genome, default_scan, tmp_path, capsys
):
    hits = rows(default_scan[0])
    reads = [read for hit in hits for read in on_arms(hit, flip=turn is True)]
    if turn == "both":
        reads += [read for hit in hits for read in on_arms(hit, flip=True)]
    path = write_library(tmp_path / "reads.bam", lengths(default_genome[1]), reads)
    out = str(tmp_path / "hits.bed")
    assert main([str(default_genome[0]), "--out", out, "--reads", str(path)]) == 0
    told = capsys.readouterr().err
    for text in ("lie on the other strand", "an exact mirror on the other"):
        assert (text in told) == (text == said)


def test_what_cannot_be_used_is_refused_before_the_scan(default_genome, tmp_path, capsys):
    genome = default_genome[0]
    out = tmp_path / "hits.bed"
    fasta = tmp_path / "reads.fa"
    fasta.write_text(">a\nACGT\n")
    foreign = write_library(tmp_path / "f.bam", {"x": 99}, [Read("x", 1, 22, "+")])
    for arguments, said in [
        (["--reads", str(fasta)], "does not align"),
        (["--reads", str(foreign)], "other contigs (x)"),
        (["--reads", "none.bam"], "none.bam"),
        (["--reads", str(out)], str(out)),
    ]:
        assert main([str(genome), "--out", str(out), *arguments]) == 2
        told = capsys.readouterr().err.splitlines()
        assert said in told[-1]
        assert not list(tmp_path.glob("hits.bed*"))


def test_another_library_is_another_run(default_genome, library, tmp_path, capsys):
    genome, sequences, _ = default_genome
    command = [str(genome), "--out", str(tmp_path / "hits.bed"), "--keep-work", "--quiet"]
    assert main([*command, "--reads", str(library)]) == 0
    first = (tmp_path / "hits.bed").read_text()
    stacks = tmp_path / "hits.bed.premir-work" / "reads" / "library-1.stacks"
    stacks.write_bytes(stacks.read_bytes()[:-1])  # damaged: counted again
    assert main([*command, "--reads", str(library)]) == 0
    assert (tmp_path / "hits.bed").read_text() == first
    other = write_library(tmp_path / "o.bam", lengths(sequences), [Read("chr1", 5, 22, "+")])
    assert main([*command, "--reads", str(other)]) == 4
    assert "belongs to another run: reads" in capsys.readouterr().err


def test_worms_hairpins_are_supported_and_the_other_strand_is_not(tmp_path):
    folder = data_dir("reads") / "celegans_mirdeep2"
    out = tmp_path / "hits.bed"
    command = [str(folder / "genome.fa"), "--out", str(out), "--min-prob", "0.1", "--quiet"]
    assert main([*command, "--reads", str(folder / "reads.bam")]) == 0
    hits = rows(out.read_text())
    known = [line.split("\t") for line in (folder / "known_mirnas.bed").read_text().splitlines()]
    found: dict[tuple[str, bool], list[str]] = {}
    for hit in hits:
        for contig, start, end, name, _, strand, *_ in known:
            overlap = min(int(end), int(hit["end"])) - max(int(start), int(hit["start"]))
            if hit["chrom"] == contig and overlap > 40:
                found.setdefault((name, hit["strand"] == strand), []).append(hit["read_verdict"])
    verdicts = {name: each for (name, same), (each, *_) in found.items() if same}
    assert sum(verdict == "supported" for verdict in verdicts.values()) >= 6
    assert not {verdicts["cel-mir-38"], verdicts["cel-mir-229"]} & {"against", "none", "thin"}
    other = {each for (_, same), all_of in found.items() if not same for each in all_of}
    assert other <= {"wrong_strand", "none"}


@pytest.fixture(scope="module")
def lost(default_genome, tmp_path_factory):
    """Hits of probability 0.02 to 0.9 by the model, which the default command does not report."""
    out = tmp_path_factory.mktemp("lost") / "hits.bed"
    assert main([str(default_genome[0]), "--out", str(out), "--min-prob", "0.02", "--quiet"]) == 0
    return [hit for hit in rows(out.read_text()) if 0.02 < float(hit["prob"]) < 0.9]


def test_reads_bring_back_what_gates_and_threshold_dropped(
    default_genome, default_scan, lost, scan, tmp_path
):
    genome, sequences, _ = default_genome
    reads = [read for hit in lost[::4] for read in on_arms(hit)]
    path = write_library(tmp_path / "reads.bam", lengths(sequences), reads)
    command = [genome, "--reads", path, "--threads"]
    code, text = scan(*command, 1, out="one.tsv")
    assert code == 0
    assert scan(*command, 2, "--tile-size", 1_000, out="two.tsv")[1] == text
    found = {hit["name"]: hit for hit in csv.DictReader(text.splitlines(), delimiter="\t")}
    before = {hit["name"]: hit for hit in rows(default_scan[0])}
    new = [hit for name, hit in found.items() if name not in before]
    new = [hit for hit in new if float(hit["prob"]) < 0.9]  # reads make up for kin as well
    assert len(new) >= 3
    for hit in new:
        assert hit["read_verdict"] in ("supported", "partial", "one_arm")
        assert float(hit["log_odds"]) >= 0
        assert float(hit["prob"]) >= 0.01
        assert float(hit["reads"]) >= 10
    assert {hit["name"] for hit in new} <= {hit["name"] for hit in lost}
    # The gates of the model are on, and reject everywhere else.
    summary = json.loads((tmp_path / "one.tsv.summary.json").read_text())
    assert "sha256" in summary["gates"]
    plain = default_scan[1]
    assert plain["scored"] < summary["scored"] < summary["candidates"]
    assert sum(summary["read_verdicts"].values()) == summary["hits"] == len(found)
    # Eight reads do not spare anything.
    few = [read._replace(name="a_x4") for read in reads]
    path = write_library(tmp_path / "few.bam", lengths(sequences), few)
    assert scan(genome, "--reads", path)[0] == 0
    summary = json.loads((tmp_path / "hits.bed.summary.json").read_text())
    assert summary["scored"] == plain["scored"]


def test_the_scan_ends_with_what_reads_speak_for(default_genome, library, tmp_path, capsys):
    out = tmp_path / "hits.bed"
    assert main([str(default_genome[0]), "--out", str(out), "--reads", str(library)]) == 0
    told = capsys.readouterr().err
    hits = rows(out.read_text())
    speaking = [hit for hit in hits if hit["read_verdict"] in ("supported", "partial", "one_arm")]
    count = sum(hit["read_verdict"] == "supported" for hit in hits)
    assert (f"{count} supported" in told) == (count > 0)
    order = ["supported", "partial", "one_arm"]
    best = min(speaking, key=lambda h: (order.index(h["read_verdict"]), -float(h["log_odds"])))
    line = next(line for line in told.splitlines() if line.startswith("premir-scan:   "))
    assert best["name"] in line
    assert "60 reads" in line


def test_a_killed_scan_with_reads_goes_on_and_parts_make_the_same_bytes(
    default_genome, library, tmp_path, scan
):
    genome = default_genome[0]
    code, text = scan(genome, "--reads", library, "--tile-size", 4000)
    assert code == 0
    common = ["--reads", library, "--tile-size", 4000, "--work-dir", tmp_path / "work"]
    for part in ("1/2", "2/2"):
        assert scan(genome, *common, "--part", part, out="parts.bed") == (0, None)
    assert scan(genome, *common, "--finalise", out="parts.bed") == (0, text)


def test_the_plan_says_what_reads_cost(default_genome, library, tmp_path, capsys):
    command = [str(default_genome[0]), "--out", str(tmp_path / "hits.bed"), "--plan"]
    assert main([*command, "--reads", str(library)]) == 0
    assert "reads\tlibraries: 1, counted before the tiles in about 0 s" in capsys.readouterr().out


def test_the_plan_knows_nothing_of_cram_files(default_genome, library, tmp_path, capsys):
    genome, sequences, _ = default_genome
    pysam.faidx(str(genome))
    reads = [Read("chr1", 10, 22, "+")]
    cram = write_library(tmp_path / "r.cram", lengths(sequences), reads, genome=genome)
    command = [str(genome), "--out", str(tmp_path / "hits.bed"), "--plan"]
    assert main([*command, "--reads", str(library), "--reads", str(cram)]) == 0
    told = capsys.readouterr().out
    assert "reads\tlibraries: 2, counted before the tiles first; " in told
    assert ", reads 0.0 MB, CRAM files not counted; " in told
