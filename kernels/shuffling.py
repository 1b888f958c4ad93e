"""Shuffles of sequences that keep how often each letter follows each other one.

A sequence is a walk over its letters along its pairs of neighbours, and every other walk along all
of these pairs is a shuffle of it (Altschul and Erickson 1985): it begins and ends with the same
letters. Of all such walks each is as likely as any other when first the pairs are chosen by which
letters are left for the last time, which lead to the final letter as a tree does, all such trees
being equally likely (Kandel, Matias, Unger and Winkler 1996), and all other steps by chance.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel, part
from premir.kernels.codes import UNKNOWN, Codes

_I64 = npt.NDArray[np.int64]
_F64 = npt.NDArray[np.float64]

_TREES = 64
"""Ways in which three letters have each one of four successors."""


@part
def _trees(counts: _I64, final: int, tree: int, last: _I64) -> int:
    """Read a tree from its number into ``last``; return in how many ways there is such a tree."""
    ways = 1
    digits = tree
    for letter in range(3, -1, -1):
        last[letter] = final
        if letter == final:
            continue
        follower = digits & 3
        digits >>= 2
        # A letter that is never left has one way of being so, which makes no difference.
        steps = 0
        for each in range(4):
            steps += counts[letter, each]
        ways *= counts[letter, follower] if steps > 0 else 1 if follower == final else 0
        last[letter] = follower
    for letter in range(4):
        at = letter
        for _ in range(3):
            at = last[at]
        if at != final:
            return 0
    return ways


@part
def _choose_tree(counts: _I64, final: int, draw: float, last: _I64) -> None:
    """Choose the pairs by which letters are left for the last time."""
    total = 0
    for tree in range(_TREES):
        total += _trees(counts, final, tree, last)
    pick = int(draw * total)
    for tree in range(_TREES):
        pick -= _trees(counts, final, tree, last)
        if pick < 0:
            return


@kernel("void(const uint8[::1], const int64[::1], const float64[::1], uint8[::1])")
def _shuffle(codes: Codes, borders: _I64, draws: _F64, out: Codes) -> None:
    counts = np.zeros((4, 4), np.int64)
    left = np.zeros(4, np.int64)
    last = np.zeros(4, np.int64)
    for n in range(borders.size - 1):
        start, stop = borders[n], borders[n + 1]
        while start < stop:
            end = start
            while end < stop and codes[end] < UNKNOWN:
                end += 1
            if end == start:
                out[start] = codes[start]
                start += 1
                continue
            counts[:] = 0
            left[:] = 0
            for i in range(start, end - 1):
                counts[codes[i], codes[i + 1]] += 1
                left[codes[i]] += 1
            final = int(codes[end - 1])
            _choose_tree(counts, final, draws[start], last)
            for letter in range(4):
                if letter != final and left[letter] > 0:
                    counts[letter, last[letter]] -= 1
                    left[letter] -= 1
            at = int(codes[start])
            out[start] = at
            for i in range(start + 1, end):
                if left[at] > 0:
                    pick = int(draws[i] * left[at])
                    follower = 0
                    while pick >= counts[at, follower]:
                        pick -= counts[at, follower]
                        follower += 1
                    counts[at, follower] -= 1
                    left[at] -= 1
                    at = follower
                else:
                    at = last[at]
                out[i] = at
            start = end


def shuffle(codes: Codes, borders: _I64, draws: _F64) -> Codes:
    """Shuffle blocks of a sequence, each by itself, so that neighbours are as frequent as before.

    Of each stretch of known letters in a block, the first and the last stay as they are, and with
    them how often letters follow each other across borders; unknown letters keep their places. All
    shuffles of a stretch with these properties are equally likely.

    Args:
        codes: uint8 (n,).
        borders: int64 (M + 1,), of the blocks, from 0 to n; none longer than a million letters.
        draws: float64 (n,), random numbers from 0 to below 1; what comes out follows from them.

    Returns:
        uint8 (n,).
    """
    out = np.empty_like(codes)
    _shuffle(codes, borders, draws, out)
    return out
