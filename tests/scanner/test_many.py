"""Many genomes with one engine: each as if scanned alone, whatever happens to the others."""

from __future__ import annotations

import csv
import os

import builders
import pytest
from data_sets import ROOT, genomes_dir
from hit_rows import rows
from read_sets import Read, write_library
from scan_process import ScanProcess

from premir.scanner import many
from premir.scanner.cli import main
from premir.scanner.genome.fasta import read_records
from premir.scanner.scanning import scan

THRESHOLD = ("--min-prob", "0.2")


def run(*arguments):
    return main([*THRESHOLD, *map(str, arguments), "-q"])


def table(folder):
    with (folder / "genomes.tsv").open(encoding="utf-8", newline="") as handle:
        return {row["name"]: row for row in csv.DictReader(handle, delimiter="\t")}


def statuses(folder):
    return {name: row["status"] for name, row in table(folder).items()}


@pytest.fixture(scope="module")
def genomes(tmp_path_factory):
    """Small pieces of real genomes where they are at hand, and of the demo."""
    folder = tmp_path_factory.mktemp("genomes")
    paths = [folder / "demo.fa", folder / "part2.fa.gz"]
    (_, chr1), (_, chr2) = read_records(ROOT / "examples" / "demo.fa")[:2]
    builders.write_fasta(paths[0], {"chr1": chr1[:8000], "short": "ACGT" * 10})
    builders.write_fasta(paths[1], {"chr2": chr2[:8000]})
    for name in ("ebv", "hcmv"):
        path = genomes_dir() / name / "genome.fa.gz"
        ((contig, letters),) = read_records(path)
        paths.append(folder / f"{name}.fna")
        builders.write_fasta(paths[-1], {contig: letters[40_000:48_000]})
    return paths


@pytest.fixture(scope="module")
def alone(genomes, tmp_path_factory):
    """What each genome gives when it is scanned by itself."""
    folder = tmp_path_factory.mktemp("alone")
    for path in genomes:
        out = folder / f"{path.name.partition('.')[0]}.bed"
        assert run(path, "--out", out) == 0
    return {path.name: path.read_bytes() for path in folder.glob("*.bed")}


def written(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.bed")}


def test_each_as_if_alone_and_a_bad_one_stops_nobody(genomes, alone, tmp_path, capsys, monkeypatch):
    bad, missing = tmp_path / "bad.fa", tmp_path / "missing.fa"
    bad.write_text(">a\nACGT\nAC!T\n")
    command = (bad, *genomes[:2], missing, *genomes[2:], "--out-dir", tmp_path / "hits")
    assert run(*command) == 3
    assert written(tmp_path / "hits") == alone
    closing = [
        "premir-scan: error: not done, tried again when the same command runs again:",
        f"premir-scan: error:   bad: {bad}: a:3: '!' is not a nucleotide letter; remove it",
        f"premir-scan: error:   missing: {missing}: No such file or directory",
    ]
    errors = capsys.readouterr().err.splitlines()
    assert errors[0] == f"premir-scan: warning: {missing}: {missing}: no such file; " + (
        "going on with the others"
    )
    assert errors[-3:] == closing
    rows = table(tmp_path / "hits")
    assert [row["status"] for row in rows.values()] == [
        "failed", "done", "done", "failed", "done", "done",
    ]  # fmt: skip
    assert rows["demo"]["megabases"] == "0.008040"
    hits = [line for line in alone["demo.bed"].splitlines() if not line.startswith(b"#")]
    assert int(rows["demo"]["hits"]) == len(hits) > 0

    # The same command again: what is done is recognised, what is not is tried again.
    monkeypatch.setattr("premir.scanner.run.executors.local.fold_tile", None)
    builders.write_fasta(missing, {"a": "ACGT"})
    assert run(*command) == 3
    assert statuses(tmp_path / "hits") == dict.fromkeys(rows, "unchanged") | {
        "bad": "failed", "missing": "incomplete",
    }  # fmt: skip
    assert written(tmp_path / "hits").items() >= alone.items()
    monkeypatch.undo()
    bad.write_text(">a\nACGT\n")
    assert run(*command) == 0
    assert statuses(tmp_path / "hits") == dict.fromkeys(rows, "unchanged") | {
        "bad": "done", "missing": "done",
    }  # fmt: skip
    assert not list((tmp_path / "hits").glob("*premir-work"))


def test_finished_is_what_is_the_same_not_what_exists(genomes, alone, tmp_path):
    paths = [tmp_path / path.name for path in genomes[:2]]
    for path, original in zip(paths, genomes, strict=False):
        path.write_bytes(original.read_bytes())
    command = (*paths, "--out-dir", tmp_path / "hits")
    assert run(*command) == 0
    assert statuses(tmp_path / "hits") == {"demo": "done", "part2": "done"}
    os.utime(paths[0])  # another date, the same bytes
    (tmp_path / "hits" / "part2.bed").write_text("spoilt")
    assert run(*command) == 0
    assert statuses(tmp_path / "hits") == {"demo": "unchanged", "part2": "done"}
    assert written(tmp_path / "hits").items() <= alone.items()
    builders.write_fasta(paths[0], {"chr1": "ACGT" * 50})
    (tmp_path / "hits" / "part2.bed.summary.json").unlink()
    assert run(*command) == 0
    assert statuses(tmp_path / "hits") == {"demo": "done", "part2": "done"}
    for option in (
        ("--max-copies", 3),
        ("--min-prob", 0.9),
        ("--preset", "virus"),
        ("--resume", "never"),
    ):
        command += option  # one at a time: each must count by itself
        assert run(*command) == 0
        assert statuses(tmp_path / "hits") == {"demo": "done", "part2": "done"}
    assert run(*command[:-2], "--tile-size", 500, "--threads", 1) == 0
    assert statuses(tmp_path / "hits") == {"demo": "unchanged", "part2": "unchanged"}


@pytest.mark.parametrize("when", ["before it is read", "after it was read"])
def test_genome_that_changes_while_it_is_scanned(
    genomes, alone, tmp_path, capsys, monkeypatch, when
):
    """What is finished is what was scanned, not what lies there afterwards."""
    path, other = tmp_path / "demo.fa", tmp_path / "other.fa"
    path.write_bytes(genomes[0].read_bytes())
    builders.write_fasta(other, {"chr1": "ACGT" * 50})

    def changing(options, session):
        early = when == "before it is read"
        if early:
            other.replace(path)
        code = scan(options, session)
        if not early:
            other.replace(path)
        return code

    monkeypatch.setattr(many, "scan", changing)
    command = (path, "--out-dir", tmp_path / "hits")
    assert run(*command) == 0
    assert capsys.readouterr().err == (
        f"premir-scan: warning: demo: {path} changed while it was scanned; run the same command "
        "again\n"
    )
    monkeypatch.undo()
    assert run(*command) == 0
    # Scanned again only where what lies there is not what was scanned.
    again = "unchanged" if when == "before it is read" else "done"
    assert statuses(tmp_path / "hits") == {"demo": again}
    assert (tmp_path / "hits" / "demo.bed").read_bytes() != alone["demo.bed"]
    assert capsys.readouterr().err == ""
    assert run(*command) == 0
    assert statuses(tmp_path / "hits") == {"demo": "unchanged"}


def test_file_of_equal_size_and_date_is_not_the_same_file(genomes, tmp_path):
    path, other = tmp_path / "demo.fa", tmp_path / "other.fa"
    path.write_bytes(genomes[0].read_bytes())
    command = (path, "--out-dir", tmp_path / "hits")
    assert run(*command) == 0
    before = path.stat()
    letters = bytearray(path.read_bytes())
    letters[-100:-90] = b"ACGTACGTAC"
    other.write_bytes(letters)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert run(*command) == 0
    assert statuses(tmp_path / "hits") == {"demo": "done"}


def test_table_that_cannot_be_written_is_found_before_work(genomes, tmp_path, capsys):
    (tmp_path / "genomes.tsv").mkdir()
    assert run(genomes[0], "--out-dir", tmp_path) == 2
    assert "genomes.tsv: is a directory; give a file name" in capsys.readouterr().err


def test_interrupted_and_run_again(genomes, alone, tmp_path, monkeypatch):
    def interrupt(_outcome):
        raise KeyboardInterrupt

    monkeypatch.setattr(many, "_say", interrupt)
    command = (*genomes, "--out-dir", tmp_path, "--threads", 1)
    assert run(*command) == 130
    first = statuses(tmp_path)
    assert set(first.values()) == {"done", "not reached"}
    monkeypatch.undo()
    assert run(*command) == 0
    again = statuses(tmp_path)
    assert all(again[name] == "unchanged" for name in first if first[name] == "done")
    assert written(tmp_path) == alone


def test_list_with_names_and_presets(genomes, tmp_path):
    listing = tmp_path / "list.tsv"
    listing.write_text(
        "# my genomes\nname\tpath\tpreset\n"
        f"one\t{genomes[0]}\n\ntwo\t{genomes[0]}\tvirus\nthree\t{genomes[0]}\t.\n"
    )
    command = ("--genomes", listing, "--out-dir", tmp_path / "hits", "--format", "bed.gz")
    assert run(*command, "--preset", "plant") == 0
    rows = table(tmp_path / "hits")
    assert {name: row["preset"] for name, row in rows.items()} == {
        "one": "plant", "two": "virus", "three": "plant",
    }  # fmt: skip
    assert (tmp_path / "hits" / "one.bed.gz.tbi").exists()
    for name in rows:
        out = tmp_path / f"{name}.bed.gz"
        assert run(genomes[0], "--out", out, "--preset", rows[name]["preset"]) == 0
        assert (tmp_path / "hits" / out.name).read_bytes() == out.read_bytes()


def test_several_formats_of_each_genome(genomes, alone, tmp_path):
    command = (genomes[0], "--out-dir", tmp_path, "--format", "gff3.gz", "--format", "bed")
    assert run(*command) == 0
    (name,) = table(tmp_path)
    files = {
        f"{name}.bed",
        f"{name}.gff3.gz",
        f"{name}.gff3.gz.tbi",
        f"{name}.gff3.gz.summary.json",
    }
    assert {path.name for path in tmp_path.glob(f"{name}.*")} == files
    assert (tmp_path / f"{name}.bed").read_bytes() == alone[f"{name}.bed"]
    assert run(*command) == 0
    assert set(statuses(tmp_path).values()) == {"unchanged"}
    (tmp_path / f"{name}.gff3.gz").write_bytes(b"spoilt")
    assert run(*command) == 0
    assert set(statuses(tmp_path).values()) == {"done"}
    assert (tmp_path / f"{name}.gff3.gz").read_bytes() != b"spoilt"


@pytest.mark.parametrize(
    "text, message",
    [
        ("a\tx.fa\nb\n", "list.tsv:2: expected NAME, PATH and perhaps PRESET, separated by tabs"),
        ("a x.fa\n", "list.tsv:1: expected NAME, PATH"),
        ("a\tx.fa\tanimal\tmore\n", "list.tsv:1: expected NAME, PATH"),
        ("#\n\na\tx.fa\tfungus\n", "list.tsv:3: no preset 'fungus'; give one of animal, plant, v"),
        ("a\tx.fa\nA\ty.fa\n", "list.tsv:2: the name 'A' is taken by "),
        ("../a\tx.fa\n", "list.tsv:1: the name '../a' is no safe file name: use letters, digits"),
        ("-a\tx.fa\n", "list.tsv:1: the name '-a' is no safe file name"),
        ("\tx.fa\n", "list.tsv:1: the name '' is no safe file name"),
        ("name\tpath\n", "list.tsv: lists no genome"),
    ],
)
def test_bad_lines_are_named(tmp_path, capsys, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.tsv").write_text(text)
    assert run("--genomes", "list.tsv", "--out-dir", "hits") == 2
    assert capsys.readouterr().err.startswith(f"premir-scan: error: {message}")
    assert not (tmp_path / "hits").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("a.fa", "b.fa"), "several genomes need --out-dir DIR"),
        (("--genomes", "list.tsv"), "--genomes needs --out-dir DIR"),
        (("--out-dir", "d"), "--out-dir needs genomes: either their paths or --genomes TSV"),
        (("a.fa", "--genomes", "l", "--out-dir", "d"), "--out-dir needs genomes: either"),
        (("a.fa", "--out", "o", "--out-dir", "d"), "--out does not go with --out-dir"),
        (("a.fa", "--work-dir", "o", "--out-dir", "d"), "--work-dir does not go with --out-dir"),
        (("x/a.fa", "y/a.fa.gz", "--out-dir", "d"), "y/a.fa.gz: the name 'a' is taken by x/a.fa; "),
    ],
)
def test_incomplete_commands(capsys, arguments, message):
    assert run(*arguments) == 2
    assert capsys.readouterr().err.startswith(f"premir-scan: error: {message}")


@pytest.fixture(scope="module")
def read_genomes(tmp_path_factory):
    """Two genomes that share the name of a contig, and reads on hits of the first."""
    folder = tmp_path_factory.mktemp("read-genomes")
    paths = []
    for name, seed in (("one", 0), ("two", 1)):
        sequences, _ = builders.default_hits_genome(seed)
        first, *others = sequences.items()
        own = {"chr1": first[1] + "A" * seed, **{f"{name}-{key}": text for key, text in others}}
        paths.append(builders.write_fasta(folder / f"{name}.fa", own))
    assert run(paths[0], "--out", folder / "plain.bed") == 0
    hits = rows((folder / "plain.bed").read_text())
    lengths = {name: len(text) for name, text in read_records(paths[0])}
    libraries = []
    for count in (12, 40):
        reads = [
            Read(hit["chrom"], int(hit["start"]) + 4, 22, hit["strand"], f"r_x{count}")
            for hit in hits
        ]
        libraries.append(write_library(folder / f"reads-{count}.bam", lengths, reads))
    return paths, libraries


def test_reads_and_reports_are_those_of_each_genome(read_genomes, tmp_path, capsys):
    paths, (library, other) = read_genomes
    reads = ("--reads", library)
    for path, own in zip(paths, (reads, ()), strict=True):
        out = tmp_path / path.with_suffix(".bed").name
        assert run(path, "--out", out, "--report", out.with_suffix(".report.html"), *own) == 0
    capsys.readouterr()
    folder = tmp_path / "hits"
    command = (*paths, "--out-dir", folder, "--report", "report.html")
    assert run(*command, *reads) == 0
    assert "two: no library of --reads lies on its contigs" in capsys.readouterr().err
    for path in paths:
        for name in (f"{path.stem}.bed", f"{path.stem}.report.html"):
            assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()
    assert "read_verdict" in (folder / "one.bed").read_text()
    assert "read_verdict" not in (folder / "two.bed").read_text()
    assert run(*command, *reads) == 0
    assert statuses(folder) == {"one": "unchanged", "two": "unchanged"}
    # Another library is another scan of the genome that it lies on, and a lost report is one too.
    before = (folder / "one.bed").read_bytes()
    assert run(*command, "--reads", other) == 0
    assert statuses(folder) == {"one": "done", "two": "unchanged"}
    assert (folder / "one.bed").read_bytes() != before
    (folder / "two.report.html").unlink()
    assert run(*command, "--reads", other) == 0
    assert statuses(folder) == {"one": "unchanged", "two": "done"}


def test_reads_that_lie_nowhere_are_refused_before_anything_is_scanned(
    read_genomes, tmp_path, capsys
):
    (_, two), (library, _) = read_genomes
    for arguments, message in (
        (("--reads", library), f"{library}: its reads lie on none of the genomes"),
        (("--reads", two), f"{two}: holds sequences, and premir does not align"),
        (("--report", "x/r.html"), "--report x/r.html: with --out-dir this is what the names"),
        (("--report", "bed"), "two.bed: --report (two) is the same file as --out-dir (two)"),
    ):
        assert run(two, "--out-dir", tmp_path / "hits", *arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()[-1:]
        assert message in line
        assert not list((tmp_path / "hits").glob("two*"))


@pytest.mark.slow
def test_one_ray_instance_for_all(genomes, tmp_path):
    """Of each genome the decoys are tiles too."""
    decoys, folder = ("--decoys", "0.02"), tmp_path / "ray"
    assert run(*genomes, "--out-dir", tmp_path / "threads", *decoys) == 0
    options = ("--out-dir", folder, "--executor", "ray", "--threads", 2, *decoys)
    scan = ScanProcess(*THRESHOLD, *genomes, *options)
    scan.wait_until(lambda: (folder / "hcmv.bed").exists())
    raylets = sum("raylet" in process.name() for process in scan.descendants())
    code, errors = scan.end()
    assert (code, raylets) == (0, 1), errors
    assert written(folder) == written(tmp_path / "threads")
    assert all(b"\tq_value\t" in bed for bed in written(folder).values())
    assert scan.left_over() == []
