"""Reading FASTA: what cannot be misread is accepted and counted, each fault is named."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from pathlib import Path

from premir.scanner.errors import InputError
from premir.scanner.genome.decompression import read_blocks
from premir.scanner.genome.findings import Accepted, Faults

_ORDINARY = b"ACGTUNacgtun\n"
_AMBIGUOUS = b"RYSWKMBDHVryswkmbdhv"
AMBIGUOUS = f"Nn{_AMBIGUOUS.decode()}"
"""Letters that stand for several nucleotides: one that is not known."""
_UNKNOWN = b"Xx-."
"""Letters that mean what N means: masked by RepeatMasker (-x), a gap of an alignment."""
_NUCLEOTIDES = _ORDINARY[:-1] + _AMBIGUOUS + _UNKNOWN
_TO_N = bytes.maketrans(_UNKNOWN, b"NnNN")
_BLANKS = b" \t\v\f"
_MARK = b"\xef\xbb\xbf"
_PROTEIN_CHECK = 20
"""From this length on a record with few A, C, G, T, U and unknown letters is taken for protein."""
_HEADER = 1 << 16
"""So much of a header is looked at; what follows the name means nothing here."""


def fasta_pieces(
    path: Path,
    *,
    accepted: Accepted | None = None,
    check_name: Callable[[str], str | None] | None = None,
    say: bool = True,
) -> Iterator[tuple[str, bytes]]:
    """Read a FASTA file in bounded memory, checking every byte.

    Args:
        path: plain, gzip, bgzip, bzip2, xz or zstd; ``-`` for standard input. It is read once.
        accepted: counts what was out of the ordinary.
        check_name: says what is wrong with a record's name, None where nothing is.
        say: whether to log what was accepted.

    Yields:
        Record name and some of its letters, without line ends; ``X``, ``-`` and ``.`` are ``N``.
        All pieces of one record follow each other and no name comes twice. No piece is empty, but
        for the one of a record without sequence.

    Raises:
        InputError: all faults of the file: missing, empty, truncated, FASTQ, protein, a repeated,
            empty or unusable name, or a character that is no nucleotide letter; each with its line.
            Nothing is yielded beyond the first.
    """
    accepted = Accepted() if accepted is None else accepted
    faults = Faults(path)
    parser = _Parser(accepted, faults, check_name)
    try:
        for piece in parser.parse(_unix_lines(read_blocks(path), accepted)):
            if not faults.found:
                yield piece
    except InputError as error:
        raise faults.error(*error.lines) from error
    if faults.found:
        raise faults.error()
    if say:
        accepted.report(path)


def read_records(path: Path) -> list[tuple[str, str]]:
    """Read a whole FASTA file of short sequences: names and letters, without empty records."""
    records = [
        (name, b"".join(letters for _, letters in pieces).decode("ascii"))
        for name, pieces in itertools.groupby(fasta_pieces(path), key=itemgetter(0))
    ]
    return [(name, letters) for name, letters in records if letters]


def _unix_lines(blocks: Iterable[bytes], accepted: Accepted) -> Iterator[bytes]:
    """Drop a UTF-8 mark at the start, and turn line ends of other systems into LF."""
    held = b""  # the start, until it is long enough to tell; later a CR at the end
    start = True
    for block in itertools.chain(blocks, [None]):
        last = block is None
        text = held + (block or b"")
        held = b""
        if start:
            if len(text) < len(_MARK) and not last:
                held = text
                continue
            start = False
            if text.startswith(_MARK):
                accepted.byte_order_marks += 1
                text = text[len(_MARK) :]
        if b"\r" in text:
            if text.endswith(b"\r") and not last:
                held, text = b"\r", text[:-1]
            both = text.count(b"\r\n")
            accepted.crlf_line_ends += both
            accepted.cr_line_ends += text.count(b"\r") - both
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if text:
            yield text


class _Parser:
    """State of one pass: where we are, and what the current record and line have shown so far."""

    def __init__(
        self,
        accepted: Accepted,
        faults: Faults,
        check_name: Callable[[str], str | None] | None,
    ) -> None:
        self.accepted = accepted
        self.faults = faults
        self.check_name = check_name
        self.names: set[str] = set()
        self.any_letters = False
        # of the record
        self.header: bytes | None = None  # what there is of a header that is not complete yet
        self.name = ""
        self.begun = False
        self.header_line = 0
        self.length = 0
        self.ambiguous = 0
        self.star = 0  # line of a star after which the record should end
        # of the line
        self.line = 1
        self.letters = False  # it has shown letters
        self.gap = False  # and a blank after them
        self.blanks = False  # it began with blanks, or has blanks at what may be its end
        self.comment = False

    def parse(self, blocks: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
        for block in blocks:
            position = 0
            while position < len(block):
                if self.header is None and block[position] == _GREATER and self.at_line_start():
                    if self.end_record():
                        yield self.name, b""
                    self.header = b""
                if self.header is not None:
                    position = self.take_header(block, position)
                    continue
                size, letters = self.take_text(block[position : _next_header(block, position)])
                position += size
                if letters:
                    yield self.name, letters
        if self.header is not None:
            self.start_record(self.header)
        self.end_line()
        if self.end_record():
            yield self.name, b""
        self.check_content()

    def check_content(self) -> None:
        """Give up where the whole file shows no record, or no sequence."""
        if not self.names and not self.faults.found:
            self.fatal("no FASTA record found: expected a line that starts with '>'")
        if not self.any_letters and not self.faults.found:
            self.fatal("no record has a sequence")

    def at_line_start(self) -> bool:
        return not (self.letters or self.comment)

    def fault(self, what: str, *, line: int | None = None, kind: str | None = None) -> None:
        self.faults.add(self.name, line or self.line, what, kind)

    def fatal(self, what: str) -> None:
        """Give up: what follows would only repeat that this is no FASTA."""
        raise InputError(f"{self.faults.path}: {what}")

    def take_header(self, block: bytes, position: int) -> int:
        """Collect a header, start its record when it is complete, and return where it ends."""
        assert self.header is not None
        end = block.find(b"\n", position)
        rest = len(block) if end < 0 else end
        self.header += block[position : min(rest, position + _HEADER - len(self.header))]
        if end < 0:
            return rest
        self.start_record(self.header)
        self.header = None
        self.end_line()
        return end + 1

    def start_record(self, header: bytes) -> None:
        self.begun, self.name = True, ""
        self.header_line, self.length, self.ambiguous, self.star = self.line, 0, 0, 0
        fields = header[1:].split(None, 1)
        # A blank right after '>' means that there is no name, whatever follows.
        if not fields or header[1:2].isspace():
            self.fault("record has no name: write it right after '>'")
            return
        name = fields[0].decode("utf-8", "replace")
        if not name.isprintable() or "\ufffd" in name:
            self.fault("record name holds characters that are not text")
        elif len(fields[0]) >= _HEADER - 1:
            self.fault(f"record name is longer than {_HEADER} bytes")
        elif name in self.names:
            self.name = name
            self.fault("name occurs twice; contig names must be unique up to the first blank")
        else:
            self.names.add(name)
            self.name = name
            if self.check_name and (what := self.check_name(name)):
                self.fault(what)

    def end_record(self) -> bool:
        """Look back at the record, if there is one, and tell whether it was empty."""
        if not self.begun:
            return False
        self.begun = False
        self.accepted.end_stars += self.star > 0
        if self.length == 0:
            self.accepted.empty_records += 1
            return True
        if self.length >= _PROTEIN_CHECK and 2 * self.ambiguous > self.length:
            what = "looks like protein: fewer than half of the letters are A, C, G, T, U or N"
            self.fault(what, line=self.header_line, kind=_PROTEIN)
        return False

    def take_text(self, text: bytes) -> tuple[int, bytes]:
        """Check some text between headers; return how much of it was taken, and its letters."""
        odd = text.translate(None, _ORDINARY)
        if self.gap or self.comment or (odd and odd.translate(None, _NUCLEOTIDES)):
            return self.take_lines(text)
        letters = text.translate(_TO_N, b"\n")
        if letters:
            self.see(letters, odd)
        if len(letters) < len(text):
            self.end_line()
            self.line += len(text) - len(letters) - 1
        self.letters = text[-1] != _NEWLINE
        return len(text), letters

    def see(self, letters: bytes, odd: bytes) -> None:
        """Count letters, of which those in ``odd`` are not A, C, G, T, U or N."""
        if not self.begun:
            self.fatal(f"line {self.line}: not FASTA: expected a line that starts with '>'")
        if self.star:
            self.fault(_describe(b"*")[1], line=self.star, kind=_PROTEIN)
            self.star = 0
        self.any_letters = True
        self.length += len(letters)
        if odd:
            unknown = len(odd) - len(odd.translate(None, _UNKNOWN))
            if unknown:
                x = odd.count(b"X") + odd.count(b"x")
                self.accepted.x_letters += x
                self.accepted.gap_letters += unknown - x
            self.ambiguous += len(odd) - unknown

    def take_lines(self, text: bytes) -> tuple[int, bytes]:
        """Do what :meth:`take_text` does one line after another; stop before an indented header."""
        taken: list[bytes] = []
        size = 0
        for number, line in enumerate(text.split(b"\n")):
            if number:
                self.end_line()
                size += 1
            bare = line.strip(_BLANKS)
            if bare[:1] == b">" and self.at_line_start():
                self.blanks = True
                return size + line.index(b">"), b"".join(taken)
            size += len(line)
            if line and not self.comment:
                taken.append(self.take_line(line, bare))
        return size, b"".join(taken)

    def take_line(self, line: bytes, bare: bytes) -> bytes:
        """Take a line or what there is of it in this block; ``bare`` is without blanks around."""
        if not bare:
            self.blanks, self.gap = True, self.letters
            return b""
        if bare[:1] == b";" and not self.letters:
            self.accepted.comment_lines += 1
            self.comment, self.blanks = True, False
            return b""
        leads, trails = line[0] in _BLANKS, line[-1] in _BLANKS
        if self.letters and (self.gap or leads):
            self.fault_at(b" ")
            self.blanks = False
        self.blanks = self.blanks or trails or (leads and not self.letters)
        self.letters, self.gap = True, trails
        if not self.begun:
            if bare[:1] == b"@" and self.line == 1:
                self.fatal("line 1: this is FASTQ; premir reads FASTA")
            self.fatal(f"line {self.line}: not FASTA: expected a line that starts with '>'")
        star = 0
        if bare.endswith(b"*") and not self.star:
            bare, star = bare[:-1], self.line
        for wrong in dict.fromkeys(bare.translate(None, _NUCLEOTIDES)):
            self.fault_at(bytes([wrong]))
        letters = bare.translate(_TO_N)
        if letters:
            self.see(letters, bare.translate(None, _ORDINARY))
        self.star = star or self.star
        return letters

    def fault_at(self, character: bytes) -> None:
        kind, what = _describe(character)
        self.fault(what, kind=kind)

    def end_line(self) -> None:
        """Come to the end of a line."""
        self.line += 1
        if self.blanks:
            self.accepted.blank_ends += 1
        self.letters = self.gap = self.blanks = self.comment = False


_NEWLINE, _GREATER = b"\n>"
_PROTEIN = "protein"


def _next_header(block: bytes, position: int) -> int:
    """Return where the next line that begins with '>' starts, beyond ``position``."""
    end = block.find(b">", position + 1)
    while end >= 0 and block[end - 1] != _NEWLINE:
        end = block.find(b">", end + 1)
    return end if end >= 0 else len(block)


def _describe(character: bytes) -> tuple[str, str]:
    """Return the kind of fault that a character is, and what to say about it."""
    if character in (b" ", b"\t", b"\v", b"\f"):
        return "blank", "blank inside the sequence: remove it"
    if character == b"\0":
        return "nul", "NUL byte inside the sequence: the file is damaged"
    if character == b">":
        return "greater", "'>' inside a sequence line: start a new line before it"
    shown = character.decode("ascii", "backslashreplace")
    if not shown.isprintable():
        shown = f"\\x{character[0]:02x}"
    if character.upper() in b"EFILPQZJO*":
        return _PROTEIN, f"{shown!r} is not a nucleotide letter; looks like protein"
    kind = shown if character.isascii() else "text"
    return kind, f"{shown!r} is not a nucleotide letter; remove it"
