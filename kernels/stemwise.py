"""Hairpins as a stem is read: columns from the terminal loop outwards, and plain numbers of a fold.

The *stem* of a hairpin is the chain of pairs around its most deeply nested terminal loop, the first
of several. Letters between two pairs of the chain, or outside the outermost, that pair among
themselves are *branched*. A column holds what faces each other: a pair, two unpaired letters, or a
letter and a gap; first the loop, from its apex, then the stem, then what lies outside of it.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel
from premir.kernels.codes import Codes
from premir.kernels.pairing import Energies, Offsets, Pairs

_I64: TypeAlias = npt.NDArray[np.int64]
_I32: TypeAlias = npt.NDArray[np.int32]
_F32: TypeAlias = npt.NDArray[np.float32]

COLUMN_FIELDS = (
    *(f"left {letter}" for letter in "ACGU"),
    *(f"right {letter}" for letter in "ACGU"),
    "left gap",
    "right gap",
    "left branched",
    "right branched",
    "paired",
    "loop",
    "outside",
    "pairs in a row so far, by 8",
    "unpaired letters of this fault, by 8",
    "left less right letters so far, by 8",
    "letters from the apex, by 64",
    "pairs so far, by 16",
    "pairs still to come, by 16",
)
"""What a column says; shares and counts are scaled to lie about 1."""

NUMBERS: tuple[tuple[str, int], ...] = (
    ("length", 100),
    ("mfe in dcal/mol", 3000),
    ("mfe per 100 nt", 3000),
    ("pairs of the stem", 30),
    ("pairs outside the stem", 10),
    ("terminal loops", 2),
    ("size of the loop", 10),
    ("longest run of pairs", 10),
    ("second longest run of pairs", 10),
    ("bulges", 3),
    ("interior loops", 3),
    ("unpaired or branched letters inside the stem", 10),
    ("largest fault", 5),
    ("sum of asymmetries", 5),
    ("left less right letters", 5),
    ("branched letters inside the stem", 10),
    ("A-U pairs of the stem", 10),
    ("C-G pairs of the stem", 10),
    ("G-U pairs of the stem", 3),
    ("letters before the stem", 20),
    ("letters after the stem", 20),
    ("branched letters before the stem", 10),
    ("branched letters after the stem", 10),
    ("paired letters among the first 20", 10),
    ("paired letters among the last 20", 10),
    ("paired letters of the 22 before the loop", 20),
    ("paired letters of the 22 after the loop", 20),
    ("paired letters of the next 11 before the loop", 10),
    ("paired letters of the next 11 after the loop", 10),
    ("span of the stem", 100),
    ("A per thousand", 300),
    ("C per thousand", 300),
    ("G per thousand", 300),
    ("U per thousand", 300),
    ("G and C per thousand of the first 20", 500),
    ("G and C per thousand of the last 20", 500),
    ("G and C per thousand of the stem's span", 500),
    ("different 3-mers per thousand", 500),
    ("longest homopolymer", 5),
    ("best tandem period", 10),
    ("letters that repeat at it per thousand", 500),
    ("CNNC within 30 nt after the stem", 1),
    ("UG within 3 nt of the stem's begin", 1),
    ("UGU or GUG in the loop or beside it", 1),
    ("unpaired letters of the three pairs' width beside the loop", 3),
    ("share of the stem's pairs per thousand of all", 1000),
)
"""Numbers of a fold, and what each is about, for networks that want them near 1."""

_PERIODS = 24
"""Longest unit of a tandem repeat that is looked for, in nt."""
_ARM, _NEXT, _END, _CNNC = 22, 11, 20, 30


@kernel("int64(const int16[::1])")
def _loop_start(pairs: Pairs) -> int:
    """5' letter of the pair that closes the most deeply nested loop, the first; -1 if unpaired."""
    depth, deepest, found, opened = 0, 0, -1, -1
    for k in range(pairs.size):
        if pairs[k] > k:
            depth += 1
            opened = k
        elif pairs[k] >= 0:
            if pairs[k] == opened and depth > deepest:
                deepest, found = depth, opened
            depth -= 1
    return found


@kernel("void(const int16[::1], const int64[::1], int64[::1])")
def _count_columns(pairs: Pairs, offsets: Offsets, out: _I64) -> None:
    for n in range(out.size):
        own = pairs[offsets[n] : offsets[n + 1]]
        i = _loop_start(own)
        if i < 0:
            out[n] = (own.size + 1) // 2
            continue
        j = own[i]
        count = (j - i) // 2
        while True:
            count += 1
            left, right = i - 1, j + 1
            while left >= 0 and own[left] <= j:
                left -= 1
            if left < 0:
                count += max(i, own.size - 1 - j)
                break
            right = own[left]
            count += max(i - left, right - j) - 1
            i, j = left, right
        out[n] = count


@kernel("void(const uint8[::1], const int16[::1], float32[:, ::1], int64, int64, int64)")
def _letters(codes: Codes, pairs: Pairs, out: _F32, column: int, left: int, right: int) -> None:
    """Write the letters of a column, -1 for a gap."""
    for side, at in ((0, left), (1, right)):
        if at < 0:
            out[column, 8 + side] = 1
            continue
        if codes[at] < 4:
            out[column, 4 * side + codes[at]] = 1
        if pairs[at] >= 0:
            out[column, 10 + side] = 1


@kernel(
    "void(const uint8[::1], const int16[::1], const int64[::1], const int64[::1], float32[:, ::1])"
)
def fill_columns(codes: Codes, pairs: Pairs, offsets: Offsets, starts: _I64, out: _F32) -> None:
    """Write the columns of packed hairpins, each as a row.

    Args:
        codes: uint8 (T,), packed hairpins; unknown letters are none of the four.
        pairs: int16 (T,), partner inside the hairpin or -1.
        offsets: int64 (N + 1,).
        starts: int64 (N,), row of the first column of each; :func:`count_columns` says how many
            there are.
        out: float32 (R, fields), zeros.
    """
    for n in range(starts.size):
        first, end = offsets[n], offsets[n + 1]
        own, own_codes, to = pairs[first:end], codes[first:end], out[starts[n] :]
        size = own.size
        i = _loop_start(own)
        stem = 0
        for k in range(i + 1):
            stem += own[k] > i
        j = size if i < 0 else int(own[i])
        column = 0
        # The loop, from its apex: a single letter where there is an odd one.
        inside = j - i - 1
        apex = i + 1 + inside // 2
        if inside % 2:
            _letters(own_codes, own, to, 0, apex, -1)
            left, right = apex - 1, apex + 1
            column = 1
        else:
            left, right = apex - 1, apex
        while left > i:
            _letters(own_codes, own, to, column, left, right)
            left -= 1
            right += 1
            column += 1
        for c in range(column):
            to[c, 13] = 1
            to[c, 16] = np.float32(inside) / np.float32(8)
            to[c, 18] = np.float32(2 * c) / np.float32(64)
            to[c, 20] = np.float32(stem) / np.float32(16)
        walked, skew, seen, run = inside, 0, 0, 0
        while i >= 0:
            seen += 1
            run += 1
            _letters(own_codes, own, to, column, i, j)
            to[column, 10] = 0
            to[column, 11] = 0
            to[column, 12] = 1
            to[column, 15] = np.float32(run) / np.float32(8)
            to[column, 17] = np.float32(skew) / np.float32(8)
            to[column, 18] = np.float32(walked) / np.float32(64)
            to[column, 19] = np.float32(seen) / np.float32(16)
            to[column, 20] = np.float32(stem - seen) / np.float32(16)
            column += 1
            walked += 2
            outer = i - 1
            while outer >= 0 and own[outer] <= j:
                outer -= 1
            inner_left, inner_right = i, j
            i = outer
            j = size if outer < 0 else int(own[outer])
            lefts, rights = inner_left - i - 1, j - inner_right - 1
            if lefts + rights > 0:
                run = 0
            for k in range(max(lefts, rights)):
                left = inner_left - 1 - k if k < lefts else -1
                right = inner_right + 1 + k if k < rights else -1
                _letters(own_codes, own, to, column, left, right)
                skew += (left >= 0) - (right >= 0)
                walked += (left >= 0) + (right >= 0)
                if i < 0:
                    to[column, 14] = 1
                else:
                    to[column, 16] = np.float32(lefts + rights) / np.float32(8)
                to[column, 17] = np.float32(skew) / np.float32(8)
                to[column, 18] = np.float32(walked) / np.float32(64)
                to[column, 19] = np.float32(seen) / np.float32(16)
                to[column, 20] = np.float32(stem - seen) / np.float32(16)
                column += 1


@kernel("int64(const uint8[::1], int64, int64)")
def _gc(codes: Codes, first: int, last: int) -> int:
    """Letters G and C per thousand."""
    first, last = max(0, first), min(codes.size, last)
    count = 0
    for k in range(first, last):
        count += codes[k] == 1 or codes[k] == 2
    return 1000 * count // max(1, last - first)


@kernel("int64(const int16[::1], int64, int64)")
def _paired(pairs: Pairs, first: int, last: int) -> int:
    count = 0
    for k in range(max(0, first), min(pairs.size, last)):
        count += pairs[k] >= 0
    return count


@kernel("void(const uint8[::1], int32[::1])")
def _repeats(codes: Codes, out: _I32) -> None:
    """Different 3-mers per thousand, longest homopolymer, best tandem period and its share."""
    size = codes.size
    seen = np.zeros(64, np.uint8)
    kinds = 0
    for k in range(2, size):
        if max(codes[k - 2], codes[k - 1], codes[k]) < 4:
            word = 16 * codes[k - 2] + 4 * codes[k - 1] + codes[k]
            kinds += seen[word] == 0
            seen[word] = 1
    out[0] = 1000 * kinds // max(1, min(64, size - 2))
    longest, run = 0, 0
    for k in range(size):
        run = run + 1 if k > 0 and codes[k] == codes[k - 1] else 1
        run = run if codes[k] < 4 else 0
        longest = max(longest, run)
    out[1] = longest
    for period in range(1, min(_PERIODS, size - 1) + 1):
        same = 0
        for k in range(period, size):
            same += codes[k] == codes[k - period] and codes[k] < 4
        share = 1000 * same // (size - period)
        if share > out[3]:
            out[2], out[3] = period, share


@kernel(
    "void(const uint8[::1], const int16[::1], const int32[::1], const int64[::1], int32[:, ::1])"
)
def _fill_numbers(codes: Codes, pairs: Pairs, mfe: Energies, offsets: Offsets, out: _I32) -> None:
    for n in range(out.shape[0]):
        first, end = offsets[n], offsets[n + 1]
        own, letters, row = pairs[first:end], codes[first:end], out[n]
        size = own.size
        row[0], row[1], row[2] = size, mfe[n], 100 * mfe[n] // max(1, size)
        total, opened = 0, -1
        for k in range(size):
            if own[k] > k:
                total += 1
                opened = k
            elif own[k] >= 0 and own[k] == opened:
                row[5] += 1
        i = _loop_start(own)
        row[23], row[24] = _paired(own, 0, _END), _paired(own, size - _END, size)
        for k in range(size):
            if letters[k] < 4:
                row[30 + letters[k]] += 1
        for k in range(30, 34):
            row[k] = 1000 * row[k] // max(1, size)
        row[34], row[35] = _gc(letters, 0, _END), _gc(letters, size - _END, size)
        _repeats(letters, row[37:41])
        if i < 0:
            continue
        j = int(own[i])
        row[6] = j - i - 1
        row[25], row[26] = _paired(own, i - _ARM + 1, i + 1), _paired(own, j, j + _ARM)
        row[27] = _paired(own, i - _ARM - _NEXT + 1, i - _ARM + 1)
        row[28] = _paired(own, j + _ARM, j + _ARM + _NEXT)
        row[44] = 6 - _paired(own, i - 2, i + 1) - _paired(own, j, j + 3)
        for k in range(max(0, i - 2), min(size, j + 3) - 2):
            a, b, c = letters[k], letters[k + 1], letters[k + 2]
            row[43] |= (a == 3 and b == 2 and c == 3) or (a == 2 and b == 3 and c == 2)
        run = 0
        while True:
            row[3] += 1
            run += 1
            lower = min(letters[i], letters[j])
            row[16 + min(lower, 2)] += 1
            outer = i - 1
            while outer >= 0 and own[outer] <= j:
                outer -= 1
            right = size if outer < 0 else int(own[outer])
            lefts, rights = i - outer - 1, right - j - 1
            if lefts + rights > 0 or outer < 0:
                if run > row[7]:
                    row[8] = row[7]
                    row[7] = run
                else:
                    row[8] = max(row[8], run)
                run = 0
            if outer < 0:
                break
            if lefts + rights > 0:
                row[9] += lefts == 0 or rights == 0
                row[10] += lefts > 0 and rights > 0
                row[11] += lefts + rights
                row[12] = max(row[12], lefts + rights)
                row[13] += abs(lefts - rights)
                row[14] += lefts - rights
                row[15] += _paired(own, outer + 1, i) + _paired(own, j + 1, right)
            i, j = outer, right
        row[4] = total - row[3]
        row[19], row[20] = i, size - 1 - j
        row[21], row[22] = _paired(own, 0, i), _paired(own, j + 1, size)
        row[29] = j - i + 1
        row[36] = _gc(letters, i, j + 1)
        for k in range(j + 1, min(size, j + 1 + _CNNC) - 3):
            row[41] |= letters[k] == 1 and letters[k + 3] == 1
        for k in range(max(0, i - 3), min(size - 1, i + 4)):
            row[42] |= letters[k] == 3 and letters[k + 1] == 2
        row[45] = 1000 * row[3] // max(1, total)


def count_columns(pairs: Pairs, offsets: Offsets) -> _I64:
    """Return how many columns each hairpin has, int64 (N,).

    Args:
        pairs: int16 (T,), packed hairpins.
        offsets: int64 (N + 1,).
    """
    out = np.empty(offsets.size - 1, np.int64)
    _count_columns(pairs, offsets, out)
    return out


def numbers_of(codes: Codes, pairs: Pairs, mfe: Energies, offsets: Offsets) -> _I32:
    """Describe folds by plain numbers.

    Args:
        codes: uint8 (T,), packed hairpins; unknown letters are none of the four, and repeat
            nothing.
        pairs: int16 (T,), partner inside the hairpin or -1.
        mfe: int32 (N,), dcal/mol.
        offsets: int64 (N + 1,).

    Returns:
        int32 (N, ``len(NUMBERS)``), in the order of ``NUMBERS``; those of a stem are 0 where
        nothing pairs.
    """
    out = np.zeros((mfe.size, len(NUMBERS)), np.int32)
    _fill_numbers(codes, pairs, mfe, offsets, out)
    return out
