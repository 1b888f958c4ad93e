"""Pair tables and the pairing tensor of Do, Golkov, Gurel and Cremers (2018).

A *packed* batch of N hairpins is flat: ``codes`` (uint8) and ``pairs`` (int16, the partner's index
inside the hairpin or -1) hold all hairpins one after another, hairpin n at
``offsets[n]:offsets[n + 1]``; ``mfe`` (int32) is in dcal/mol. The *dense* form is float32
``(N, 9, L, L)``, zero beyond each hairpin's length. Channels, in the order of the paper's Fig. 1:

0     pairing matrix: the MFE in kcal/mol at (i, j) and (j, i) of each pair, else 0
1-4   row one-hots: nucleotide i is A, C, G, U
5-8   column one-hots: nucleotide j is A, C, G, U

An unknown letter has zeros in its own one-hots: channels 1-4 of its row, 5-8 of its column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel
from premir.kernels.codes import UNKNOWN, Codes

Pairs: TypeAlias = npt.NDArray[np.int16]
Offsets: TypeAlias = npt.NDArray[np.int64]
Energies: TypeAlias = npt.NDArray[np.int32]

CHANNELS = 9
FEATURE_SCHEMA = "do2018-v2"
"""Name of the tensor's definition, which shards and models carry."""
WITHOUT_UNKNOWN = "do2018-v1"
"""The same of hairpins without unknown letters, the only ones that it knew."""
MAX_LENGTH = 32767
"""Longest hairpin whose partner indices fit the int16 pair table, in nt."""

_OPEN, _CLOSE, _DOT = ord("("), ord(")"), ord(".")


@kernel("int64(const uint8[::1], int16[::1], int16[::1])")
def _parse_dot_bracket(structure: Codes, pairs: Pairs, stack: Pairs) -> int:
    """Fill ``pairs`` and return -1, or return the position of the first fault."""
    depth = 0
    for i in range(structure.size):
        pairs[i] = -1
        if structure[i] == _OPEN:
            stack[depth] = i
            depth += 1
        elif structure[i] == _CLOSE:
            if depth == 0:
                return i
            depth -= 1
            j = stack[depth]
            pairs[i] = j
            pairs[j] = i
        elif structure[i] != _DOT:
            return i
    if depth > 0:
        return int(stack[depth - 1])
    return -1


def pack(sequences: Sequence[Codes]) -> tuple[Codes, Offsets]:
    """Put sequences one after another.

    Args:
        sequences: N arrays of codes.

    Returns:
        uint8 codes (sum of lengths,) and int64 borders (N + 1,).
    """
    offsets = np.zeros(len(sequences) + 1, np.int64)
    np.cumsum([sequence.size for sequence in sequences], out=offsets[1:])
    return np.concatenate([np.empty(0, np.uint8), *sequences]), offsets


def pair_table(structure: str) -> Pairs:
    """Turn dot-bracket notation into a pair table.

    Args:
        structure: characters ``(``, ``)`` and ``.`` only, at most ``MAX_LENGTH`` of them.

    Returns:
        int16 array of the same length: 0-based partner, -1 where unpaired.

    Raises:
        ValueError: unbalanced, too long or with another character; the message names where.
    """
    if len(structure) > MAX_LENGTH:
        raise ValueError(f"structure of {len(structure)} nt is longer than {MAX_LENGTH}")
    letters = np.frombuffer(structure.encode("latin-1", "replace"), np.uint8)
    pairs = np.empty(letters.size, np.int16)
    fault = _parse_dot_bracket(letters, pairs, np.empty(letters.size, np.int16))
    if fault >= 0:
        raise ValueError(
            f"dot-bracket: unexpected or unmatched {structure[fault]!r} at position {fault + 1}"
        )
    return pairs


def dot_bracket(pairs: Pairs) -> str:
    """Turn a pair table into dot-bracket notation."""
    letters = np.full(pairs.size, _DOT, np.uint8)
    index = np.arange(pairs.size)
    letters[pairs > index] = _OPEN
    letters[(pairs >= 0) & (pairs < index)] = _CLOSE
    return letters.tobytes().decode("ascii")


@kernel(
    "void(const uint8[::1], const int16[::1], const int32[::1], const int64[::1], "
    "float32[:, :, :, ::1])"
)
def _fill_tensors(
    codes: Codes,
    pairs: Pairs,
    mfe: Energies,
    offsets: Offsets,
    out: npt.NDArray[np.float32],
) -> None:
    one = np.float32(1.0)
    for n in range(mfe.size):
        start = offsets[n]
        length = offsets[n + 1] - start
        energy = np.float32(mfe[n] / 100.0)
        for i in range(length):
            code = codes[start + i]
            if code < UNKNOWN:
                for k in range(length):
                    out[n, 1 + code, i, k] = one
                    out[n, 5 + code, k, i] = one
            j = pairs[start + i]
            if j >= 0:
                out[n, 0, i, j] = energy


def pairing_tensors(
    codes: Codes, pairs: Pairs, mfe: Energies, offsets: Offsets, width: int | None = None
) -> npt.NDArray[np.float32]:
    """Expand a packed batch into dense pairing tensors (feature schema ``do2018-v2``).

    Args:
        codes: uint8 (sum of lengths,), values 0-4.
        pairs: int16 (sum of lengths,), partner inside the hairpin or -1.
        mfe: int32 (N,), dcal/mol.
        offsets: int64 (N + 1,), borders of the hairpins.
        width: side of the tensors in nt; the longest hairpin's length by default.

    Returns:
        float32 (N, 9, width, width), zero beyond each hairpin.

    Raises:
        ValueError: a code above 4, or a hairpin longer than ``width``.
    """
    if np.any(codes > UNKNOWN):
        raise ValueError(f"a code above {UNKNOWN} is no letter")
    longest = int(np.diff(offsets).max(initial=0))
    width = longest if width is None else width
    if longest > width:
        raise ValueError(f"a hairpin of {longest} nt does not fit tensors of width {width}")
    out = np.zeros((mfe.size, CHANNELS, width, width), np.float32)
    _fill_tensors(codes, pairs, mfe, offsets, out)
    return out


def pack_tensor(tensor: npt.NDArray[np.float32]) -> tuple[Codes, Pairs, int]:
    """Invert :func:`pairing_tensors` for one hairpin; nothing is lost if any letter is known.

    Args:
        tensor: float32 (9, W, W), zero beyond the hairpin's length.

    Returns:
        ``codes`` uint8 (L,), ``pairs`` int16 (L,) and the MFE in dcal/mol (0 without pairs).
    """
    if tensor.shape[-1] == 0:
        return np.empty(0, np.uint8), np.empty(0, np.int16), 0
    length = int(tensor[1:5].any(axis=(0, 1)).sum())
    rows = tensor[1:5, :length, 0]
    codes = np.where(rows.any(axis=0), rows.argmax(axis=0), UNKNOWN).astype(np.uint8)
    matrix = tensor[0, :length]
    paired = matrix.any(axis=1)
    pairs = np.where(paired, (matrix != 0).argmax(axis=1), -1).astype(np.int16)
    mfe = round(float(matrix.min(initial=0.0)) * 100)
    return codes, pairs, mfe


@kernel("int64(const int16[::1], int64, int64, int64[:, ::1])")
def _stem_around(pairs: Pairs, i: int, j: int, out: npt.NDArray[np.int64]) -> int:
    """Walk outwards from a pair that closes a hairpin loop while the stem does not branch."""
    count = 0
    while i >= 0 and j < pairs.size:
        if pairs[i] == j:
            out[count, 0], out[count, 1] = i, j
            count += 1
            i -= 1
            j += 1
        elif pairs[i] < 0:
            i -= 1
        elif pairs[j] < 0:
            j += 1
        else:
            break
    return count


@kernel("int64(const int16[::1], int64[:, ::1], int64[:, ::1])")
def _longest_stem(pairs: Pairs, own: npt.NDArray[np.int64], out: npt.NDArray[np.int64]) -> int:
    longest = 0
    last_open = -1
    for k in range(pairs.size):
        if pairs[k] > k:
            last_open = k
        elif pairs[k] >= 0 and last_open == pairs[k]:
            count = _stem_around(pairs, last_open, k, own)
            if count > longest:
                longest = count
                for n in range(count):  # a slice of two dimensions takes seconds to compile
                    out[n, 0], out[n, 1] = own[n, 0], own[n, 1]
    return longest


def longest_stem(pairs: Pairs) -> npt.NDArray[np.int64]:
    """Find the stem with the most pairs.

    A stem goes outwards from its hairpin loop across bulges and interior loops, and ends where a
    multiloop or the exterior begins. Of equal stems the one nearest to the 5' end counts.

    Args:
        pairs: int16 (L,), pair table.

    Returns:
        int64 (N, 2), its pairs (i, j) from the loop outwards; none where nothing is paired.
    """
    stems = np.empty((2, pairs.size // 2, 2), np.int64)
    return stems[1, : _longest_stem(pairs, stems[0], stems[1])]


def terminal_loop(pairs: Pairs) -> tuple[int, int] | None:
    """Find the hairpin loop that ends the stem with the most pairs (:func:`longest_stem`).

    Args:
        pairs: int16 (L,), pair table.

    Returns:
        0-based half-open interval of the unpaired nucleotides, None where nothing is paired.
    """
    stem = longest_stem(pairs)
    return (int(stem[0, 0]) + 1, int(stem[0, 1])) if stem.size else None
