from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import builders
import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from premir.scanner.errors import InputError
from premir.scanner.genome import fasta
from premir.scanner.genome.decompression import read_blocks
from premir.scanner.genome.fasta import fasta_pieces, read_records
from premir.scanner.genome.findings import Accepted, Faults
from premir.scanner.genome.letters import read_genome, read_letters, read_pieces

SEQUENCES = {"chr1": "ACGTNacgtURYK" * 30, "chr2": "GATTACA" * 100, "tiny": "A"}


def read_all(path):
    return {name: letters for name, letters in read_records(path)}


@pytest.mark.parametrize("width", [1, 60, 10_000])
def test_line_width_does_not_matter(tmp_path, width):
    path = tmp_path / "genome.fa"
    builders.write_fasta(path, SEQUENCES, width=width)
    assert read_all(path) == SEQUENCES


def test_windows_line_ends_and_missing_last_line_end(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_bytes(b">a first contig\r\nACGT\r\nAC\r\n\r\n>b\r\nGG")
    assert read_all(path) == {"a": "ACGTAC", "b": "GG"}


def cut_blocks(monkeypatch, size):
    """Give the parser the real blocks, cut into pieces of some size."""

    def pieces(path):
        content = b"".join(read_blocks(path))
        return (content[n : n + size] for n in range(0, len(content), size))

    monkeypatch.setattr(fasta, "read_blocks", pieces)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 64])
def test_block_borders_do_not_matter(tmp_path, monkeypatch, block):
    path = tmp_path / "genome.fa"
    builders.write_fasta(path, SEQUENCES, width=13)
    cut_blocks(monkeypatch, block)
    assert read_all(path) == SEQUENCES


FAULTS = {
    "empty file": (b"", "file is empty; expected FASTA"),
    "no header": (b"ACGT\n", "line 1: not FASTA: expected a line that starts with '>'"),
    "comments only": (b"; a\n\n", "no FASTA record found: expected a line that starts"),
    "fastq": (b"@read\nACGT\n+\nIIII\n", "line 1: this is FASTQ; premir reads FASTA"),
    "headers only": (b">a\n>b\n", "no record has a sequence"),
    "no name": (b">a\nAC\n>\nAC\n", "line 3: record has no name: write it right after '>'"),
    "blank name": (b"> a\nAC\n", "line 1: record has no name: write it right after '>'"),
    "odd name": (b">a\x1b[2J\nAC\n", "line 1: record name holds characters that are not text"),
    "long name": (b">" + b"a" * 70_000 + b"\nAC\n", "line 1: record name is longer than 65536"),
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
    "control": (b">a\nAC\x1bGT\n", "a:2: '\\\\x1b' is not a nucleotide letter; remove it"),
    "greater inside": (b">a\nAC>b\n", "a:2: '>' inside a sequence line"),
    "star inside": (b">a\nAC*GT\n", "a:2: '*' is not a nucleotide letter; looks like protein"),
    "star, then more": (b">a\nAC*\n\nGT\n", "a:2: '*' is not a nucleotide letter"),
    "two stars": (b">a\nAC**\n", "a:2: '*' is not a nucleotide letter"),
    "not ASCII": (b">a\nAC\n\xef\xbb\xbfAC\nAC\n", "a:3: '\\\\xef' is not a nucleotide letter"),
    "semicolon inside": (b">a\nAC;GT\n", "a:2: ';' is not a nucleotide letter; remove it"),
    "zip": (b"PK\x03\x04" + b"\0" * 30, "is a zip archive; unpack it first"),
    "utf-16": (">a\nAC\n".encode("utf-16"), "is UTF-16 text; save it as plain ASCII or UTF-8"),
}


@pytest.mark.parametrize("content, message", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("block", [1, 3, 1 << 20])
def test_faults_name_contig_and_line(tmp_path, monkeypatch, content, message, block):
    path = tmp_path / "bad.fa"
    path.write_bytes(content)
    cut_blocks(monkeypatch, block)
    with pytest.raises(InputError) as caught:
        list(fasta_pieces(path))
    (line,) = caught.value.lines
    assert line.startswith(f"{path}: {message}")


def test_all_faults_are_listed_each_once_in_a_record(tmp_path):
    path = tmp_path / "bad.fa"
    path.write_bytes(b">a\nAC GT\nA1\nA C\n>\nAC\n>a\nA-QE\nLL\n")
    with pytest.raises(InputError) as caught:
        list(fasta_pieces(path))
    assert caught.value.lines == (
        f"{path}: a:2: blank inside the sequence: remove it (and 1 more in this record)",
        f"{path}: a:3: '1' is not a nucleotide letter; remove it",
        f"{path}: line 5: record has no name: write it right after '>'",
        f"{path}: a:7: name occurs twice; contig names must be unique up to the first blank",
        f"{path}: a:8: 'Q' is not a nucleotide letter; looks like protein (and 2 more in this "
        "record)",
    )


def test_twenty_faults_are_listed_and_the_others_counted(tmp_path):
    path = tmp_path / "bad.fa"
    path.write_bytes(b"".join(b">c%d\nA1\n" % n for n in range(25)))
    with pytest.raises(InputError) as caught:
        list(fasta_pieces(path))
    assert len(caught.value.lines) == 21
    assert caught.value.lines[19].startswith(f"{path}: c19:40: '1'")
    assert caught.value.lines[20] == f"{path}: and 5 more faults"


def test_nothing_is_yielded_beyond_the_first_fault(tmp_path):
    path = tmp_path / "bad.fa"
    path.write_bytes(b">a\nAC\n>b\nA1\n>c\nGG\n")
    seen: list[tuple[str, bytes]] = []
    with pytest.raises(InputError):
        seen.extend(fasta_pieces(path))
    pieces = fasta_pieces(path)
    assert next(pieces) == ("a", b"AC")
    with pytest.raises(InputError):
        next(pieces)


ACCEPTED = {
    "mark": (b"\xef\xbb\xbf>a\nACGT\n", {"byte_order_marks": 1}),
    "Windows": (b">a\r\nAC\r\n\r\nGT\r\n", {"crlf_line_ends": 4}),
    "old Macintosh": (b">a first\rAC\rGT", {"cr_line_ends": 2}),
    "mixed": (b">a\nAC\r\nGT\r", {"crlf_line_ends": 1, "cr_line_ends": 1}),
    "trailing blanks": (b">a\nAC \t\nGT\n", {"blank_ends": 1}),
    "leading blanks": (b">a\n  AC\n GT\n", {"blank_ends": 2}),
    "both": (b">a\n  AC \nGT", {"blank_ends": 1}),
    "line of blanks": (b">a\nAC\n  \nGT\n \n", {"blank_ends": 2}),
    "indented header": (b"\n  >a first\nACGT\n", {"blank_ends": 1}),
    "comments": (b"; by hand\n>a\n;why\nAC\n ; >b is not here\nGT;\n"[:-2] + b"\n;end",
                 {"comment_lines": 4}),
    "empty records": (b">x\n>a\nACGT\n>y\n\n>z", {"empty_records": 3}),
    "star": (b">a\nACGT*\n\n", {"end_stars": 1}),
    "star alone": (b">a\nACGT\n* \n", {"end_stars": 1, "blank_ends": 1}),
    "gaps": (b">a\nA-.T\n", {"gap_letters": 2}),
    "masked": (b">a\nAXxT\n", {"x_letters": 2}),
}  # fmt: skip


@pytest.mark.parametrize("content, counts", ACCEPTED.values(), ids=ACCEPTED.keys())
@pytest.mark.parametrize("block", [1, 2, 3, 5, 1 << 20])
def test_what_cannot_be_misread_is_accepted_and_counted(
    tmp_path, monkeypatch, content, counts, block
):
    path = tmp_path / "odd.fa"
    path.write_bytes(content)
    cut_blocks(monkeypatch, block)
    accepted = Accepted()
    letters = b"".join(piece for _, piece in fasta_pieces(path, accepted=accepted))
    assert letters == {"gap_letters": b"ANNT", "x_letters": b"ANnT"}.get(min(counts), b"ACGT")
    assert {kind: count for kind, count in asdict(accepted).items() if count} == counts


def test_what_was_accepted_is_said(tmp_path, caplog):
    caplog.set_level("INFO", "premir")
    path = tmp_path / "odd.fa"
    path.write_bytes(b">a\nA-XT \n>b\n>c\nXX\n")
    read_records(path)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"{path}: 4 letters are taken as unknown, like N: 3 X, 1 gaps (- or .)"),
        (
            "INFO",
            f"{path}: accepted: 1 lines with blanks at an end; 1 records without sequence, "
            "left out",
        ),
    ]


LINES = st.lists(
    st.text("ACGTNryXx-.* \t;>1", max_size=6).map(str.encode)
    | st.sampled_from([b">a", b" >b x", b">c\t", b"ACGT", b"; x >y", b"*", b""]),
    max_size=12,
)


@given(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.integers(1, 9))
def test_parser_agrees_with_its_naive_twin(lines, end, size):
    content = end.join([b">first", *lines])
    found, faults = Accepted(), Faults(Path("x"))
    blocks = (content[n : n + size] for n in range(0, len(content), size))
    records: dict[str, bytes] | None
    try:
        records = {}
        for name, letters in fasta._Parser(found, faults, None).parse(
            fasta._unix_lines(blocks, found)
        ):
            records[name] = records.get(name, b"") + letters
    except InputError:
        records = None
    expected, bad = naive.fasta(content)
    assert (records is None or faults.found) == bad
    if not bad:
        assert records == expected


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(InputError, match=r"none\.fa: cannot be read: No such file"):
        list(fasta_pieces(tmp_path / "none.fa"))
    with pytest.raises(InputError, match="is a directory"):
        list(fasta_pieces(tmp_path))


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
