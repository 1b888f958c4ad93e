"""Where sequences stand in genomes, letter by letter, on either strand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import UNKNOWN, Codes, encode, reverse_complement
from premir.scanner.errors import InputError
from premir.scanner.genome.fasta import read_records

_WORD = 32
"""Nucleotides that a 64-bit word holds; shorter sequences are not looked for."""


@dataclass(frozen=True, slots=True)
class Locus:
    """A place where a sequence stands in a genome.

    Attributes:
        index: which sequence.
        genome: name of the genome's folder.
        contig: name of the contig.
        start: 0-based, plus strand.
        strand: 1 or -1.
        before: codes of what stands upstream of it, in its own orientation.
        after: codes of what stands downstream.
    """

    index: int
    genome: str
    contig: str
    start: int
    strand: int
    before: Codes
    after: Codes


def find_loci(sequences: Sequence[Codes], genomes: Path, *, nt: int) -> list[Locus]:
    """Find sequences in genomes and what stands beside them.

    Args:
        sequences: codes without unknown letters, of 32 nt at least.
        genomes: folder of folders with ``genome.fa.gz``.
        nt: nucleotides on both sides; a place with fewer, or with unknown letters, does not count.

    Returns:
        The first place of each sequence that has one, by index.

    Raises:
        InputError: there is no genome, or one cannot be read.
    """
    words: dict[int, list[tuple[int, int, Codes]]] = {}
    for index, codes in enumerate(sequences):
        for strand, letters in ((1, codes), (-1, reverse_complement(codes))):
            key = int(_words(letters[:_WORD])[0])
            words.setdefault(key, []).append((index, strand, letters))
    known = np.array(sorted(words), np.uint64)
    paths = sorted(genomes.glob("*/genome.fa.gz"))
    if not paths:
        raise InputError(f"{genomes}: holds no */genome.fa.gz")
    found: dict[int, Locus] = {}
    for path in paths:
        for contig, text in read_records(path):
            contig_codes = encode(text)
            for start, index, strand, length in _places(contig_codes, known, words):
                low, high = start - nt, start + length + nt
                window = contig_codes[max(low, 0) : high]
                if index in found or window.size < high - low or (window == UNKNOWN).any():
                    continue
                if strand < 0:
                    window = reverse_complement(window)
                found[index] = Locus(
                    index, path.parent.name, contig, start, strand, window[:nt], window[-nt:]
                )
    return [found[index] for index in sorted(found)]


def _places(
    contig: Codes, known: npt.NDArray[np.uint64], words: dict[int, list[tuple[int, int, Codes]]]
) -> Iterator[tuple[int, int, int, int]]:
    """Yield start, index of the sequence, strand and length of every full match."""
    if contig.size < _WORD:
        return
    of_contig = _words(contig)
    nearest = np.minimum(np.searchsorted(known, of_contig), known.size - 1)
    for start in np.flatnonzero(known[nearest] == of_contig).tolist():
        for index, strand, letters in words[int(of_contig[start])]:
            if np.array_equal(contig[start : start + letters.size], letters):
                yield start, index, strand, letters.size


def _words(codes: Codes) -> npt.NDArray[np.uint64]:
    """Return the word of 32 letters, two bits each, that begins at every position."""
    words, span = codes.astype(np.uint64), 1
    while span < _WORD:
        words = (words[:-span] << np.uint64(2 * span)) | words[span:]
        span *= 2
    return words
