"""Features that hits lie in: --mark, --exclude and --max-masked."""

from __future__ import annotations

import gzip
import itertools
import json
from dataclasses import replace
from pathlib import Path

import builders
import numpy as np
import pytest
from hit_rows import hits_in, rows

from premir.scanner.cli import main
from premir.scanner.errors import InputError
from premir.scanner.genome.letters import Contigs
from premir.scanner.report.evidence.features import files, track
from premir.scanner.report.evidence.features.files import FeatureFile
from premir.scanner.report.evidence.overlaps import overlapping

GFF = """\
##gff-version 3
a\tRefSeq\tregion\t1\t1000\t.\t+\t.\tID=a
a\tx\texon\t9\t20\t.\t-\t.\tID=e1;Name=first one
a\tx\texon\t101\t110\t.\t-\t.\tgene_id "G1"; transcript_id "T1";
b\tx\tdispersed_repeat\t3\t4\t.\t-\t.\tTarget=AluSx 1 299 +
b\tx\ttRNA\t3\t10\t.\t+\t.\t.
elsewhere\tx\ttRNA\t3\t10\t.\t+\t.\t.
##FASTA
>a
ACGT
"""


def checked(path: Path, text: str, *types: str) -> FeatureFile:
    path.write_text(text)
    return FeatureFile.checked(path, types)


def all_of(file: FeatureFile) -> list[tuple[str, int, int, int, str]]:
    return [
        (some.contigs[n], int(some.start[n]), int(some.end[n]), int(some.lines[n]), some.labels(n))
        for some in file.read()
        for n in range(len(some.contigs))
    ]


def test_gff_as_it_is_met(tmp_path):
    """Landmarks do not count, names are the best that there are, letters behind it are none."""
    assert all_of(checked(tmp_path / "x.txt", GFF)) == [
        ("a", 8, 20, 3, "exon:first one"),
        ("a", 100, 110, 4, "exon:G1"),
        ("b", 2, 4, 5, "dispersed_repeat:AluSx"),
        ("b", 2, 10, 6, "tRNA"),
        ("elsewhere", 2, 10, 7, "tRNA"),
    ]
    named = checked(tmp_path / "x.gff3", GFF, "region", "tRNA")
    assert [each[3] for each in all_of(named)] == [2, 6, 7]


@pytest.mark.parametrize("compress", [False, True])
def test_bed_as_it_is_met(tmp_path, compress, monkeypatch):
    text = 'track name="x"\nbrowser x\n#chrom\n\na\t0\t5\r\na\t3\t3\tAlu,Y\t0\t+\nb\t7\t9\t.'
    path = tmp_path / "rRNA.bed.gz"
    path.write_bytes(gzip.compress(text.encode()) if compress else text.encode())
    expected = [("a", 0, 5, 5, "rRNA"), ("a", 3, 3, 6, "Alu;Y"), ("b", 7, 9, 7, "rRNA")]
    assert all_of(FeatureFile.checked(path)) == expected
    # However the text comes, lines are whole.
    monkeypatch.setattr(files, "read_blocks", lambda *_, **__: (bytes([x]) for x in text.encode()))
    assert all_of(FeatureFile.checked(path)) == expected


@pytest.mark.parametrize(
    "text, message",
    [
        ("a\t1\n", "line 1: expected contig, start and end (BED) or the nine columns of GFF, with"),
        ("#\na 1 2\n", "line 2: expected contig, start and end (BED) or the nine columns of GFF"),
        ("a\t1\t2\na\t1\tx\n", "line 2: expected contig, start and end (BED), with tabs between"),
        ("a\t9\t2\n", "line 1: ends at 2, before its start 9"),
        ("a\tx\texon\t0\t2\t.\t+\t.\t.\n", "line 1: expected contig, start and end (BED) or the"),
        (f"{GFF.partition('##F')[0]}a\t1\t2\n", "line 8: expected the nine columns of GFF, with"),
        ("#a\n", "holds no feature"),
        ("a\tx\tregion\t1\t2\t.\t+\t.\t.\n", "holds no feature"),
        ("", "file is empty; expected BED or GFF"),
    ],
)
def test_what_is_no_feature_is_named_before_the_scan(tmp_path, capsys, text, message):
    path, out = tmp_path / "f.bed", tmp_path / "hits.bed"
    path.write_text(text)
    fasta = builders.write_fasta(tmp_path / "genome.fa", {"a": "ACGT" * 300})
    for option in ("--exclude", "--mark"):
        assert main([str(fasta), "--out", str(out), option, str(path)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"premir-scan: error: {path}: {message}")
    assert not list(tmp_path.glob("hits*"))


def test_no_feature_of_a_type_and_none_from_a_stream(tmp_path):
    with pytest.raises(InputError, match=r"x\.gff: holds no feature of type gene, rRNA"):
        checked(tmp_path / "x.gff", GFF, "rRNA", "gene")
    with pytest.raises(InputError, match="is a stream; features are read twice"):
        FeatureFile.checked(Path("-"))


def test_a_file_that_changes_is_not_read_on(tmp_path):
    file = checked(tmp_path / "x.bed", "a\t1\t2\n")
    file.path.write_text("a\t1\t3\n")
    with pytest.raises(InputError, match=r"x\.bed: changed during the scan"):
        list(file.read())


def test_features_of_another_genome_are_told(tmp_path, caplog):
    contigs = Contigs.of(["a", "b"], [1000, 9], bytes(64))
    checked(tmp_path / "x.gff", GFF).compare(contigs)
    assert caplog.messages == [
        f"{tmp_path}/x.gff: 1 of 5 features lie on contigs that the genome does not have, as "
        "elsewhere",
        f"{tmp_path}/x.gff: line 6: ends at 10, and b has 9 nt; is it of this genome?",
    ]


def test_pairs_are_those_of_the_naive_search():
    rng = np.random.default_rng(2)
    for _ in range(60):
        sizes = rng.integers(0, 12, 2)
        (a, b), (c, d) = (
            (start, start + rng.integers(0, 30, n))
            for n in sizes
            for start in [rng.integers(0, 60, n)]
        )
        found = overlapping(a, b, c, d)
        expected = [
            (i, j)
            for j in range(c.size)
            for i in range(a.size)
            if min(b[i], d[j]) > max(a[i], c[j])
        ]
        assert sorted(zip(*map(np.ndarray.tolist, found), strict=True)) == sorted(expected)


def test_marks_and_shares_of_hits_made_by_hand(tmp_path):
    """Several files are one; what lies beyond a contig's end is not on the next contig."""
    records = [(0, 0, 16, 1), (0, 4, 20, -1), (0, 984, 1000, 1), (1, 0, 16, -1)]
    table, source = hits_in(tmp_path, ["a", "b"], records)
    bed = "a\t0\t4\tx\na\t2\t8\ty\na\t2\t8\ty\na\t999\t2000\tz\nb\t16\t20\tbeside\na\t18\t20\tw\n"
    one = checked(tmp_path / "one.bed", bed)
    two = checked(tmp_path / "two.gff", GFF)
    found: dict[int, dict[str, list[set[int]]]] = {}
    for contig, start, end, _, label in [*all_of(one), *all_of(two)]:
        for n, (number, first, last, _) in enumerate(records):
            letters = set(range(first, last)) & set(range(start, min(end, 1000)))
            if contig == "ab"[number] and letters:
                found.setdefault(n, {}).setdefault(label, []).append(letters)
    expected = [
        ",".join(sorted(own, key=lambda x: (-max(map(len, own[x])), x))[:5]) if own else None
        for own in (found.get(n, {}) for n in range(4))
    ]
    covered = [
        len(set().union(*itertools.chain(*found.get(n, {}).values()))) / 16 for n in range(4)
    ]

    def told(**settings):
        return replace(source, search=replace(source.search, **settings))

    names, shares = track.mark(table, told(mark=[one, two]))
    assert names.tolist() == expected
    assert shares.tolist() == covered
    assert sorted(covered)[0] < 0.5 < sorted(covered)[-1]
    (alone,) = track.exclude(table, told(exclude=[one]))
    assert alone.tolist() == [8 / 16, 6 / 16, 1 / 16, 0]
    nothing = table.take(table.row < 0)
    assert [each.size for each in track.mark(nothing, told(mark=[one]))] == [0, 0]


def test_five_names_are_enough(tmp_path):
    table, source = hits_in(tmp_path, ["a"], [(0, 0, 16, 1)])
    text = "".join(f"a\t0\t{n + 1}\t{'gfedcba'[n]}\n" for n in range(7))
    file = checked(tmp_path / "x.bed", text)
    source = replace(source, search=replace(source.search, mark=[file]))
    assert track.mark(table, source)[0].tolist() == ["a,b,c,d,e"]


# In scans


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    """Hits in upper case, in lower case and half in either."""
    sequences, _ = builders.default_hits_genome()
    pieces = {"chr2": sequences["chr2"][4_000:], "chr3": sequences["chr3"][:5_000]}
    letters = pieces["chr3"]
    pieces["chr3"] = letters[:3_000] + "".join(
        x.lower() if k // 50 % 2 else x for k, x in enumerate(letters[3_000:])
    )
    return builders.write_fasta(tmp_path_factory.mktemp("genome") / "genome.fa", pieces)


LOW = ("--min-prob", "0.9")


@pytest.fixture(scope="module")
def plain(genome, tmp_path_factory):
    """Hits without any of this, and what their columns say."""
    out = tmp_path_factory.mktemp("plain") / "hits.bed"
    assert main([str(genome), "--out", str(out), *LOW, "-q"]) == 0
    return rows(out.read_text())


def summary_of(path):
    return json.loads(path.with_name(f"{path.name}.summary.json").read_text())


@pytest.fixture(scope="module")
def annotation(plain, tmp_path_factory):
    """All but the first hit's last letters, a bit more and a bit less than half of two others."""
    path = tmp_path_factory.mktemp("annotation") / "features.bed.gz"
    first, second, third = [hit for hit in plain if hit["mirror"] == "."][:3]
    middle = [(int(hit["start"]) + int(hit["end"])) // 2 for hit in (second, third)]
    features = [
        (first["chrom"], int(first["start"]) - 9, int(first["end"]) - 2, "rRNA"),
        (second["chrom"], int(second["start"]), middle[0] + 2, "Alu"),
        (third["chrom"], int(third["start"]), middle[1] - 2, "exon"),
        ("nowhere", 1, 2, "x"),
    ]
    lines = ("\t".join(map(str, each)) + "\n" for each in features)
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return path


def test_excluded_hits_are_left_out_and_marked_ones_named(
    genome, plain, annotation, scan, tmp_path
):
    """The other lines are the same, also in parts and with other tiles."""
    work = ("--work-dir", tmp_path / "work", "--keep-work", *LOW)
    _, text = scan(genome, *work, "--mark", annotation)
    marked = rows(text)
    for hit, before in zip(marked, plain, strict=True):
        assert before.items() <= hit.items()
    named = [hit for hit in marked if hit["mirror"] == "."][:3]
    assert [hit["features"] for hit in named] == ["rRNA", "Alu", "exon"]
    assert any(hit["features"] == "." and hit["features_fraction"] == "0.000" for hit in marked)
    assert f"## mark {annotation.name} sha256 " in text

    options = (*work, "--mark", annotation, "--exclude", annotation)
    _, text = scan(genome, *options)
    left = [hit for hit in marked if float(hit["features_fraction"]) <= 0.5]
    assert [hit in left for hit in named] == [False, False, True]
    assert [
        {name: value for name, value in hit.items() if name != "excluded_fraction"}
        for hit in rows(text)
    ] == left
    told = summary_of(tmp_path / "hits.bed")
    assert told["excluded"] == len(marked) - len(left)
    assert told["exclude"] == told["mark"] == [str(annotation)]
    assert told["tiles_reused"] == told["tiles_total"]

    parts = (*options[-4:], *LOW, "--tile-size", "1500")
    for part in ("1/2", "2/2"):
        assert scan(genome, *parts, "--part", part, out="parts.bed") == (0, None)
    assert scan(genome, *parts, "--finalise", out="parts.bed") == (0, text)


def test_soft_masked_hits_are_left_out(genome, plain, scan, tmp_path, capsys):
    shares = [float(hit["masked_fraction"]) for hit in plain]
    assert len({share > 0.3 for share in shares}) == 2
    report = tmp_path / "report.html"
    code, text = scan(genome, *LOW, "--max-masked", "0.3", "--report", report)
    assert (code, capsys.readouterr().err) == (0, "")
    kept = [hit for hit, share in zip(plain, shares, strict=True) if share <= 0.3]
    assert rows(text) == kept
    assert "max_masked_fraction 0.3" in text
    told = summary_of(tmp_path / "hits.bed")
    assert (told["max_masked"], told["over_max_masked"]) == (0.3, len(plain) - len(kept))
    assert "At most 0.3 masked_fraction" in report.read_text()

    upper = tmp_path / "upper.fa"
    upper.write_text(genome.read_text().upper().replace("CHR", "chr"))
    code, text = scan(upper, *LOW, "--max-masked", "0.3")
    assert f"{upper}: nothing is soft-masked, no letter is in lower case" in capsys.readouterr().err
    assert [hit["name"] for hit in rows(text)] == [hit["name"] for hit in plain]


def test_many_genomes_are_scanned_again_for_other_features(genome, annotation, tmp_path, capsys):
    """Features belong to the settings: of the file, not of its name."""
    own = tmp_path / "own.bed"
    own.write_bytes(gzip.decompress(annotation.read_bytes()))
    command = [str(genome), "--out-dir", str(tmp_path / "out"), *LOW, "--exclude", str(own), "-q"]
    told = []
    for change in (None, None, "chr2\t0\t9\n"):
        if change is not None:
            own.write_text(change)
        assert main(command) == 0
        table = (tmp_path / "out" / "genomes.tsv").read_text()
        text = (tmp_path / "out" / "genome.bed").read_text()
        told.append((table.splitlines()[1].split("\t")[3], len(rows(text))))
    assert [status for status, _ in told] == ["done", "unchanged", "done"]
    assert told[0][1] == told[1][1] < told[2][1]
    assert "own.bed: 1 of 4 features lie on contigs that" in capsys.readouterr().err
