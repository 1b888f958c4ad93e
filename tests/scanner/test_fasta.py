from __future__ import annotations

import gzip
import hashlib

import builders
import numpy as np
import pytest

from premir.scanner import fasta
from premir.scanner.errors import InputError
from premir.scanner.fasta import fasta_pieces, read_records
from premir.scanner.genome import read_genome, read_letters, read_pieces

SEQUENCES = {"chr1": "ACGTNacgtURYK" * 30, "chr2": "GATTACA" * 100, "tiny": "A"}


def read_all(path):
    return {name: letters for name, letters in read_records(path)}


@pytest.mark.parametrize("suffix", [".fa", ".fa.gz"])
@pytest.mark.parametrize("width", [1, 60, 10_000])
def test_plain_and_gzip_give_the_same_letters(tmp_path, suffix, width):
    path = tmp_path / f"genome{suffix}"
    builders.write_fasta(path, SEQUENCES, width=width)
    assert read_all(path) == SEQUENCES


def test_bgzip_gives_the_same_letters(tmp_path):
    path = tmp_path / "genome.fa.gz"
    builders.write_fasta(path, SEQUENCES, bgzip=True)
    assert read_all(path) == SEQUENCES


def test_windows_line_ends_and_missing_last_line_end(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_bytes(b">a first contig\r\nACGT\r\nAC\r\n\r\n>b\r\nGG")
    assert read_all(path) == {"a": "ACGTAC", "b": "GG"}


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64])
def test_block_borders_do_not_matter(tmp_path, monkeypatch, block):
    path = tmp_path / "genome.fa"
    builders.write_fasta(path, SEQUENCES, width=13)
    monkeypatch.setattr(fasta, "_BLOCK", block)
    assert read_all(path) == SEQUENCES


FAULTS = {
    "empty file": (b"", "file is empty; expected FASTA"),
    "no header": (b"ACGT\n", "line 1: not FASTA: expected a line that starts with '>'"),
    "fastq": (b"@read\nACGT\n+\nIIII\n", "line 1: this is FASTQ; premir reads FASTA"),
    "headers only": (b">a\n>b\n", "a:1: record has no sequence; remove it or restore it"),
    "last record empty": (b">a\nAC\n>b\n", "b:3: record has no sequence; remove it or restore it"),
    "header at the very end": (b">a\nAC\n>b", "b:3: record has no sequence"),
    "no name": (b">a\nAC\n>\nAC\n", "line 3: record has no name: write it right after '>'"),
    "blank name": (b"> a\nAC\n", "line 1: record has no name: write it right after '>'"),
    "duplicate": (b">a x\nAC\n>b\nAC\n>a y\nGG\n", "a:5: name occurs twice"),
    "protein": (b">p\nMKV\nLEF\n", "p:3: 'L' is not a nucleotide letter; looks like protein"),
    "ambiguous protein": (
        b">p\n" + b"MKVSDHRYWM" * 3 + b"\n",
        "p:1: looks like protein: fewer than half of the letters are A, C, G, T, U or N",
    ),
    "blank inside": (b">a\nAC\nGT AC\n", "a:3: blank inside the sequence: remove it"),
    "tab inside": (b">a\nAC\tGT\n", "a:2: blank inside the sequence: remove it"),
    "nul": (b">a\nACGT\nAC\0GT\n", "a:3: NUL byte inside the sequence: the file is damaged"),
    "digit": (b">a\nACGT\nAC1GT\n", "a:3: '1' is not a nucleotide letter; remove it"),
    "greater inside": (b">a\nAC>b\n", "a:2: '>' inside a sequence line"),
    "gap": (b">a\nAC-GT\n", "a:2: '-' is not a nucleotide letter; remove it"),
}


@pytest.mark.parametrize("content, message", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("block", [3, 1 << 20])
def test_faults_name_contig_and_line(tmp_path, monkeypatch, content, message, block):
    monkeypatch.setattr(fasta, "_BLOCK", block)
    path = tmp_path / "bad.fa"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(fasta_pieces(path))
    assert str(caught.value).startswith(f"{path}: {message}")


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(InputError, match=r"none\.fa: cannot be read: No such file"):
        list(fasta_pieces(tmp_path / "none.fa"))
    with pytest.raises(InputError, match="is a directory"):
        list(fasta_pieces(tmp_path))


def test_truncated_and_damaged_gzip(tmp_path):
    content = gzip.compress(b">a\n" + b"ACGT\n" * 5000)
    for broken in (content[:-20], content[:40], content[:60] + b"\xff" * 30 + content[90:]):
        path = tmp_path / "cut.fa.gz"
        path.write_bytes(broken)
        with pytest.raises(InputError, match="gzip data are truncated or damaged"):
            list(fasta_pieces(path))


def test_bgzip_cut_at_a_block_border(tmp_path):
    # A gzip reader is content with this: whole blocks, and then nothing.
    path = tmp_path / "genome.fa.gz"
    builders.write_fasta(path, {"a": "ACGT" * 50_000}, bgzip=True)
    path.write_bytes(path.read_bytes()[:-28])
    with pytest.raises(InputError, match="bgzip end-of-file block is missing"):
        list(fasta_pieces(path))


def test_genome_store_holds_the_letters_by_position(tmp_path):
    path = tmp_path / "genome.fa"
    builders.write_fasta(path, SEQUENCES, width=17)
    genome = read_genome(path, tmp_path / "store")
    assert [(c.name, c.length) for c in genome.contigs] == [
        (name, len(letters)) for name, letters in SEQUENCES.items()
    ]
    contig = genome.contigs[1]
    letters = read_letters(genome.store, contig.offset + 3, contig.offset + 10)
    assert bytes(letters) == SEQUENCES["chr2"][3:10].encode()
    assert genome.length == sum(map(len, SEQUENCES.values()))
    with pytest.raises(InputError, match="shorter than the genome"):
        read_letters(genome.store, genome.length - 1, genome.length + 1)


def test_digest_depends_on_names_and_letters(tmp_path):
    digests = set()
    for number, sequences in enumerate(
        [{"a": "ACGT", "b": "CC"}, {"a": "ACGT", "c": "CC"}, {"a": "ACGC", "b": "TC"}]
    ):
        builders.write_fasta(tmp_path / "g.fa", sequences)
        digests.add(read_genome(tmp_path / "g.fa", tmp_path / f"store{number}").digest())
    assert len(digests) == 3
    assert np.all([len(digest) == 64 for digest in digests])


def test_contigs_are_columns_and_rows(tmp_path):
    builders.write_fasta(tmp_path / "g.fa", {"a": "ACGTA", "b": "gg", "c": "NNN"})
    genome = read_genome(tmp_path / "g.fa", tmp_path / "store")
    contigs = genome.contigs
    assert (len(contigs), genome.length) == (3, 10)
    assert contigs.names == ["a", "b", "c"]
    assert contigs.offsets.tolist() == [0, 5, 7]
    assert [(c.name, c.length, c.offset) for c in contigs] == [
        ("a", 5, 0),
        ("b", 2, 5),
        ("c", 3, 7),
    ]
    assert contigs[-1] == contigs[2] == contigs[1:][1]
    assert contigs[1].sha256 == hashlib.sha256(b"gg").hexdigest()


def test_pieces_of_a_store_are_read_in_order(tmp_path):
    path = tmp_path / "store"
    path.write_bytes(b"ABCDEFGHIJ")
    starts, ends = np.array([7, 0, 2, 2, 9]), np.array([9, 2, 5, 3, 10])
    assert read_pieces(path, starts, ends).tobytes() == b"HIABCDECJ"
    with pytest.raises(InputError, match="shorter than the genome"):
        read_pieces(path, np.array([3]), np.array([11]))


def test_store_that_agrees_is_kept_and_another_one_is_not_touched(tmp_path):
    source, store = tmp_path / "g.fa", tmp_path / "store"
    builders.write_fasta(source, {"a": "ACGT" * 700_000, "b": "GATTACA"})
    first = read_genome(source, store).store
    assert first != store
    first.rename(store)
    letters = store.read_bytes()
    assert letters == b"ACGT" * 700_000 + b"GATTACA"
    assert read_genome(source, store).store == store
    for damage in (letters[:-1], letters + b"A", letters[:1_500_000] + b"T" + letters[1_500_001:]):
        store.write_bytes(damage)
        fresh = read_genome(source, store).store
        assert fresh != store
        assert fresh.read_bytes() == letters
        assert store.read_bytes() == damage
        fresh.unlink()
    source.write_text(source.read_text() + ">a\nA\n")
    with pytest.raises(InputError, match="name occurs twice"):
        read_genome(source, store)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.fa", "store"]
