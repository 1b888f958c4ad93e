"""Given hairpins, one record after another, and why some of them cannot be folded."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np

from premir.kernels.codes import UNKNOWN, Codes, encode
from premir.scanner.genome.fasta import fasta_pieces

LONGEST = 3000
"""Longest record that is folded, in nt. miRBase 22.1's longest hairpin has 2,354; one of 3,000
takes 6 s and 400 MB, and time grows with the cube of the length."""

_EMPTY = "without sequence"
_UNKNOWN = "with a letter other than A, C, G, T, U"
_TOO_LONG = f"longer than {LONGEST} nt"


@dataclass(frozen=True, slots=True)
class HairpinRecord:
    """One record of a FASTA file of hairpins.

    Attributes:
        name: up to the first blank of its header.
        length: in nt.
        codes: the sequence, None where it cannot be folded.
        kind: why it cannot be folded, in words that fit many records; empty where it can.
        remark: the same for this one.
    """

    name: str
    length: int
    codes: Codes | None
    kind: str = ""
    remark: str = ""


def hairpin_records(
    path: Path, *, say: bool = True, unknown_letters: float = 0.0
) -> Iterator[HairpinRecord]:
    """Read a FASTA file record by record; no more than ``LONGEST`` letters of one are held.

    Args:
        path: FASTA (see :func:`premir.scanner.genome.fasta.fasta_pieces`).
        say: whether to log what was accepted in the file.
        unknown_letters: share of letters other than A, C, G, T, U that a record may hold.

    Raises:
        InputError: as :func:`premir.scanner.genome.fasta.fasta_pieces`.
    """
    for name, pieces in itertools.groupby(fasta_pieces(path, say=say), key=itemgetter(0)):
        held: list[bytes] = []
        length = 0
        for _, letters in pieces:
            length += len(letters)
            if length <= LONGEST:
                held.append(letters)
        yield _record(name, length, b"".join(held), unknown_letters)


def left_out(kinds: Counter[str]) -> str:
    """Say of how many records which kind could not be folded."""
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _record(name: str, length: int, letters: bytes, unknown_letters: float) -> HairpinRecord:
    if length == 0:
        return HairpinRecord(name, length, None, _EMPTY, "no sequence")
    if length > LONGEST:
        return HairpinRecord(name, length, None, _TOO_LONG, f"{length} nt, longer than {LONGEST}")
    codes = encode(letters)
    unknown = np.flatnonzero(codes == UNKNOWN)
    if unknown.size > unknown_letters * length:
        first = int(unknown[0])
        kind, remark = _UNKNOWN, f"letter {chr(letters[first])} at {first + 1} cannot be folded"
        if unknown_letters:
            kind = f"with more than {100 * unknown_letters:g} % of unknown letters"
            remark = f"{unknown.size} unknown letters"
        return HairpinRecord(name, length, None, kind, remark)
    return HairpinRecord(name, length, codes)
