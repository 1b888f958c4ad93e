"""Minimum-free-energy folding of many short sequences, with ViennaRNA's energies and choices.

The recursions are those of Zuker and Stiegler as ViennaRNA states them, with dangles = 2 (every
stem of a multi- or exterior loop takes both neighbours), lonely pairs allowed, interior loops of at
most 30 unpaired bases:

    C(i, j) = min(hairpin, interior loops, multi_closing + min_u M(i+1, u) + M(u+1, j-1))
    M(i, j) = min(C(i, j) + stem, M(i+1, j) + base, M(i, j-1) + base, min_u M(i, u) + M(u+1, j))
    F(j)    = min(F(j-1), min_i F(i-1) + C(i, j) + exterior stem)

What differs is the order of the work. Everything goes by the span d = j - i, and a span's cells lie
side by side in memory, so that one instruction works on many cells:

*Interior loops* are *taps*. For all cells of span d at once, a loop with n1 + n2 = u unpaired bases
reads the enclosed pairs of span d - 2 - u, shifted by 1 + n1. What the enclosed pair contributes is
added to its energy once, when its span is done, and stored in *planes* (one for each family of
loops), of which the last 32 spans are kept. Loops of one u and one difference |n1 - n2| cost the
same, so that their minimum is itself a plane; those whose asymmetry has reached its limit are a
sliding minimum. About 110 taps stand for the 400 generic loops (``loop_tables._generic_taps``).
What the enclosing pair contributes is added last. Stacks, bulges of one, 1x1, 1x2, 2x2 and 2x3
loops depend on more letters and are looked up pair by pair.

*Multiloops*: both terms of a split are contiguous in the same layout.

The traceback makes ViennaRNA's choices in ViennaRNA's order, so that of several structures of equal
energy the same one is returned.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel
from premir.kernels.codes import UNKNOWN, Codes
from premir.kernels.energies import INF, MAX_LOOP, MIN_HAIRPIN, PAIR_TYPE, EnergyParameters, Table
from premir.kernels.loop_tables import (
    CLOSES_1N,
    CLOSES_23,
    CLOSES_BULGE,
    CLOSES_GENERIC,
    CLOSES_HAIRPIN,
    CLOSES_MULTI,
    CLOSES_TRILOOP,
    EDGE,
    INNER_1N,
    INNER_23,
    INNER_BULGE,
    INNER_EXTERIOR,
    INNER_GENERIC,
    INNER_MULTI,
    TAP_GROUP,
    WINDOWS,
    LoopTables,
    loop_tables,
)
from premir.kernels.pairing import MAX_LENGTH, Energies, Offsets, Pairs

_Ints = npt.NDArray[np.int64]
_Lists = npt.NDArray[np.uint32]

_SPANS = MAX_LOOP + 2
"""Spans of which the planes are kept: a tap reads at most MAX_LOOP + 2 spans back."""
_SHORTEST = MIN_HAIRPIN + 1
"""Smallest span j - i of a pair."""
_MARGIN = 2
"""Rows of INF before span 0, so that the 2x2 loop of the smallest spans needs no test."""
_LANES = 16
"""Rows are worked on in multiples of this many cells (the widest vector of int32)."""

_TABLES = (
    f"Tuple((int64, int64, int64, {'const int32[:, :, ::1], ' * 2}{'const int32[:, ::1], ' * 7}"
    "const int32[::1], const int64[::1], const int32[::1], const int64[::1], "
    f"{'const int32[::1], ' * 3}{'const int64[:, ::1], ' * 3}))"
)
"""numba's type of a :class:`LoopTables` passed as a plain tuple."""
_WORK = "Tuple((int32[::1], int32[::1], int32[::1], int32[:, ::1], uint32[:, ::1]))"
"""numba's type of a :class:`Workspace` passed as a plain tuple."""


class Workspace(NamedTuple):
    """What one call of the kernel works in, whatever the number of sequences.

    Attributes:
        pair: int32, C by span and start.
        multi: int32, M by span and start.
        planes: int32, by plane, span modulo 32 and start.
        rows: int32 (rows, starts), ``_ROW_*``.
        lists: uint32 (lists, positions), ``_WORD2`` and following.
    """

    pair: Table
    multi: Table
    planes: Table
    rows: Table
    lists: _Lists


_ROW_GENERIC, _ROW_1N, _ROW_BULGE, _ROW_STEM = range(4)
"""Rows by start, for the span that is worked on: interior loops by family, stems of multiloops."""
_ROW_SPLIT = 4
"""Best splits of M, three rows by span modulo 3: a multiloop is closed two spans later."""
_ROW_EXTERIOR = 7
"""F, by length of the prefix."""
_ROW_STACK = 8
"""Open intervals of multiloops in the traceback, first and last position."""
_N_ROWS = 10
_WORD2, _WORD3, _WORD4, _BEFORE, _AFTER, _PAIRED = range(6)
"""Lists by position: words that begin there, a pair's outer neighbours, starts that pair."""
_N_LISTS = 6
_LONGEST_SPECIAL = 8
"""Length of a hexaloop with its closing pair, nt."""


@kernel("int64(int64)")
def _stride(length: int) -> int:
    """Return the distance of two spans' rows: an odd number of cache lines.

    Odd, for at a power of two all spans would compete for the same few lines of the cache.
    """
    return ((length + _LANES - 1) // _LANES | 1) * _LANES


@kernel("int64(int64, int64, int64)")
def _at(span: int, start: int, stride: int) -> int:
    """Return the index of cell (start, start + span) in C or M."""
    return (span + _MARGIN) * stride + start


@kernel("int64(int64, int64, int64, int64)")
def _in_plane(plane: int, span: int, start: int, stride: int) -> int:
    """Return the index of cell (start, start + span) in a plane."""
    return (plane * _SPANS + (span & (_SPANS - 1))) * stride + start


@kernel("void(int32[::1], const int32[::1], const int64[:, ::1], int64, int64)")
def _sweep(out: Table, planes: Table, taps: _Ints, span: int, stride: int) -> None:
    """Lower ``out`` to the best interior loop of one family, for all pairs of one span.

    Args:
        out: int32 (cells,), best energies so far, without the closing pair's share.
        planes: int32, by plane, span modulo 32 and start.
        taps: int64 (n, 4), plane, unpaired nucleotides, shift, energy; sorted by the second.
        span: j - i of the closing pairs.
        stride: cells from one span's row to the next one's.
    """
    cells = out.size
    for t in range(0, len(taps), TAP_GROUP):
        if taps[t, 1] > span - 2 - _SHORTEST:
            return
        at_a = _in_plane(taps[t, 0], span - 2 - taps[t, 1], taps[t, 2], stride)
        at_b = _in_plane(taps[t + 1, 0], span - 2 - taps[t + 1, 1], taps[t + 1, 2], stride)
        at_c = _in_plane(taps[t + 2, 0], span - 2 - taps[t + 2, 1], taps[t + 2, 2], stride)
        at_d = _in_plane(taps[t + 3, 0], span - 2 - taps[t + 3, 1], taps[t + 3, 2], stride)
        a, cost_a = planes[at_a : at_a + cells], np.int32(taps[t, 3])
        b, cost_b = planes[at_b : at_b + cells], np.int32(taps[t + 1, 3])
        c, cost_c = planes[at_c : at_c + cells], np.int32(taps[t + 2, 3])
        d, cost_d = planes[at_d : at_d + cells], np.int32(taps[t + 3, 3])
        for x in range(cells):
            one = min(np.int32(a[x] + cost_a), np.int32(b[x] + cost_b))
            two = min(np.int32(c[x] + cost_c), np.int32(d[x] + cost_d))
            out[x] = min(out[x], min(one, two))


@kernel("UniTuple(const int32[::1], 2)(const int32[::1], int64, int64, int64, int64)")
def _halves(multi: Table, left: int, span: int, cells: int, stride: int) -> tuple[Table, Table]:
    """Return the rows M(i, i + left) and M(i + left + 1, i + span), by i."""
    first, second = _at(left, 0, stride), _at(span - 1 - left, left + 1, stride)
    return multi[first : first + cells], multi[second : second + cells]


@kernel("void(int32[::1], const int32[::1], int64, int64)")
def _split(out: Table, multi: Table, span: int, stride: int) -> None:
    """Lower ``out`` to the best split M(i, u) + M(u + 1, j) for all (i, j) of one span."""
    cells = out.size
    last = span - 1 - _SHORTEST
    for left in range(_SHORTEST, last + 1, 4):
        # Splits beyond the last are done twice rather than by a loop of their own.
        left_b, left_c, left_d = min(left + 1, last), min(left + 2, last), min(left + 3, last)
        a, a2 = _halves(multi, left, span, cells, stride)
        b, b2 = _halves(multi, left_b, span, cells, stride)
        c, c2 = _halves(multi, left_c, span, cells, stride)
        d, d2 = _halves(multi, left_d, span, cells, stride)
        for x in range(cells):
            one = min(np.int32(a[x] + a2[x]), np.int32(b[x] + b2[x]))
            two = min(np.int32(c[x] + c2[x]), np.int32(d[x] + d2[x]))
            out[x] = min(out[x], min(one, two))


@kernel("void(int32[::1], int64, int64, int64, int64)")
def _pairwise_minimum(planes: Table, source: int, target: int, apart: int, cells: int) -> None:
    """Write the better of each two cells ``apart`` in one row of the planes to another row."""
    a = planes[source : source + cells]
    b = planes[source + apart : source + apart + cells]
    out = planes[target : target + cells]
    for x in range(cells):
        out[x] = min(a[x], b[x])


@kernel("void(int32[::1], int64, int64, int64, int64)")
def _derive_planes(planes: Table, differences: int, span: int, cells: int, stride: int) -> None:
    """Fill the planes of one span that follow from plane 0: differences, then windows."""
    single = _in_plane(0, span, 0, stride)
    for k in range(1, differences):
        _pairwise_minimum(planes, single, _in_plane(k, span, 0, stride), k, cells)
    narrower = _in_plane(1, span, 0, stride)
    for k in range(len(WINDOWS)):
        wider = _in_plane(differences + k, span, 0, stride)
        _pairwise_minimum(planes, narrower, wider, WINDOWS[k] // 2, cells)
        narrower = wider


@kernel("void(const uint8[::1], uint32[:, ::1])")
def _read_words(codes: Codes, lists: _Lists) -> None:
    """Fill the lists that look up energies by the letters at a position."""
    n = codes.size
    for i in range(n):
        word, before = np.int64(codes[i]), np.int64(EDGE)
        if i > 0:
            before = np.int64(codes[i - 1])
        lists[_BEFORE, i] = 4 * before + word
        after = np.int64(EDGE)
        if i + 1 < n:
            after = np.int64(codes[i + 1])
        lists[_AFTER, i] = 5 * word + after
        for width in range(2, 5):
            letter = np.int64(0)
            if i + width - 1 < n:
                letter = np.int64(codes[i + width - 1])
            word = 4 * word + letter
            lists[_WORD2 + width - 2, i] = word


@kernel("int64(const uint8[::1], uint32[:, ::1], int64)")
def _list_pairs(codes: Codes, lists: _Lists, span: int) -> int:
    """List the starts i for which i and i + span can pair, and return how many there are."""
    found = 0
    for i in range(codes.size - span):
        # Written whether it pairs or not: a branch here would be mispredicted every third time.
        lists[_PAIRED, found] = i
        found += PAIR_TYPE[codes[i], codes[i + span]] >= 0
    return found


@kernel(
    "int32(const uint8[::1], int64, int64, const int64[::1], const int32[::1], const int64[::1])"
)
def _special_hairpin(
    codes: Codes, i: int, j: int, words: _Ints, energies: Table, first: _Ints
) -> int:
    """Return the energy of the tri-, tetra- or hexaloop closed by (i, j), INF if it has none."""
    length = j - i + 1
    if length <= _LONGEST_SPECIAL and first[length] < first[length + 1]:
        word = np.int64(0)
        for x in range(i, j + 1):
            word = 4 * word + codes[x]
        for k in range(first[length], first[length + 1]):
            if words[k] == word:
                return int(energies[k])
    return INF


@kernel(f"int32(const uint8[::1], const uint32[:, ::1], {_TABLES}, int64, int64)")
def _hairpin(codes: Codes, lists: _Lists, tables: LoopTables, i: int, j: int) -> int:
    """Return the energy of the hairpin loop closed by (i, j)."""
    closing = tables[3]
    hairpin, special_words, special_energies, special_first = tables[12:16]
    special = _special_hairpin(codes, i, j, special_words, special_energies, special_first)
    if special < INF:
        return special
    unpaired = j - i - 1
    column = CLOSES_TRILOOP if unpaired == MIN_HAIRPIN else CLOSES_HAIRPIN
    return int(hairpin[unpaired] + closing[lists[_WORD2, i], lists[_WORD2, j - 1], column])


@kernel(f"void(const uint8[::1], {_TABLES}, {_WORK}, int64)")
def _close_pairs(codes: Codes, tables: LoopTables, work: Workspace, span: int) -> None:
    """Finish C for all pairs of one span, and add what each contributes to loops around it."""
    differences, _, interior_23, closing, enclosed = tables[:5]
    int00, int01, int10, int11, int12, int21, int22 = tables[5:12]
    hairpin, special_words, special_energies, special_first = tables[12:16]
    pair, _, planes, rows, lists = work
    stride = _stride(codes.size)
    starts = _list_pairs(codes, lists, span)
    split = rows[_ROW_SPLIT + (span - 2) % 3]
    column = CLOSES_TRILOOP if span - 1 == MIN_HAIRPIN else CLOSES_HAIRPIN
    loop = hairpin[span - 1]
    # Unsigned, for numba would test each signed index for being negative.
    one, two, three, to_end = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(span)
    own = np.uint64(_at(span, 0, stride))
    inside00 = np.uint64(_at(span - 2, 1, stride))
    inside01 = np.uint64(_at(span - 3, 1, stride))
    inside11 = np.uint64(_at(span - 4, 2, stride))
    inside12 = np.uint64(_at(span - 5, 2, stride))
    inside22 = np.uint64(_at(span - 6, 3, stride))
    first_flank = differences + len(WINDOWS)
    inside23 = np.uint64(_in_plane(first_flank + 2, span - 7, 3, stride))
    own_generic = np.uint64(_in_plane(0, span, 0, stride))
    own_1n = np.uint64(_in_plane(first_flank, span, 0, stride))
    own_bulge = np.uint64(_in_plane(first_flank + 1, span, 0, stride))
    own_23 = np.uint64(_in_plane(first_flank + 2, span, 0, stride))
    for k in range(starts):
        i = np.uint64(lists[_PAIRED, k])
        j = i + to_end
        left2, left3, left4 = lists[_WORD2, i], lists[_WORD3, i], lists[_WORD4, i]
        right2, right3 = lists[_WORD2, j - one], lists[_WORD3, j - two]
        right4 = lists[_WORD4, j - three]
        best = np.int64(loop + closing[left2, right2, column])
        if span < _LONGEST_SPECIAL:
            special = _special_hairpin(
                codes, int(i), int(j), special_words, special_energies, special_first
            )
            if special < INF:
                best = np.int64(special)
        best = min(best, split[i + one] + closing[left2, right2, CLOSES_MULTI])
        best = min(best, pair[inside00 + i] + int00[left2, right2])
        best = min(best, pair[inside01 + i] + int01[left2, right3])
        best = min(best, pair[inside01 + i + one] + int10[left3, right2])
        best = min(best, pair[inside11 + i] + int11[left3, right3])
        best = min(best, pair[inside12 + i] + int12[left3, right4])
        best = min(best, pair[inside12 + i + one] + int21[left4, right3])
        best = min(best, pair[inside22 + i] + int22[left4, right4])
        least23 = min(planes[inside23 + i], planes[inside23 + i + one]) + interior_23
        best = min(best, least23 + closing[left2, right2, CLOSES_23])
        best = min(best, rows[_ROW_GENERIC, i] + closing[left2, right2, CLOSES_GENERIC])
        best = min(best, rows[_ROW_1N, i] + closing[left2, right2, CLOSES_1N])
        best = min(best, rows[_ROW_BULGE, i] + closing[left2, right2, CLOSES_BULGE])
        before, after = lists[_BEFORE, i], lists[_AFTER, j]
        pair[own + i] = best
        planes[own_generic + i] = best + enclosed[before, after, INNER_GENERIC]
        planes[own_1n + i] = best + enclosed[before, after, INNER_1N]
        planes[own_bulge + i] = best + enclosed[before, after, INNER_BULGE]
        planes[own_23 + i] = best + enclosed[before, after, INNER_23]
        rows[_ROW_STEM, i] = best + enclosed[before, after, INNER_MULTI]


@kernel(f"void(const uint8[::1], {_TABLES}, {_WORK})")
def _fill(codes: Codes, tables: LoopTables, work: Workspace) -> None:
    """Fill C and M of one sequence."""
    pair, multi, planes, rows, lists = work
    differences, multi_base = tables[:2]
    generic_taps, one_by_n_taps, bulge_taps = tables[19:22]
    first_flank = differences + len(WINDOWS)
    n = codes.size
    stride = _stride(n)
    _read_words(codes, lists)
    pair[: _at(_SHORTEST, 0, stride)] = INF
    multi[: _at(_SHORTEST, 0, stride)] = INF
    planes[: _in_plane(first_flank + 3, 0, 0, stride)] = INF
    rows[_ROW_SPLIT:_ROW_EXTERIOR] = INF
    for span in range(_SHORTEST, n):
        # Whole vectors: the cells beyond the last start are never read by a true cell.
        cells = (n - span + _LANES - 1) // _LANES * _LANES
        generic, one_by_n, bulge = rows[_ROW_GENERIC], rows[_ROW_1N], rows[_ROW_BULGE]
        stem, split = rows[_ROW_STEM], rows[_ROW_SPLIT + span % 3]
        own = _at(span, 0, stride)
        for x in range(cells):
            generic[x] = one_by_n[x] = bulge[x] = INF
            stem[x] = split[x] = pair[own + x] = INF
        _sweep(generic[:cells], planes, generic_taps, span, stride)
        _sweep(one_by_n[:cells], planes, one_by_n_taps, span, stride)
        _sweep(bulge[:cells], planes, bulge_taps, span, stride)
        _split(split[:cells], multi, span, stride)
        # Not before the sweeps: the largest loops read span - 32, which stands in the same place.
        for plane in (0, first_flank, first_flank + 1, first_flank + 2):
            row = _in_plane(plane, span, 0, stride)
            planes[row : row + cells] = INF
        _close_pairs(codes, tables, work, span)
        _derive_planes(planes, differences, span, cells, stride)
        narrower = multi[own - stride :]
        multi_own = multi[own:]
        for x in range(cells):
            unpaired = np.int32(min(narrower[x], narrower[x + 1]) + multi_base)
            multi_own[x] = min(min(split[x], stem[x]), min(unpaired, np.int32(INF)))


@kernel(f"void(int64, {_TABLES}, {_WORK})")
def _fill_exterior(n: int, tables: LoopTables, work: Workspace) -> None:
    """Fill F, the best energy of each prefix, by its length."""
    enclosed = tables[4]
    pair, rows, lists = work[0], work[3], work[4]
    stride = _stride(n)
    prefix = rows[_ROW_EXTERIOR]
    prefix[: _SHORTEST + 1] = 0
    for q in range(_SHORTEST, n):
        best = np.int64(prefix[q])
        after = lists[_AFTER, q]
        for p in range(q - _SHORTEST + 1):
            stem = enclosed[lists[_BEFORE, p], after, INNER_EXTERIOR]
            best = min(best, prefix[p] + pair[_at(q - p, p, stride)] + stem)
        prefix[q + 1] = best


@kernel(f"UniTuple(int64, 2)({_TABLES}, {_WORK}, int64, int64, int64)")
def _enclosed_pair(
    tables: LoopTables, work: Workspace, i: int, j: int, stride: int
) -> tuple[int, int]:
    """Return the pair (p, q) with which (i, j) closes its best interior loop, or (-1, -1).

    Of several, the first with p ascending and q descending. The energies of the loops stand here
    rather than in a function, for calls with so many tables cost more than the work.
    """
    interior_23, closing, enclosed = tables[2:5]
    int00, int01, int10, int11, int12, int21, int22 = tables[5:12]
    bulge, interior, asymmetry = tables[16:19]
    pair, lists = work[0], work[4]
    energy = pair[_at(j - i, i, stride)]
    close = closing[lists[_WORD2, i], lists[_WORD2, j - 1]]
    left3, left4 = lists[_WORD3, i], lists[_WORD4, i]
    for p in range(i + 1, min(i + MAX_LOOP + 1, j - _SHORTEST - 1) + 1):
        left = p - i - 1
        for q in range(j - 1, max(p + _SHORTEST, j - 1 - MAX_LOOP + left) - 1, -1):
            inside = pair[_at(q - p, p, stride)]
            if inside >= INF:
                continue
            right = j - q - 1
            unpaired = left + right
            inner = enclosed[lists[_BEFORE, p], lists[_AFTER, q]]
            if left == 0 or right == 0:
                if unpaired > 1:
                    loop = bulge[unpaired] + close[CLOSES_BULGE] + inner[INNER_BULGE]
                elif left == 1:
                    loop = int10[left3, lists[_WORD2, q]]
                elif right == 1:
                    loop = int01[lists[_WORD2, i], lists[_WORD3, q]]
                else:
                    loop = int00[lists[_WORD2, i], lists[_WORD2, q]]
            elif unpaired == 2:
                loop = int11[left3, lists[_WORD3, q]]
            elif unpaired == 3:
                if left == 1:
                    loop = int12[left3, lists[_WORD4, q]]
                else:
                    loop = int21[left4, lists[_WORD3, q]]
            elif left == 1 or right == 1:
                loop = interior[unpaired] + asymmetry[unpaired - 2]
                loop += close[CLOSES_1N] + inner[INNER_1N]
            elif unpaired == 4:
                loop = int22[left4, lists[_WORD4, q]]
            elif unpaired == 5:
                loop = interior_23 + close[CLOSES_23] + inner[INNER_23]
            else:
                loop = interior[unpaired] + asymmetry[abs(left - right)]
                loop += close[CLOSES_GENERIC] + inner[INNER_GENERIC]
            if energy == inside + loop:
                return p, q
    return -1, -1


@kernel("int64(const int32[::1], int32[:, ::1], int64, int64, int64, int64, int64)")
def _push_split(
    multi: Table, rows: Table, i: int, j: int, energy: int, stride: int, depth: int
) -> int:
    """Push both parts of the first split of (i, j) that has the given energy."""
    for u in range(i + 1, j):
        if energy == multi[_at(u - i, i, stride)] + multi[_at(j - u - 1, u + 1, stride)]:
            rows[_ROW_STACK, depth], rows[_ROW_STACK + 1, depth] = i, u
            rows[_ROW_STACK, depth + 1], rows[_ROW_STACK + 1, depth + 1] = u + 1, j
            return depth + 2
    return depth


@kernel(f"int64(const uint8[::1], {_TABLES}, {_WORK}, int16[::1], int64, int64, int64)")
def _trace_pair(
    codes: Codes, tables: LoopTables, work: Workspace, pairs: Pairs, i: int, j: int, depth: int
) -> int:
    """Write the helix that (i, j) begins and push what its last pair encloses.

    Returns:
        The new depth of the stack of multiloop intervals.
    """
    closing, int00 = tables[3], tables[5]
    pair, multi, _, rows, lists = work
    stride = _stride(codes.size)
    while True:
        pairs[i], pairs[j] = j, i
        energy = pair[_at(j - i, i, stride)]
        if energy == _hairpin(codes, lists, tables, i, j):
            return depth
        p, q = i + 1, j - 1
        if energy != pair[_at(q - p, p, stride)] + int00[lists[_WORD2, i], lists[_WORD2, q]]:
            p, q = _enclosed_pair(tables, work, i, j, stride)
        if p < 0:
            break
        i, j = p, q
    energy -= closing[lists[_WORD2, i], lists[_WORD2, j - 1], CLOSES_MULTI]
    return _push_split(multi, rows, i + 1, j - 1, energy, stride, depth)


@kernel(f"void(const uint8[::1], {_TABLES}, {_WORK}, int16[::1])")
def _trace(codes: Codes, tables: LoopTables, work: Workspace, pairs: Pairs) -> None:
    """Write one structure of minimum free energy: ViennaRNA's choice among equals."""
    enclosed = tables[4]
    pair, multi, _, rows, lists = work
    stride = _stride(codes.size)
    prefix = rows[_ROW_EXTERIOR]
    base = tables[1]
    q = codes.size - 1
    while q >= _SHORTEST:
        if prefix[q + 1] == prefix[q]:
            q -= 1
            continue
        p = q - _SHORTEST
        while p >= 0:
            stem = enclosed[lists[_BEFORE, p], lists[_AFTER, q], INNER_EXTERIOR]
            if prefix[q + 1] == prefix[p] + pair[_at(q - p, p, stride)] + stem:
                break
            p -= 1
        depth = _trace_pair(codes, tables, work, pairs, p, q, 0)
        while depth > 0:
            depth -= 1
            i, j = int(rows[_ROW_STACK, depth]), int(rows[_ROW_STACK + 1, depth])
            energy = multi[_at(j - i, i, stride)]
            while energy == multi[_at(j - 1 - i, i, stride)] + base:
                j -= 1
                energy = multi[_at(j - i, i, stride)]
            while energy == multi[_at(j - i - 1, i + 1, stride)] + base:
                i += 1
                energy = multi[_at(j - i, i, stride)]
            stem = enclosed[lists[_BEFORE, i], lists[_AFTER, j], INNER_MULTI]
            if energy == pair[_at(j - i, i, stride)] + stem:
                depth = _trace_pair(codes, tables, work, pairs, i, j, depth)
            else:
                depth = _push_split(multi, rows, i, j, energy, stride, depth)
        q = p - 1


@kernel(f"void(const uint8[::1], const int64[::1], {_TABLES}, {_WORK}, int16[::1], int32[::1])")
def _fold_all(
    codes: Codes,
    offsets: Offsets,
    tables: LoopTables,
    work: Workspace,
    pairs: Pairs,
    mfe: Energies,
) -> None:
    """Fold all sequences of a batch, one after another; ``pairs`` starts as -1."""
    for k in range(mfe.size):
        sequence = codes[offsets[k] : offsets[k + 1]]
        if sequence.size > _SHORTEST:
            _fill(sequence, tables, work)
            _fill_exterior(sequence.size, tables, work)
            _trace(sequence, tables, work, pairs[offsets[k] : offsets[k + 1]])
            mfe[k] = work[3][_ROW_EXTERIOR, sequence.size]


def fold_batch(
    codes: Codes, offsets: Offsets, parameters: EnergyParameters
) -> tuple[Pairs, Energies]:
    """Fold many sequences; releases the GIL, so that threads may fold different batches.

    Args:
        codes: uint8 (sum of lengths,), values 0-3 only, all sequences one after another.
        offsets: int64 (N + 1,), borders of the sequences in ``codes``.
        parameters: energies, from :func:`premir.kernels.energies.current_parameters`.

    Returns:
        The pair tables, int16 (sum of lengths,), partner inside the sequence or -1; and the minimum
        free energies, int32 (N,), dcal/mol. Both as ``RNA.fold_compound(sequence, md).mfe()``.

    Raises:
        ValueError: a letter other than A, C, G, U, a sequence too long for an int16 pair table, or
            offsets that are not the borders of ``codes``.
    """
    codes = np.ascontiguousarray(codes, np.uint8)
    offsets = np.ascontiguousarray(offsets, np.int64)
    lengths = np.diff(offsets)
    if offsets.size == 0 or offsets[0] != 0 or offsets[-1] != codes.size or np.any(lengths < 0):
        raise ValueError("offsets must rise from 0 to the number of codes")
    if np.any(codes >= UNKNOWN):
        raise ValueError("a sequence with a letter other than A, C, G, U cannot be folded")
    longest = int(lengths.max(initial=0))
    if longest > MAX_LENGTH:
        raise ValueError(f"a sequence of {longest} nt is longer than {MAX_LENGTH}")
    pairs = np.full(codes.size, -1, np.int16)
    mfe = np.zeros(lengths.size, np.int32)
    tables = loop_tables(parameters)
    # numba tells named from plain tuples, and only a plain one can be named in a signature.
    plain = cast("LoopTables", tuple(tables))
    work = cast("Workspace", tuple(workspace(longest, tables)))
    _fold_all(codes, offsets, plain, work, pairs, mfe)
    return pairs, mfe


def workspace(longest: int, tables: LoopTables) -> Workspace:
    """Allocate what one call of the kernel needs.

    Args:
        longest: length of the longest sequence, nt.
        tables: the energies to fold with.

    Returns:
        About 2 MB for 400 nt. Zeroed, for vectors run over the ends of rows: whatever stands there
        reaches no result, but it should be the same in every run.
    """
    stride = _stride(longest)
    planes = (tables.differences + len(WINDOWS) + 3) * _SPANS
    return Workspace(
        # One row more than there are spans, for shifted reads run over a row's end.
        pair=np.zeros((longest + _MARGIN + 1) * stride, np.int32),
        multi=np.zeros((longest + _MARGIN + 1) * stride, np.int32),
        planes=np.zeros((planes + 1) * stride + _SPANS, np.int32),
        rows=np.zeros((_N_ROWS, stride + _LANES), np.int32),
        lists=np.zeros((_N_LISTS, longest + 4), np.uint32),
    )
