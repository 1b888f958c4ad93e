"""Whole scans: what must not depend on how they run, and what comes out."""

from __future__ import annotations

import gzip
import json
import shutil

import builders
import numpy as np
import pysam
import pytest
import RNA
from hit_rows import rows

from premir.scanner.cli import main
from premir.scanner.find import shards
from premir.scanner.score.networks.variable import VariableConvNet

ARRAY_OPTIONS = ("--min-prob", "0", "--max-span", "80")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """For windows, of which there are many."""
    sequences, truth = builders.planted_genome(seed=3, contigs={"chr1": 1600, "b": 150, "c": 60})
    path = tmp_path_factory.mktemp("tiny") / "genome.fa"
    return builders.write_fasta(path, sequences), sequences, truth


@pytest.fixture(scope="module")
def windows(tiny, tmp_path_factory):
    """A scan in windows."""
    path = tmp_path_factory.mktemp("windows") / "hits.bed"
    options = ["--extractor", "windows", "--min-prob", "0", "--quiet"]
    assert main([str(tiny[0]), "--out", str(path), *options]) == 0
    return path.read_text()


def test_planted_hairpins_are_among_the_hits(small_genome, reference):
    _, _, truth = small_genome
    hits = rows(reference)
    for contig, start, end, name, strand in truth:
        assert any(
            hit["chrom"] == contig
            and hit["strand"] == strand
            and abs(int(hit["start"]) + int(hit["end"]) - start - end) <= 30
            for hit in hits
        ), name


def find_fold(contig, start, end, context=20):
    """The interval with its context, clipped at the contig's ends and at unknown letters."""
    first, last = start, end
    for _ in range(context):
        first -= first > 0 and contig[first - 1].upper() in "ACGTU"
        last += last < len(contig) and contig[last].upper() in "ACGTU"
    return first, last


def test_columns_agree_with_the_genome(small_genome, reference):
    _, sequences, _ = small_genome
    hits = rows(reference)
    assert len(hits) > 10
    for hit in hits:
        start, end = int(hit["start"]), int(hit["end"])
        dna = sequences[hit["chrom"]][start:end]
        if hit["strand"] == "-":
            dna = builders.reverse_complement(dna)
        assert end - start == int(hit["length"])
        assert len(hit["structure"]) == len(hit["sequence"])
        # What is folded has the model's context on both sides, as far as there is any.
        hairpin = dna.upper().replace("T", "U")
        left, right = hit["sequence"].split(hairpin)
        assert not any(map(str.isupper, left + right))
        assert RNA.fold(hairpin)[1] == pytest.approx(float(hit["mfe_hairpin"]), abs=1e-3)
        folded = find_fold(sequences[hit["chrom"]], start, end)
        assert len(hit["sequence"]) == folded[1] - folded[0]
        assert hit["name"] == f"{hit['chrom']}:{start + 1}-{end}({hit['strand']})"
        by_rate = 500 - 250 * np.log10(float(hit["fp_per_mb"]))  # which has three digits
        assert int(hit["score"]) == pytest.approx(np.clip(by_rate, 0, 1000), abs=2)
        odds = 1 / (1 + np.exp(-float(hit["log_odds"]) - np.log1p(int(hit["kin"]))))
        if hit["similarity"] == "." or float(hit["similarity"]) <= 1.5:
            assert float(hit["prob"]) == pytest.approx(odds, abs=1e-6)
        else:  # log odds know of a known family, too
            assert float(hit["prob"]) < odds
        a, b = int(hit["loop_start"]) - folded[0], int(hit["loop_end"]) - folded[0]
        structure = hit["structure"] if hit["strand"] == "+" else hit["structure"][::-1]
        assert set(structure[a:b]) == {"."}
        assert {structure[a - 1], structure[b]} == {"(", ")"}
        lower = sum(letter.islower() for letter in sequences[hit["chrom"]][start:end])
        assert float(hit["masked_fraction"]) == pytest.approx(lower / (end - start), abs=1e-3)
        sizes = [int(hit["loop_start"]) - start, end - int(hit["loop_end"])]
        if min(sizes) > 0:
            assert hit["block_sizes"] == f"{sizes[0]},{sizes[1]}"
            assert hit["block_starts"] == f"0,{int(hit['loop_end']) - start}"
        else:
            assert (hit["block_sizes"], hit["block_starts"]) == (hit["length"], "0")


def test_hits_are_sorted_and_do_not_contest_each_other(small_genome, reference):
    order = {name: number for number, name in enumerate(small_genome[1])}
    hits = rows(reference)
    keys = [(order[h["chrom"]], int(h["start"]), int(h["end"]), h["strand"] == "-") for h in hits]
    assert keys == sorted(keys)
    for n, a in enumerate(hits):
        for b in hits[n + 1 :]:
            if a["chrom"] == b["chrom"] and a["strand"] == b["strand"]:
                shared = min(int(a["end"]), int(b["end"])) - max(int(a["start"]), int(b["start"]))
                assert 2 * shared < min(int(a["length"]), int(b["length"]))


@pytest.mark.parametrize(
    "options",
    [
        ("--threads", 1),
        ("--folder", "viennarna"),
        ("--tile-size", 700),
        ("--tile-size", 1511, "--threads", 3),
    ],
)
def test_bytes_do_not_depend_on_tiles_and_threads(small_genome, reference, scan, options):
    assert scan(small_genome[0], "--min-prob", 0, *options) == (0, reference)


def test_bytes_do_not_depend_on_batches(small_genome, reference, scan, monkeypatch):
    monkeypatch.setitem(VariableConvNet.cells, "cpu", 1)
    assert scan(small_genome[0], "--min-prob", 0) == (0, reference)


def test_line_width_case_of_u_and_compression_do_not_matter(
    small_genome, reference, scan, tmp_path
):
    sequences = {name: text.replace("T", "U") for name, text in small_genome[1].items()}
    path = tmp_path / "genome.fa.gz"
    builders.write_fasta(path, sequences, width=7)
    code, text = scan(path, "--min-prob", 0)
    assert code == 0
    assert rows(text) == rows(reference)


def test_reverse_complement_gives_mirrored_hits(small_genome, reference, scan, tmp_path):
    _, sequences, _ = small_genome
    path = tmp_path / "mirror.fa"
    builders.write_fasta(
        path, {name: builders.reverse_complement(text) for name, text in sequences.items()}
    )
    _, text = scan(path, "--min-prob", 0)

    def key(hit, flip):
        n = len(sequences[hit["chrom"]])
        start, end, strand = int(hit["start"]), int(hit["end"]), hit["strand"]
        if flip:
            start, end, strand = n - end, n - start, {"+": "-", "-": "+"}[strand]
        same = (hit[name] for name in ("prob", "mfe", "masked_fraction", "copies", "structure"))
        blocks = hit["block_sizes"].split(",")[:: -1 if flip else 1]
        return hit["chrom"], start, end, strand, *blocks, *same

    assert {key(hit, True) for hit in rows(text)} == {key(hit, False) for hit in rows(reference)}


def test_min_prob_selects_from_the_canonical_scores(small_genome, reference, scan):
    # 0.9 lies within the float32 noise of nothing in particular; what counts is that merging
    # comes after the threshold and cannot change what is above it.
    _, text = scan(small_genome[0], "--min-prob", 0.9)
    expected = [hit for hit in rows(reference) if float(hit["prob"]) >= 0.9]
    names = {hit["name"] for hit in expected}
    for hit in expected:
        if hit["mirror"] not in names:  # its partner is below the threshold
            hit["mirror"] = hit["mirror_log_odds"] = "."
    assert rows(text) == expected
    assert 0 < len(expected) < len(rows(reference))


@pytest.mark.parametrize(
    "kind, genome, whole, start, end",
    [
        ("stems", "small_genome", "reference", 1000, 2600),
        ("windows", "tiny", "windows", 300, 800),
    ],
)
def test_regions_are_the_full_scan_restricted(
    request, scan, tmp_path, kind, genome, whole, start, end
):
    path, sequences, _ = request.getfixturevalue(genome)
    name = max(sequences, key=lambda contig: len(sequences[contig]))
    middle = (start + end) // 2
    code, text = scan(
        path, "--min-prob", 0, "--extractor", kind,
        "--regions", f"{name}:{start + 1:,}-{middle + 200}", "--regions", f"{name}:{middle}-{end}",
    )  # fmt: skip
    expected = [
        hit
        for hit in rows(request.getfixturevalue(whole))
        if hit["chrom"] == name and start <= (int(hit["start"]) + int(hit["end"])) // 2 < end
    ]
    assert code == 0
    assert len(expected) >= 3
    assert rows(text) == expected
    scanned = json.loads((tmp_path / "hits.bed.summary.json").read_text())["megabases_scanned"]
    assert scanned <= 0.004  # one margin is enough here


@pytest.fixture(scope="module")
def array(tmp_path_factory):
    """A tandem array of a palindrome, whose hairpins tie and contest each other along all of it."""
    rng = np.random.default_rng(0)
    half = "GCATTCGGATCTAGCAC"
    unit = half + builders.reverse_complement(half) + "AAAC"
    ends = [builders.random_sequence(rng, 300, 0.4) for _ in range(2)]
    path = tmp_path_factory.mktemp("array") / "genome.fa"
    sequence = ends[0] + 76 * unit + ends[1]
    return builders.write_fasta(path, {"c": sequence}), len(sequence)


@pytest.fixture(scope="module")
def array_scan(array, tmp_path_factory):
    """All hits of the array."""
    path = tmp_path_factory.mktemp("array") / "hits.bed"
    assert main([str(array[0]), "--out", str(path), *ARRAY_OPTIONS, "--quiet"]) == 0
    return rows(path.read_text())


@pytest.mark.parametrize("where", ["left", "middle", "right"])
def test_margins_grow_until_no_hit_inside_depends_on_what_is_beyond(
    array, array_scan, scan, tmp_path, where
):
    path, size = array
    # On the plus strand ties are settled from the left end on, on the minus strand from the right.
    start, end = {
        "left": (1, 500),
        "middle": (size // 2, size // 2 + 200),
        "right": (size - 500, size),
    }[where]
    code, text = scan(path, *ARRAY_OPTIONS, "--regions", f"c:{start}-{end}")
    expected = [
        hit for hit in array_scan if start - 1 <= (int(hit["start"]) + int(hit["end"])) // 2 < end
    ]
    assert code == 0
    assert {hit["strand"] for hit in expected} == {"+", "-"}
    assert rows(text) == expected
    # Two margins of 640 and 2,560 nt were not enough for the ends.
    scanned = json.loads((tmp_path / "hits.bed.summary.json").read_text())["megabases_scanned"]
    assert scanned == size / 1e6


def test_windows_lie_on_the_grid_of_their_strand(tiny, windows):
    _, sequences, _ = tiny
    assert len(rows(windows)) > 10
    for hit in rows(windows):
        n = len(sequences[hit["chrom"]])
        five_prime = int(hit["start"]) if hit["strand"] == "+" else n - int(hit["end"])
        assert five_prime % 10 == 0
        assert int(hit["length"]) == min(110, n)


def test_compressed_output_is_indexed_and_the_same(small_genome, reference, tmp_path):
    path = tmp_path / "hits.bed.gz"
    arguments = [str(small_genome[0]), "--out", str(path), "--min-prob", "0", "-q"]
    assert main(arguments) == 0
    with gzip.open(path, "rt") as handle:
        assert handle.read() == reference
    hit = rows(reference)[3]
    with pysam.TabixFile(str(path)) as index:
        found = list(index.fetch(hit["chrom"], int(hit["start"]), int(hit["end"])))
    assert any(line.split("\t")[3] == hit["name"] for line in found)


def test_stdout_carries_the_hits_only(small_genome, reference, capsys):
    assert main([str(small_genome[0]), "--out", "-", "--min-prob", "0", "-q"]) == 0
    captured = capsys.readouterr()
    assert captured.out == reference
    assert captured.err == ""


def test_candidates_without_out_are_not_folded(small_genome, tmp_path, monkeypatch):
    path = tmp_path / "candidates.bed"
    both = ["--candidates", str(path), "-q"]
    assert main([str(small_genome[0]), "--out", str(tmp_path / "hits.bed"), *both]) == 0
    with_fold = path.read_text()
    monkeypatch.setattr("premir.scanner.find.folding.fold_batch", None)  # any fold would fail now
    assert main([str(small_genome[0]), *both]) == 0
    assert path.read_text() == with_fold
    lines = [line.split("\t") for line in with_fold.splitlines()]
    assert {len(fields) for fields in lines} == {6}
    assert all(int(fields[4]) >= 2000 for fields in lines)
    for _, _, truth in [small_genome]:
        for contig, start, end, name, strand in truth:
            assert any(
                f[0] == contig and f[5] == strand and abs(int(f[1]) + int(f[2]) - start - end) <= 30
                for f in lines
            ), name


def test_summary_counts(small_genome, scan, tmp_path):
    _, text = scan(small_genome[0], "--min-prob", 0, "--tile-size", 2000)
    summary = json.loads((tmp_path / "hits.bed.summary.json").read_text())
    assert summary["hits"] == len(rows(text))
    assert summary["candidates"] == summary["scored"] == summary["above_threshold"]
    assert summary["contigs"] == len(small_genome[1])
    assert summary["min_prob"] == 0
    assert summary["megabases"] == sum(map(len, small_genome[1].values())) / 1e6
    assert summary["tiles_total"] == summary["tiles_new"] == summary["scores_new"] > 3
    speed = summary["megabases"] / summary["seconds"] * 60
    assert summary["mb_per_min"] == pytest.approx(speed, rel=0.02)  # both are rounded
    assert {"candidates", "folding", "scoring", "canonical"} <= summary["seconds_by_stage"].keys()


def test_kept_shards_open_with_the_documented_reader(small_genome, scan, tmp_path):
    work = tmp_path / "work"
    scan(small_genome[0], "--work-dir", work, "--keep-work")
    count = 0
    for path in sorted((work / "shards").glob("*.h5")):
        for tensors, lengths in shards.iterate_tensors(path, batch=5):
            assert tensors.shape == (len(lengths), 9, lengths.max(), lengths.max())
            count += len(lengths)
    summary = json.loads((tmp_path / "hits.bed.summary.json").read_text())
    assert count == summary["folded"] < summary["candidates"]
    shutil.rmtree(work)


def test_contig_without_candidates_gives_an_empty_file(scan, tmp_path):
    builders.write_fasta(tmp_path / "n.fa", {"n": "N" * 500, "short": "ACGT", "a": "A" * 300})
    code, text = scan(tmp_path / "n.fa")
    assert code == 0
    assert rows(text) == []


@pytest.mark.parametrize("preset, longest", [("animal", 160), ("plant", 300), ("virus", 120)])
def test_presets_set_the_longest_hairpin(tiny_genome, scan, tmp_path, preset, longest):
    code, text = scan(tiny_genome[0], "--preset", preset, "--min-prob", 0)
    assert code == 0
    assert f"## preset {preset} extractor stems max_span {longest} min_prob 0" in text.splitlines()
    assert 0 < max(int(hit["length"]) for hit in rows(text)) <= longest
    assert json.loads((tmp_path / "hits.bed.summary.json").read_text())["preset"] == preset
