"""Nucleotide codes: A 0, C 1, G 2, U (or T) 3, anything else ``UNKNOWN``."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Codes: TypeAlias = npt.NDArray[np.uint8]

ALPHABET = "ACGU"
UNKNOWN = 4
"""Code of every letter that is not A, C, G, T or U: IUPAC ambiguity codes, gaps, N."""

_ENCODE = np.full(256, UNKNOWN, np.uint8)
for _code, _letters in enumerate(("Aa", "Cc", "Gg", "UuTt")):
    _ENCODE[[ord(letter) for letter in _letters]] = _code
_DECODE = np.frombuffer(b"ACGUN", np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, UNKNOWN], np.uint8)


def encode(sequence: str | bytes | npt.NDArray[np.uint8]) -> Codes:
    """Turn letters into codes; case does not matter and T is U.

    Args:
        sequence: text, ASCII bytes, or a uint8 array of ASCII bytes.

    Returns:
        uint8 array of the same length with values 0-4.
    """
    if isinstance(sequence, str):
        sequence = sequence.encode("latin-1", "replace")
    letters = np.frombuffer(sequence, np.uint8) if isinstance(sequence, bytes) else sequence
    return _ENCODE[letters]


def decode(codes: Codes) -> str:
    """Turn codes into an upper-case RNA string, ``N`` for unknown letters."""
    return _DECODE[codes].tobytes().decode("ascii")


def reverse_complement(codes: Codes) -> Codes:
    """Return the codes of the opposite strand, 5' to 3' (unknown stays unknown)."""
    return _COMPLEMENT[codes[::-1]]
