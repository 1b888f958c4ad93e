"""Features of candidates and of their folds as whole numbers, and trees that sum votes over them.

Gates reject what cannot become a hit before it costs a fold, or a pass through the network. They
use integers only, so that what they reject depends on nothing but the candidate itself.

Candidates are packed (:mod:`premir.kernels.pairing`) with their context: candidate n is
``offsets[n] + before[n] : offsets[n + 1] - after[n]``. Shares are per thousand.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel
from premir.kernels.codes import Codes
from premir.kernels.pairing import Energies, Offsets, Pairs

_I64: TypeAlias = npt.NDArray[np.int64]
Features: TypeAlias = npt.NDArray[np.int32]
"""int32 (N, features)."""

GATE_FEATURES = "gates-v1"
"""Name of the features' definition; gates carry it and must agree."""
SEGMENTS = 8
"""Pieces into which an arm is cut, from the ends of the candidate to its middle."""
_SHIFT = 4
"""An arm's piece may lie so many nt off its mirror image on the other arm."""
_PER_STEP, _STEPS = 4, 8
"""Pairs of a stem in a step from its loop outwards, and how many steps are told apart."""
STEM_FEATURES = 3 + 1 + 4 + 16 + SEGMENTS + 2
FOLD_FEATURES = 20 + 2 * _STEPS + 4 + 16

# What a pair of codes A, C, G, U, unknown counts.
_PAIR = np.zeros((5, 5), np.int64)
_PAIR[:4, :4] = [[0, 0, 0, 2], [0, 0, 3, 0], [0, 3, 0, 1], [2, 0, 1, 0]]


@kernel("void(const uint8[::1], int32[::1])")
def _composition(codes: Codes, out: npt.NDArray[np.int32]) -> None:
    """Shares of the four letters, then of the sixteen pairs of neighbours."""
    out[:20] = 0
    for i in range(codes.size):
        if codes[i] > 3:
            continue
        out[codes[i]] += 1
        if i > 0 and codes[i - 1] < 4:
            out[4 + 4 * codes[i - 1] + codes[i]] += 1
    for k in range(20):
        out[k] = 1000 * out[k] // max(1, codes.size)


@kernel("int64(const uint8[::1], int64, int64, int64, const int64[:, ::1])")
def _facing(codes: Codes, first: int, last: int, mirror: int, pair: _I64) -> int:
    """Most that letters ``first`` to ``last`` pair with those around their mirror images."""
    most = 0
    for shift in range(-_SHIFT, _SHIFT + 1):
        total = 0
        for i in range(first, last):
            j = mirror - i + shift
            if last <= j < codes.size:
                total += pair[codes[i], codes[j]]
        most = max(most, total)
    return most


@kernel(
    "void(const uint8[::1], const int64[::1], const int64[::1], const int64[::1], "
    "const int16[::1], const int64[:, ::1], int32[:, ::1])"
)
def _stem_features(
    codes: Codes,
    offsets: Offsets,
    before: _I64,
    after: _I64,
    stem_energy: npt.NDArray[np.int16],
    pair: _I64,
    out: Features,
) -> None:
    for n in range(out.shape[0]):
        a, b = offsets[n] + before[n], offsets[n + 1] - after[n]
        own, row = codes[a:b], out[n]
        length = max(1, b - a)
        row[0] = stem_energy[n]
        row[1] = b - a
        row[2] = 100 * stem_energy[n] // length
        _composition(own, row[4:24])
        row[3] = row[5] + row[6]
        half = own.size // 2
        for k in range(SEGMENTS):
            first, last = k * half // SEGMENTS, (k + 1) * half // SEGMENTS
            total = _facing(own, first, last, own.size - 1, pair)
            row[24 + k] = 1000 * total // max(1, last - first)
        # Does the stem go on outside?
        whole = codes[offsets[n] : offsets[n + 1]]
        depth = min(before[n], after[n])
        first = before[n] - depth
        total = _facing(whole, first, before[n], before[n] + own.size + before[n] - 1, pair)
        row[24 + SEGMENTS] = 1000 * total // max(1, depth)
        run = 0
        while run < depth and pair[codes[a - 1 - run], codes[b + run]] > 0:
            run += 1
        row[25 + SEGMENTS] = run


@kernel(
    "void(const uint8[::1], const int16[::1], const int32[::1], const int64[::1], "
    "const int64[::1], const int64[::1], int32[:, ::1])"
)
def _fold_features(
    codes: Codes,
    pairs: Pairs,
    mfe: Energies,
    offsets: Offsets,
    before: _I64,
    after: _I64,
    out: Features,
) -> None:
    steps = np.empty((2, _STEPS), np.int32)
    best = np.empty((2, _STEPS), np.int32)
    for n in range(out.shape[0]):
        first, end = offsets[n], offsets[n + 1]
        size, row = end - first, out[n]
        own = pairs[first:end]
        row[:] = 0
        best[:] = 0
        row[0] = mfe[n]
        row[1] = size
        row[2] = 100 * mfe[n] // max(1, size)
        last_open = -1
        for k in range(size):
            j = own[k]
            if j < 0:
                continue
            lower = min(codes[first + k], codes[first + j])
            row[5] += lower == 1  # C-G
            row[6] += lower == 2  # G-U
            inside = before[n] <= k < size - after[n]
            row[7] += not inside and k < before[n]
            row[8] += not inside and k >= before[n]
            if j > k:
                row[3] += 1
                last_open = k
                continue
            if j != last_open:
                continue
            # k closes a hairpin loop; walk outwards while the stem does not branch.
            row[4] += 1
            i, m, stem, loops, unpaired, largest, skew, run, longest_run = (
                last_open, k, 0, 0, 0, 0, 0, 0, 0
            )  # fmt: skip
            outer_i, outer_m = i, m
            steps[:] = 0
            while i >= 0 and m < size:
                if own[i] == m:
                    gap_left, gap_right = outer_i - i - 1, m - outer_m - 1
                    if stem > 0 and gap_left + gap_right > 0:
                        loops += 1
                        unpaired += gap_left + gap_right
                        largest = max(largest, gap_left + gap_right)
                        skew += abs(gap_left - gap_right)
                        run = 0
                        at = min(stem // _PER_STEP, _STEPS - 1)
                        steps[0, at] += gap_left
                        steps[1, at] += gap_right
                    run += 1
                    longest_run = max(longest_run, run)
                    stem += 1
                    outer_i, outer_m = i, m
                    i -= 1
                    m += 1
                elif own[i] < 0:
                    i -= 1
                elif own[m] < 0:
                    m += 1
                else:
                    break
            if stem > row[9]:
                row[9] = stem
                row[10] = k - last_open - 1
                row[11] = outer_i - before[n]
                row[12] = size - after[n] - 1 - outer_m
                row[13] = loops
                row[14] = unpaired
                row[15] = largest
                row[16] = skew
                row[17] = longest_run
                for at in range(_STEPS):  # a slice of two dimensions takes seconds to compile
                    best[0, at], best[1, at] = steps[0, at], steps[1, at]
        row[18] = 1000 * row[9] // max(1, row[3])
        row[19] = 2000 * row[3] // max(1, size)
        for k in range(_STEPS):
            row[20 + k] = best[0, k]
            row[20 + _STEPS + k] = best[1, k]
        inner = codes[first + before[n] : end - after[n]]
        _composition(inner, row[20 + 2 * _STEPS :])


def stem_features(
    codes: Codes,
    offsets: Offsets,
    before: _I64,
    after: _I64,
    stem_energy: npt.NDArray[np.int16],
) -> Features:
    """Describe candidates before they are folded.

    Args:
        codes: uint8 (T,), packed candidates with their context; unknown letters count for nothing.
        offsets: int64 (N + 1,).
        before: int64 (N,), nucleotides of context before each candidate.
        after: int64 (N,), and after it.
        stem_energy: int16 (N,), of the stem scan, centibits.

    Returns:
        int32 (N, ``STEM_FEATURES``): stem energy, length, energy per 100 nt, share of G and C;
        shares of letters and of pairs of neighbours; how well each piece of an arm faces the other
        arm, ends first; how well the contexts face each other, and how many pairs follow right
        outside.
    """
    out = np.zeros((before.size, STEM_FEATURES), np.int32)
    _stem_features(codes, offsets, before, after, stem_energy, _PAIR, out)
    return out


def fold_features(
    codes: Codes, pairs: Pairs, mfe: Energies, offsets: Offsets, before: _I64, after: _I64
) -> Features:
    """Describe folded candidates.

    Args:
        codes: uint8 (T,), packed hairpins; unknown letters count for nothing.
        pairs: int16 (T,).
        mfe: int32 (N,), dcal/mol.
        offsets: int64 (N + 1,).
        before: int64 (N,), nucleotides of context before each candidate.
        after: int64 (N,), and after it.

    Returns:
        int32 (N, ``FOLD_FEATURES``): MFE, length, MFE per 100 nt; numbers of pairs, of hairpin
        loops, of letters in C-G and in G-U pairs, of paired letters in either context; of the stem
        with the most pairs: these, its loop's size, how far inside the candidate it ends on both
        sides, its interior loops and bulges, their unpaired letters, the largest, their asymmetry
        and its longest run of pairs; its share of all pairs, share of paired letters; unpaired
        letters of both its arms step by step from the loop outwards; shares of letters and of
        pairs of neighbours in the candidate.
    """
    out = np.zeros((mfe.size, FOLD_FEATURES), np.int32)
    _fold_features(codes, pairs, mfe, offsets, before, after, out)
    return out


@kernel("void(const int32[:, ::1], const int32[:, ::1], const int32[::1], int64[::1])")
def sum_votes(
    features: Features,
    nodes: npt.NDArray[np.int32],
    roots: npt.NDArray[np.int32],
    out: _I64,
) -> None:
    """Send each row down all trees and add up the votes of the leaves that it reaches.

    Args:
        features: int32 (N, features).
        nodes: int32 (M, 5): feature (-1 in a leaf), threshold, node for values up to it, node for
            values above, vote of a leaf.
        roots: int32 (trees,), first node of each tree.
        out: int64 (N,), changed in place.
    """
    for n in range(features.shape[0]):
        total = 0
        for root in roots:
            at = root
            while nodes[at, 0] >= 0:
                at = nodes[at, 2] if features[n, nodes[at, 0]] <= nodes[at, 1] else nodes[at, 3]
            total += nodes[at, 4]
        out[n] = total
