"""The columns copies and masked_fraction, and --max-copies."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import builders
import naive
import numpy as np
import pytest
from data_sets import genomes_dir
from hit_rows import rows

from premir.kernels.codes import encode
from premir.kernels.kmers import NO_KMER, PER_ARM, K, KmerTable, kmer_keys, sample_arms
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.find.loci import Loci
from premir.scanner.genome.fasta import read_records
from premir.scanner.genome.letters import Contigs, Genome, read_genome
from premir.scanner.report.evidence.copies import _sample, count_in_genome
from premir.scanner.report.material import Chunk
from premir.scanner.report.table import HitTable

ALL = ("--min-prob", 0)


def copies_of(hits):
    return [None if hit["copies"] == "." else int(hit["copies"]) for hit in hits]


def expected_copies(sequences, hits):
    """The column from the BED file's other columns and the FASTA file, the slow way."""
    genome = [naive.canonical_kmers(naive.encode(text), K) for text in sequences.values()]
    names = list(sequences)
    for hit in hits:
        start, left, right, end = (
            int(hit[name]) for name in ("start", "loop_start", "loop_end", "end")
        )
        left, right = (min(max(place, start), end) for place in (left, right))
        arms = [(start, left), (right, end)]
        if hit["strand"] == "-":
            arms = [(end - 1, right - 1), (left - 1, start - 1)]
        here = names.index(hit["chrom"])
        yield naive.copies(genome, here, (start, end), arms, k=K, per_arm=PER_ARM)


@pytest.fixture(scope="module")
def repeats(tmp_path_factory):
    """Contigs in which hairpins recur on both strands, at ends, beside N, in short scaffolds."""
    rng = np.random.default_rng(5)
    kinds = [builders.hairpin(rng, stem=26, loop=8, mismatches=m) for m in (0, 1, 2, 3, 4)]
    words = [kind for times, kind in zip((1, 1, 2, 4, 8), kinds, strict=True) for _ in range(times)]
    words = [words[n] for n in rng.permutation(len(words))]
    sequences = {}
    for name, count in (("chr1", 9), ("tiny", 1), ("chr2", 4), ("chr3", 2)):
        parts = []
        for _ in range(count):
            word = words.pop()
            parts.append(word if rng.random() < 0.5 else builders.reverse_complement(word))
            parts.append(builders.random_sequence(rng, int(rng.integers(0, 60)), 0.35))
            parts.append("N" * int(rng.integers(0, 2)))
        sequences[name] = "".join(parts)
    path = tmp_path_factory.mktemp("repeats") / "genome.fa"
    return builders.write_fasta(path, sequences), sequences


def test_copies_follow_from_the_other_columns_and_the_genome(repeats, scan):
    path, sequences = repeats
    code, text = scan(path, *ALL)
    hits = rows(text)
    assert code == 0
    assert len(hits) > 15
    assert copies_of(hits) == list(expected_copies(sequences, hits))
    assert len(set(copies_of(hits))) > 3


@pytest.mark.parametrize("piece", [1, K - 1, 50, 1 << 18])
@pytest.mark.parametrize("threads", [1, 3])
def test_counts_do_not_depend_on_pieces_and_threads(repeats, tmp_path, monkeypatch, piece, threads):
    path, sequences = repeats
    genome = read_genome(path, tmp_path / "genome.seq")
    codes = [encode(text) for text in sequences.values()]
    keys = np.concatenate([kmer_keys(contig) for contig in codes])
    table = KmerTable.of(keys[keys != NO_KMER])
    monkeypatch.setattr("premir.scanner.report.evidence.pieces._PIECE", piece)
    counts = count_in_genome(table, genome, threads=threads)
    found = keys.tolist()
    assert counts.tolist() == [found.count(key) for key in table.keys.tolist()]
    kmers = [kmer for contig in codes for kmer in naive.canonical_kmers(contig.tolist(), K)]
    assert sorted(counts.tolist()) == sorted(Counter(filter(None, kmers)).values())


@pytest.mark.parametrize("piece", [40, 1 << 18])
def test_words_across_two_contigs_do_not_count(tmp_path, monkeypatch, piece):
    rng = np.random.default_rng(4)
    word = builders.random_sequence(rng, K)
    sequences = {"whole": word}
    for n in range(1, K):
        sequences[f"{n}a"] = builders.random_sequence(rng, 30) + word[:n]
        sequences[f"{n}b"] = word[n:] + builders.random_sequence(rng, 30)
    path = builders.write_fasta(tmp_path / "genome.fa", sequences)
    genome = read_genome(path, tmp_path / "genome.seq")
    monkeypatch.setattr("premir.scanner.report.evidence.pieces._PIECE", piece)
    table = KmerTable.of(kmer_keys(encode(word)))
    assert count_in_genome(table, genome, threads=1).tolist() == [1]


@pytest.mark.parametrize("strand", [1, -1])
def test_a_loop_in_the_context_leaves_one_arm(strand):
    """Folded with 60 nt before it and 10 after it, the longest stem lies before the hit."""
    rng = np.random.default_rng(6)
    codes = rng.integers(0, 4, 130).astype(np.uint8)
    pairs = np.full(130, -1, np.int16)
    for n in range(5, 25):
        pairs[n], pairs[55 - n] = 55 - n, n
    left, right = (60, 10) if strand > 0 else (10, 60)
    columns = [np.array([value]) for value in (1000, 1060, strand, 0, 1000 - left, 1060 + right)]
    loci = Loci(np.zeros(1, np.int32), *columns)
    borders = np.array([0, 130], np.int64)
    hairpins = Hairpins(codes, pairs, np.array([-900], np.int32), borders)
    table = HitTable(loci, np.ones(1), np.zeros(1, np.int64), np.zeros(1, np.int64))
    genome = Genome(Path(), Path(), Contigs.of(["c"], [2000], bytes(32)))
    found = _sample(Chunk(table, hairpins, genome))
    start, end = np.array([60]), np.array([120])
    expected = sample_arms(codes, start, end, np.array([[[60, 60], [60, 120]]]))
    assert found.taken.tolist() == expected.taken.tolist() == [[0, PER_ARM]]
    assert np.array_equal(found.keys[0, 1], expected.keys[0, 1])


def test_hairpin_planted_n_times_has_n_minus_one_copies(scan, tmp_path):
    rng = np.random.default_rng(7)
    # Letters that do not pair stand on both sides, so that what is found ends where they begin.
    flank = "A" * 15
    planted = {n: flank + builders.hairpin(rng, stem=32, gc=0.55) + flank for n in (1, 2, 5, 12)}
    letters = {name: list(builders.random_sequence(rng, 12_000, 0.4)) for name in ("a", "b")}
    truth = []
    slots = [(name, start) for name in letters for start in range(300, 11_500, 400)]
    for n, hairpin in planted.items():
        for _ in range(n):
            name, start = slots.pop(rng.integers(len(slots)))
            start += int(rng.integers(300))
            strand = "+-"[rng.integers(2)]
            word = hairpin if strand == "+" else builders.reverse_complement(hairpin)
            letters[name][start : start + len(word)] = word
            truth.append((name, start, start + len(word), strand, n))
    assert {strand for *_, strand, n in truth if n == 12} == {"+", "-"}
    path = builders.write_fasta(
        tmp_path / "genome.fa", {name: "".join(text) for name, text in letters.items()}
    )
    code, text = scan(path, *ALL)
    assert code == 0
    for name, start, end, strand, n in truth:
        (hit,) = [
            hit
            for hit in rows(text)
            if (hit["chrom"], hit["strand"]) == (name, strand)
            and abs(int(hit["start"]) + int(hit["end"]) - start - end) <= 20
        ]
        assert int(hit["copies"]) == n - 1
    # Whoever wants single hairpins gets those, and all others that do not recur.
    _, few = scan(path, *ALL, "--max-copies", 0)
    assert rows(few) == [hit for hit in rows(text) if hit["copies"] in ("0", ".")]
    assert sum(n == 1 for *_, n in truth) == 1


def test_max_copies_leaves_out_and_counts(repeats, scan, tmp_path):
    path, _ = repeats
    work = ("--work-dir", tmp_path / "work", "--keep-work")
    _, text = scan(path, *ALL, *work)
    most = max(n for n in copies_of(rows(text)) if n is not None)

    def summary():
        return json.loads((tmp_path / "hits.bed.summary.json").read_text())

    assert (summary()["max_copies"], summary()["over_max_copies"]) == (None, 0)
    for limit in (most, 1):
        # Another limit folds and scores nothing again.
        code, limited = scan(path, *ALL, *work, "--max-copies", limit)
        expected = [
            hit for hit in rows(text) if hit["copies"] == "." or int(hit["copies"]) <= limit
        ]
        assert code == 0
        assert rows(limited) == expected
        assert f"max_copies {limit}" in limited.partition("#chrom")[0]
        counts = summary()
        assert counts["max_copies"] == limit
        assert counts["hits"] == len(expected)
        assert counts["hits"] + counts["over_max_copies"] == len(rows(text))
        assert (limit < most) == (counts["over_max_copies"] > 0)
        assert counts["tiles_reused"] == counts["scores_reused"] == counts["tiles_total"]
        assert counts["seconds_by_stage"]["copies"] >= 0
    assert scan(path, *ALL, *work) == (0, text)


def test_case_changes_the_masked_fraction_and_nothing_else(repeats, scan, tmp_path, capsys):
    path, sequences = repeats
    rng = np.random.default_rng(1)
    masked = {
        name: "".join(x.lower() if (i // 30) % 3 else x for i, x in enumerate(text))
        for name, text in sequences.items()
    }
    masked["chr2"] = masked["chr2"].lower()
    soft = tmp_path / "soft"
    soft.mkdir()
    builders.write_fasta(soft / path.name, masked, width=int(rng.integers(40, 80)))
    work = ("--work-dir", tmp_path / "work", "--keep-work")
    code, text = scan(soft / path.name, *ALL, *work)
    plain = rows(scan(path, *ALL)[1])
    assert code == 0
    shares = set()
    for hit, bare in zip(rows(text), plain, strict=True):
        letters = masked[hit["chrom"]][int(hit["start"]) : int(hit["end"])]
        share = sum(map(str.islower, letters)) / len(letters)
        assert hit["masked_fraction"] == f"{share:.3f}"
        assert bare["masked_fraction"] == "0.000"
        assert {**hit, "masked_fraction": "0.000"} == bare
        shares.add(hit["masked_fraction"])
    assert "1.000" in shares
    assert len(shares) > 5
    # The run directory of one is not that of the other, whose hits would have other columns.
    assert scan(path, *ALL, *work)[0] == 4
    assert "another run: genome is '" in capsys.readouterr().err


def test_genome_without_hits_is_not_counted(scan, tmp_path):
    builders.write_fasta(tmp_path / "a.fa", {"a": "A" * 300})
    code, text = scan(tmp_path / "a.fa", "--max-copies", 3)
    assert (code, rows(text)) == (0, [])


@pytest.mark.slow
def test_copies_of_a_real_genome(scan, tmp_path):
    records = read_records(genomes_dir() / "ebv" / "genome.fa.gz")
    sequences = {name: letters[:100_000] for name, letters in records}
    (name,) = sequences
    path = builders.write_fasta(tmp_path / "ebv.fa", sequences)
    options = ("--min-prob", 0.1, "--kin", "none")
    _, text = scan(path, *options)
    hits = rows(text)
    assert scan(path, *options, "--tile-size", 30_011, "--threads", 3) == (0, text)
    # EBV has about seven copies of a repeat of 3 kb, and most of the rest occurs once.
    assert copies_of(hits).count(0) > 0.5 * len(hits)
    assert sum(n is not None and n >= 5 for n in copies_of(hits)) > 10
    some = hits[:: len(hits) // 12]
    assert copies_of(some) == list(expected_copies(sequences, some))

    builders.write_fasta(path, {name: builders.reverse_complement(sequences[name])})
    _, mirrored = scan(path, *options)
    size = len(sequences[name])

    def key(hit, flip):
        start, end, strand = int(hit["start"]), int(hit["end"]), hit["strand"]
        if flip:
            start, end, strand = size - end, size - start, {"+": "-", "-": "+"}[strand]
        return start, end, strand, hit["prob"], hit["copies"], hit["masked_fraction"]

    assert {key(hit, False) for hit in hits} == {key(hit, True) for hit in rows(mirrored)}
