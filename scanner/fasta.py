"""Reading FASTA strictly: every fault is named with file, contig and line."""

from __future__ import annotations

import gzip
import itertools
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

from premir.scanner.errors import InputError

_BLOCK = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
# The empty block that ends every BGZF file (SAM specification, section 4.1.2).
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_NUCLEOTIDES = b"ACGTURYSWKMBDHVNacgturyswkmbdhvn"
_PLAIN = b"ACGTUNacgtun"
_PROTEIN_CHECK = 20
"""From this length on a record with few A, C, G, T, U, N is taken for protein."""


def fasta_pieces(path: Path) -> Iterator[tuple[str, bytes]]:
    """Read a FASTA file (plain, gzip or bgzip) in bounded memory, checking every byte.

    Args:
        path: the file.

    Yields:
        Contig name and some of its letters, without line ends. All pieces of one contig follow
        each other; there is at least one piece, none is empty and no name comes twice.

    Raises:
        InputError: missing, empty, truncated, FASTQ, protein, a repeated or empty name, a record
            without sequence, or a character that is no nucleotide letter; names the line.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a directory, not a FASTA file")
        with path.open("rb") as raw:
            magic = raw.read(18)
            if not magic:
                raise InputError(f"{path}: file is empty; expected FASTA")
            raw.seek(0)
            if magic.startswith(_GZIP_MAGIC):
                _check_bgzf_end(path, raw, magic)
                with gzip.GzipFile(fileobj=raw) as stream:
                    yield from _Parser(path).parse(stream)
            else:
                yield from _Parser(path).parse(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path}: gzip data are truncated or damaged ({error}); fetch the file again"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def read_records(path: Path) -> list[tuple[str, str]]:
    """Read a whole FASTA file of short sequences: names and letters as they stand in the file."""
    return [
        (name, b"".join(letters for _, letters in pieces).decode("ascii"))
        for name, pieces in itertools.groupby(fasta_pieces(path), key=lambda piece: piece[0])
    ]


def _check_bgzf_end(path: Path, raw: IO[bytes], magic: bytes) -> None:
    is_bgzf = magic[3:4] == b"\x04" and magic[12:14] == b"BC"
    if not is_bgzf:
        return
    raw.seek(-min(len(_BGZF_END), os.fstat(raw.fileno()).st_size), os.SEEK_END)
    if raw.read() != _BGZF_END:
        raise InputError(f"{path}: bgzip end-of-file block is missing: truncated; fetch it again")
    raw.seek(0)


class _Parser:
    """State of one pass: where we are, and what the current record has shown so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 1
        self.name = ""
        self.header_line = 0
        self.length = 0
        self.plain = 0
        self.names: set[str] = set()

    def fail(self, what: str, line: int | None = None) -> NoReturn:
        place = f"{self.name}:{line or self.line}" if self.name else f"line {line or self.line}"
        raise InputError(f"{self.path}: {place}: {what}")

    def parse(self, stream: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[str, bytes]]:
        header: bytes | None = None  # a header that is not complete yet
        line_start = True
        while block := stream.read(_BLOCK):
            position = 0
            while position < len(block):
                if header is not None or (line_start and block[position : position + 1] == b">"):
                    end = block.find(b"\n", position)
                    header = (header or b"") + block[position : end if end >= 0 else None]
                    if end < 0:
                        break
                    self.start_record(header)
                    self.line += 1
                    header, position, line_start = None, end + 1, True
                    continue
                end = block.find(b"\n>", position)
                end = end + 1 if end >= 0 else len(block)
                text = block[position:end]
                letters = self.check(text)
                self.line += text.count(b"\n")
                position, line_start = end, text.endswith(b"\n")
                if letters:
                    yield self.name, letters
        if header is not None:
            self.start_record(header)
        self.end_record()
        if not self.names:
            self.fail("no FASTA record found: expected a line that starts with '>'")

    def start_record(self, header: bytes) -> None:
        self.end_record()
        fields = header[1:].split(None, 1)
        # A blank right after '>' means that there is no name, whatever follows.
        if not fields or header[1:2].isspace():
            self.name = ""
            self.fail("record has no name: write it right after '>'")
        name = fields[0].decode("utf-8", "replace")
        if "\0" in name or "\ufffd" in name:
            self.name = ""
            self.fail("record name holds bytes that are not text")
        if name in self.names:
            self.name = name
            self.fail("name occurs twice; contig names must be unique up to the first blank")
        self.names.add(name)
        self.name, self.header_line, self.length, self.plain = name, self.line, 0, 0

    def end_record(self) -> None:
        if not self.name:
            return
        if self.length == 0:
            self.fail("record has no sequence; remove it or restore it", self.header_line)
        if self.length >= _PROTEIN_CHECK and 2 * self.plain < self.length:
            self.fail(
                "looks like protein: fewer than half of the letters are A, C, G, T, U or N",
                self.header_line,
            )

    def check(self, text: bytes) -> bytes:
        """Return the letters of some sequence lines, or fail at the first bad character."""
        letters = text.translate(None, b"\r\n")
        bad = letters.translate(None, _NUCLEOTIDES)
        if not self.name and letters:
            if text.startswith(b"@") and self.line == 1:
                self.fail("this is FASTQ; premir reads FASTA")
            self.fail("not FASTA: expected a line that starts with '>'")
        if bad:
            first = bad[:1]
            line = self.line + text.count(b"\n", 0, text.find(first))
            self.fail(_describe(first), line)
        self.length += len(letters)
        self.plain += len(letters) - len(letters.translate(None, _PLAIN))
        return letters


def _describe(character: bytes) -> str:
    if character in b" \t\v\f":
        return "blank inside the sequence: remove it"
    if character == b"\0":
        return "NUL byte inside the sequence: the file is damaged"
    if character == b">":
        return "'>' inside a sequence line: start a new line before it"
    shown = character.decode("ascii", "backslashreplace")
    hint = "looks like protein" if character.upper() in b"EFILPQZJOX*" else "remove it"
    return f"{shown!r} is not a nucleotide letter; {hint}"
