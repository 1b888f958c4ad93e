"""A genome: one validating pass over a FASTA file into a store of our own.

The store holds the letters of all contigs one after another, one byte each, as they stand in the
file (case included) and without line ends. It serves plain, gzip and bgzip input alike, is read by
position through the page cache, costs no set-up however many contigs there are, and cannot be
stale: it lives in the run directory and is made by the pass that validates.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from premir.scanner.errors import InputError
from premir.scanner.fasta import fasta_pieces
from premir.scanner.files import whole_file


@dataclass(frozen=True, slots=True)
class Contig:
    """One sequence of a genome.

    Attributes:
        name: up to the first blank of the FASTA header.
        length: in nt.
        offset: where its letters begin in the store.
        sha256: of its letters as they stand in the file, in hexadecimal digits.
    """

    name: str
    length: int
    offset: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Genome:
    """A validated genome.

    Attributes:
        source: the FASTA file.
        store: file with the letters of all contigs.
        contigs: in the order of the FASTA file.
    """

    source: Path
    store: Path
    contigs: tuple[Contig, ...]

    @property
    def length(self) -> int:
        """Nucleotides in all contigs."""
        return sum(contig.length for contig in self.contigs)

    def digest(self) -> str:
        """SHA-256 over names, lengths and digests of all contigs."""
        table = hashlib.sha256()
        for contig in self.contigs:
            table.update(f"{contig.name}\t{contig.length}\t{contig.sha256}\n".encode())
        return table.hexdigest()


def read_genome(source: Path, store: Path) -> Genome:
    """Validate a FASTA file and write its store.

    Args:
        source: FASTA; plain, gzip or bgzip.
        store: file to make or replace.

    Raises:
        InputError: the first fault of the file (see :func:`premir.scanner.fasta.fasta_pieces`),
            or the store cannot be written.
    """
    contigs: list[Contig] = []
    offset = 0
    pieces = itertools.groupby(fasta_pieces(source), key=lambda piece: piece[0])
    with whole_file(store) as temporary, temporary.open("wb") as handle:
        for name, group in pieces:
            digest, length = hashlib.sha256(), 0
            for _, letters in group:
                digest.update(letters)
                length += len(letters)
                try:
                    handle.write(letters)
                except OSError as error:
                    raise InputError(f"{store}: cannot be written: {error.strerror}") from error
            contigs.append(Contig(name, length, offset, digest.hexdigest()))
            offset += length
    return Genome(source, store, tuple(contigs))


def read_letters(store: Path, start: int, end: int) -> npt.NDArray[np.uint8]:
    """Read letters from a store by position.

    Args:
        store: file made by :func:`read_genome`.
        start: first position in the store.
        end: position after the last.

    Returns:
        uint8 (end - start,), ASCII.
    """
    letters = np.fromfile(store, np.uint8, end - start, offset=start)
    if letters.size < end - start:
        raise InputError(f"{store}: shorter than the genome it was made from")
    return letters
