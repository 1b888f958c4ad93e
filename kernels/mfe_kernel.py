"""The recursions of the fold kernel, for energies in int16 or int32 (:mod:`premir.kernels.mfe`).

They are those of Zuker and Stiegler as ViennaRNA states them, with dangles = 2 (every
stem of a multi- or exterior loop takes both neighbours), lonely pairs allowed, interior loops of at
most 30 unpaired bases:

    C(i, j) = min(hairpin, interior loops, multi_closing + min_u M(i+1, u) + M(u+1, j-1))
    M(i, j) = min(C(i, j) + stem, M(i+1, j) + base, M(i, j-1) + base, min_u M(i, u) + M(u+1, j))
    F(j)    = min(F(j-1), min_i F(i-1) + C(i, j) + exterior stem)

What differs is the order of the work. Everything goes by the span d = j - i, and a span's cells lie
side by side in memory, so that one instruction works on many cells. What is made of many rows stays
in registers until it is done (:mod:`premir.kernels._lanes`):

*Interior loops* are *taps*. For all cells of span d at once, a loop with n1 + n2 = u unpaired bases
reads the enclosed pairs of span d - 2 - u, shifted by 1 + n1. What the enclosed pair contributes is
added to its energy once, when its span is done, and stored in *planes* (one for each family of
loops), of which the last 32 spans are kept. Loops of one u and one difference |n1 - n2| cost the
same, so that their minimum is itself a plane; those whose asymmetry has reached its limit are a
sliding minimum. About 110 taps stand for the 400 generic loops (``loop_tables._generic_taps``).
What the enclosing pair contributes is added last. Stacks, bulges of one, 1x1, 1x2, 2x2 and 2x3
loops depend on more letters and are looked up pair by pair, without a branch that depends on them.

*Multiloops*: both terms of a split are contiguous in the same layout.

All functions are parts of one kernel, which is compiled for either type of energies.

The traceback makes ViennaRNA's choices in ViennaRNA's order, so that of several structures of equal
energy the same one is returned.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import part
from premir.kernels._lanes import WIDTH, add, least, load, lowest, spread, store
from premir.kernels.codes import Codes
from premir.kernels.energies import BASES, INF, MAX_LOOP, MIN_HAIRPIN, PAIR_TYPE, Table
from premir.kernels.loop_tables import (
    BEGINS,
    CLOSES_1N,
    CLOSES_23,
    CLOSES_BULGE,
    CLOSES_GENERIC,
    CLOSES_HAIRPIN,
    CLOSES_MULTI,
    CLOSES_TRILOOP,
    COLUMNS,
    EDGE,
    ENCLOSED,
    INNER_1N,
    INNER_23,
    INNER_BULGE,
    INNER_EXTERIOR,
    INNER_GENERIC,
    INNER_MULTI,
    INT00,
    INT01,
    INT10,
    INT11,
    INT12,
    INT21,
    INT22,
    WINDOWS,
    Cells,
    LoopTables,
)
from premir.kernels.pairing import Energies, Offsets, Pairs

_Index: TypeAlias = int | np.int64 | np.uint64
_Ints = npt.NDArray[np.int64]
_Lists = npt.NDArray[np.uint32]

_SPANS = MAX_LOOP + 2
"""Spans of which the planes are kept: a tap reads at most MAX_LOOP + 2 spans back."""
_SHORTEST = MIN_HAIRPIN + 1
"""Smallest span j - i of a pair."""
_MARGIN = 2
"""Rows of INF before span 0, so that the 2x2 loop of the smallest spans needs no test."""


_PARTNERS_OF = tuple(
    sum(1 << j for j in range(BASES) if PAIR_TYPE[i, j] >= 0) for i in range(BASES)
)
"""By letter, a bit for each letter that it pairs with."""


class Workspace(NamedTuple):
    """What one call of the kernel works in, whatever the number of sequences.

    Attributes:
        pair: int16 or int32, C by span and start.
        multi: the same type, M by span and start.
        planes: the same type, by plane, span modulo 32 and start.
        rows: the same type (rows, starts), ``_ROW_*``.
        words: uint32 (_WORDS_AT positions,), ``_LEFT2`` and following for each position.
        lists: uint32 (lists, positions), ``_LETTER`` and following.
        prefix: int32, F by length of the prefix.
        stack: int64 (intervals, 2), open intervals of multiloops in the traceback.
        places: int64 (32, taps), where each tap reads, by span modulo 32.
    """

    pair: Cells
    multi: Cells
    planes: Cells
    rows: Cells
    words: _Lists
    lists: _Lists
    prefix: Table
    stack: _Ints
    places: npt.NDArray[np.int64]


_ROW_GENERIC, _ROW_1N, _ROW_BULGE, _ROW_STEM, _ROW_HAIRPIN = range(5)
"""Rows by start, for the span that is worked on: interior loops by kind, stems of multiloops,
hairpin loops without the closing pair's share."""
_ROW_SPLIT = 5
"""Best splits of M, three rows by span modulo 3: a multiloop is closed two spans later."""
_N_ROWS = 8
_LEFT2, _LEFT3, _LEFT4, _BEFORE, _RIGHT2, _RIGHT3, _RIGHT4, _AFTER = range(8)
"""Words by position, for looking up energies: rows of the words that begin there and of a pair's
outer neighbour, columns of the words that end there and of the other neighbour."""
_WORDS_AT = 8
_LETTER, _PARTNERS, _PAIRED = range(3)
"""Lists by position: letters, bits of the letters that they pair with, starts that pair."""
_N_LISTS = 3
_LONGEST_SPECIAL = 8
"""Length of a hexaloop with its closing pair, nt."""


@part
def _stride(length: int) -> int:
    """Return the distance of two spans' rows: an odd number of cache lines.

    Odd, for at a power of two all spans would compete for the same few lines of the cache.
    """
    return ((length + WIDTH - 1) // WIDTH | 1) * WIDTH


@part
def _at(span: int, start: int, stride: int) -> int:
    """Return the index of cell (start, start + span) in C or M."""
    return (span + _MARGIN) * stride + start


@part
def _in_plane(plane: int, span: int, start: int, stride: int) -> int:
    """Return the index of cell (start, start + span) in a plane."""
    return (plane * _SPANS + (span & (_SPANS - 1))) * stride + start


@part
def _place_taps(tables: LoopTables, places: _Ints, stride: int) -> None:
    """Find where each tap reads for the pair of start 0, by span modulo 32."""
    taps = tables.taps
    for span in range(_SPANS):
        for t in range(taps.shape[1]):
            places[span, t] = _in_plane(taps[0, t], span - 2 - taps[1, t], taps[2, t], stride)


@part
def _sweep(
    out: Cells,
    planes: Cells,
    places: _Ints,
    costs: Cells,
    first: int,
    last: int,
    cells: int,
    far: int,
) -> None:
    """Write the best interior loop of one kind, for all pairs of one span.

    Args:
        out: (cells,), best energies, without the closing pair's share.
        planes: by plane, span modulo 32 and start.
        places: int64, where each tap reads.
        costs: energy of each tap.
        first: first tap.
        last: tap behind the last.
        cells: number of pairs, a multiple of the lanes.
        far: energy of what cannot be.
    """
    for x in range(0, cells, WIDTH):
        best = spread(out, far)
        for t in range(first, last):
            best = least(best, add(load(planes, places[t] + x), spread(costs, costs[t])))
        store(out, x, best)


@part
def _fill_multi(tables: LoopTables, work: Workspace, span: int, cells: int, stride: int) -> int:
    """Fill M and its best splits for all (i, j) of one span, and return the least of C and M."""
    far, base = tables.far, tables.multi_base
    pair, multi, rows = work.pair, work.multi, work.rows
    split, stem = rows[_ROW_SPLIT + span % 3], rows[_ROW_STEM]
    own, narrower = _at(span, 0, stride), _at(span - 1, 0, stride)
    low = spread(multi, far)
    for x in range(0, cells, WIDTH):
        best = spread(multi, far)
        left, right = (
            _at(_SHORTEST, x, stride),
            _at(span - 1 - _SHORTEST, x + _SHORTEST + 1, stride),
        )
        for _ in range(_SHORTEST, span - _SHORTEST):
            best = least(best, add(load(multi, left), load(multi, right)))
            left += stride
            right += 1 - stride
        store(split, x, best)
        unpaired = least(load(multi, narrower + x), load(multi, narrower + x + 1))
        best = least(best, add(unpaired, spread(multi, base)))
        best = least(best, load(stem, x))
        store(multi, own + x, best)
        low = least(low, least(best, load(pair, own + x)))
    return lowest(low)


@part
def _pairwise_minimum(planes: Cells, source: int, target: int, apart: int, cells: int) -> None:
    """Write the better of each two cells ``apart`` in one row of the planes to another row."""
    for x in range(0, cells, WIDTH):
        better = least(load(planes, source + x), load(planes, source + apart + x))
        store(planes, target + x, better)


@part
def _derive_planes(planes: Cells, differences: int, span: int, cells: int, stride: int) -> None:
    """Fill the planes of one span that follow from plane 0: differences, then windows."""
    single = _in_plane(0, span, 0, stride)
    for k in range(1, differences):
        _pairwise_minimum(planes, single, _in_plane(k, span, 0, stride), k, cells)
    narrower = _in_plane(1, span, 0, stride)
    for k in range(len(WINDOWS)):
        wider = _in_plane(differences + k, span, 0, stride)
        _pairwise_minimum(planes, narrower, wider, WINDOWS[k] // 2, cells)
        narrower = wider


@part
def _read_words(codes: Codes, tables: LoopTables, words: _Lists, lists: _Lists) -> None:
    """Fill the lists that look up energies by the letters at a position."""
    n = codes.size
    for i in range(n):
        letter = int(codes[i])
        lists[_LETTER, i], lists[_PARTNERS, i] = letter, _PARTNERS_OF[letter]
        before = int(codes[i - 1]) if i > 0 else EDGE
        after = int(codes[i + 1]) if i + 1 < n else EDGE
        at = _WORDS_AT * i
        words[at + _BEFORE] = ENCLOSED + (BASES * before + letter) * BASES * (EDGE + 1) * COLUMNS
        words[at + _AFTER] = ((EDGE + 1) * letter + after) * COLUMNS
        # Beyond the ends stands whatever letter: no pair has such words.
        left = right = letter
        for k in range(1, 4):
            left = BASES * left + (int(codes[i + k]) if i + k < n else 0)
            right = BASES * right + (int(codes[i - k]) if i >= k else 0)
            words[at + _LEFT2 + k - 1] = tables.left[k - 1, left]
            words[at + _RIGHT2 + k - 1] = tables.right[k - 1, right]


@part
def _word(words: _Lists, i: int, which: int) -> int:
    """Return one of the words at a position."""
    return int(words[_WORDS_AT * i + which])


@part
def _list_pairs(codes: Codes, lists: _Lists, span: int) -> int:
    """List the starts i for which i and i + span can pair, and return how many there are."""
    partners, letters, paired = lists[_PARTNERS], lists[_LETTER], lists[_PAIRED]
    found, apart = np.uint64(0), np.uint64(span)
    for k in range(codes.size - span):
        # Written whether it pairs or not: a branch here would be mispredicted every third time.
        i = np.uint64(k)
        paired[found] = i
        found += (partners[i] >> letters[i + apart]) & np.uint64(1)
    return int(found)


@part
def _special_hairpin(codes: Codes, tables: LoopTables, i: int, j: int) -> int:
    """Return the energy of the tri-, tetra- or hexaloop closed by (i, j), INF if it has none."""
    words, energies, first = tables.special_words, tables.special_energies, tables.special_first
    length = j - i + 1
    if length <= _LONGEST_SPECIAL and first[length] < first[length + 1]:
        word = 0
        for x in range(i, j + 1):
            word = BASES * word + int(codes[x])
        for k in range(first[length], first[length + 1]):
            if words[k] == word:
                return int(energies[k])
    return INF


@part
def _hairpin(codes: Codes, tables: LoopTables, words: _Lists, i: int, j: int) -> int:
    """Return the energy of the hairpin loop closed by (i, j), without the closing pair's share."""
    loop = int(tables.hairpin[j - i - 1])
    special = _special_hairpin(codes, tables, i, j)
    if special < INF:
        closing = _word(words, i, _LEFT2) + COLUMNS * _word(words, j, _RIGHT2)
        loop = special - int(tables.energies[closing + _hairpin_column(j - i)])
    return loop


@part
def _hairpin_column(span: int) -> int:
    """Return the column of what a pair of one span adds to the hairpin loop that it closes."""
    return CLOSES_TRILOOP if span - 1 == MIN_HAIRPIN else CLOSES_HAIRPIN


@part
def _sum(cells: Cells, at: _Index, energies: Cells, where: _Index) -> int:
    """Return one energy of each array, added up in numbers that are long enough."""
    return int(cells[at]) + int(energies[where])


@part
def _close_pairs(codes: Codes, tables: LoopTables, work: Workspace, span: int) -> None:
    """Finish C for all pairs of one span, and add what each contributes to loops around it."""
    differences, interior_23, e = tables.differences, tables.interior_23, tables.energies
    pair, planes, rows = work.pair, work.planes, work.rows
    words, lists = work.words, work.lists
    stride = _stride(codes.size)
    starts = _list_pairs(codes, lists, span)
    generic_row, one_by_n_row = rows[_ROW_GENERIC], rows[_ROW_1N]
    bulge_row, stem_row = rows[_ROW_BULGE], rows[_ROW_STEM]
    hairpin, split = rows[_ROW_HAIRPIN], rows[_ROW_SPLIT + (span - 2) % 3]
    if span < _LONGEST_SPECIAL:
        for k in range(starts):
            start = int(lists[_PAIRED, k])
            hairpin[start] = _hairpin(codes, tables, words, start, start + span)
    # Unsigned, for numba would test each signed index for being negative.
    one, to_end = np.uint64(1), np.uint64(span)
    columns, words_at = np.uint64(COLUMNS), np.uint64(_WORDS_AT)
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
    column = np.uint64(_hairpin_column(span))
    for k in range(starts):
        i = np.uint64(lists[_PAIRED, np.uint64(k)])
        j = i + to_end
        left, right = words_at * i, words_at * j
        left2, left3 = np.uint64(words[left]), np.uint64(words[left + np.uint64(_LEFT3)])
        left4 = np.uint64(words[left + np.uint64(_LEFT4)])
        right2 = np.uint64(words[right + np.uint64(_RIGHT2)])
        right3 = np.uint64(words[right + np.uint64(_RIGHT3)])
        right4 = np.uint64(words[right + np.uint64(_RIGHT4)])
        close = left2 + columns * right2
        # In twos, so that no comparison waits for more than three others.
        stack = _sum(pair, inside00 + i, e, left2 + right2 + np.uint64(INT00))
        bulge01 = _sum(pair, inside01 + i, e, left2 + right3 + np.uint64(INT01))
        bulge10 = _sum(pair, inside01 + i + one, e, left3 + right2 + np.uint64(INT10))
        loop11 = _sum(pair, inside11 + i, e, left3 + right3 + np.uint64(INT11))
        loop12 = _sum(pair, inside12 + i, e, left3 + right4 + np.uint64(INT12))
        loop21 = _sum(pair, inside12 + i + one, e, left4 + right3 + np.uint64(INT21))
        loop22 = _sum(pair, inside22 + i, e, left4 + right4 + np.uint64(INT22))
        least23 = int(min(planes[inside23 + i], planes[inside23 + i + one])) + interior_23
        loop23 = least23 + int(e[close + np.uint64(CLOSES_23)])
        generic = _sum(generic_row, i, e, close + np.uint64(CLOSES_GENERIC))
        one_by_n = _sum(one_by_n_row, i, e, close + np.uint64(CLOSES_1N))
        bulge = _sum(bulge_row, i, e, close + np.uint64(CLOSES_BULGE))
        loop = _sum(hairpin, i, e, close + column)
        several = _sum(split, i + one, e, close + np.uint64(CLOSES_MULTI))
        small = min(min(min(stack, bulge01), min(bulge10, loop11)), min(loop12, loop21))
        large = min(min(generic, one_by_n), min(bulge, loop23))
        best = min(min(small, large), min(min(loop22, loop), several))
        before, after = words[left + np.uint64(_BEFORE)], words[right + np.uint64(_AFTER)]
        inner = np.uint64(before) + np.uint64(after)
        pair[own + i] = best
        planes[own_generic + i] = best + e[inner + np.uint64(INNER_GENERIC)]
        planes[own_1n + i] = best + e[inner + np.uint64(INNER_1N)]
        planes[own_bulge + i] = best + e[inner + np.uint64(INNER_BULGE)]
        planes[own_23 + i] = best + e[inner + np.uint64(INNER_23)]
        stem_row[i] = best + e[inner + np.uint64(INNER_MULTI)]


@part
def _fill(codes: Codes, tables: LoopTables, work: Workspace, floor: int) -> bool:
    """Fill C and M of one sequence.

    Returns:
        Whether all energies stayed at or above the floor; else they are not to be used.
    """
    pair, multi, planes, rows = work.pair, work.multi, work.planes, work.rows
    places, costs, reach = work.places, tables.costs, tables.reach
    differences, far = tables.differences, tables.far
    first_flank = differences + len(WINDOWS)
    n = codes.size
    stride = _stride(n)
    _read_words(codes, tables, work.words, work.lists)
    pair[: _at(_SHORTEST, 0, stride)] = far
    # All of it: lanes beyond the cells of a row read what stands there, which should not be so low
    # for a sequence folded before.
    multi[: _at(n + 1, 0, stride)] = far
    planes[: _in_plane(first_flank + 3, 0, 0, stride)] = far
    rows[_ROW_SPLIT:_N_ROWS] = far
    for span in range(_SHORTEST, n):
        # Whole lanes: the cells beyond the last start are never read by a true cell.
        cells = (n - span + WIDTH - 1) // WIDTH * WIDTH
        largest = max(0, min(span - 2 - _SHORTEST, MAX_LOOP))
        for kind in range(3):
            first, last = reach[kind, BEGINS], reach[kind, largest]
            _sweep(
                rows[_ROW_GENERIC + kind],
                planes,
                places[span & (_SPANS - 1)],
                costs,
                first,
                last,
                cells,
                far,
            )
        # Not before the sweeps: the largest loops read span - 32, which stands in the same place.
        own = _at(span, 0, stride)
        generic = _in_plane(0, span, 0, stride)
        one_by_n = _in_plane(first_flank, span, 0, stride)
        bulge = _in_plane(first_flank + 1, span, 0, stride)
        loop23 = _in_plane(first_flank + 2, span, 0, stride)
        nothing, hairpin = spread(pair, far), spread(pair, tables.hairpin[span - 1])
        for x in range(0, cells, WIDTH):
            store(rows[_ROW_HAIRPIN], x, hairpin)
            store(rows[_ROW_STEM], x, nothing)
            store(pair, own + x, nothing)
            store(planes, generic + x, nothing)
            store(planes, one_by_n + x, nothing)
            store(planes, bulge + x, nothing)
            store(planes, loop23 + x, nothing)
        _close_pairs(codes, tables, work, span)
        _derive_planes(planes, differences, span, cells, stride)
        if _fill_multi(tables, work, span, cells, stride) < floor:
            return False
    return True


@part
def _fill_exterior(n: int, tables: LoopTables, work: Workspace) -> None:
    """Fill F, the best energy of each prefix, by its length."""
    e, pair, words, prefix = tables.energies, work.pair, work.words, work.prefix
    stride = _stride(n)
    prefix[: _SHORTEST + 1] = 0
    for q in range(_SHORTEST, n):
        best = int(prefix[q])
        after = _word(words, q, _AFTER) + INNER_EXTERIOR
        for p in range(q - _SHORTEST + 1):
            stem = _sum(pair, _at(q - p, p, stride), e, _word(words, p, _BEFORE) + after)
            best = min(best, prefix[p] + stem)
        prefix[q + 1] = best


@part
def _enclosed_pair(
    tables: LoopTables, work: Workspace, i: int, j: int, stride: int
) -> tuple[int, int]:
    """Return the pair (p, q) with which (i, j) closes its best interior loop, or (-1, -1).

    Of several, the first with p ascending and q descending.
    """
    interior_23, e, far = tables.interior_23, tables.energies, tables.far
    bulge, interior, asymmetry = tables.bulge, tables.interior, tables.asymmetry
    pair, words = work.pair, work.words
    energy = int(pair[_at(j - i, i, stride)])
    left2, right2 = _word(words, i, _LEFT2), _word(words, j, _RIGHT2)
    left3, right3 = _word(words, i, _LEFT3), _word(words, j, _RIGHT3)
    left4, right4 = _word(words, i, _LEFT4), _word(words, j, _RIGHT4)
    close = left2 + COLUMNS * right2
    for p in range(i + 1, min(i + MAX_LOOP + 1, j - _SHORTEST - 1) + 1):
        left = p - i - 1
        for q in range(j - 1, max(p + _SHORTEST, j - 1 - MAX_LOOP + left) - 1, -1):
            inside = int(pair[_at(q - p, p, stride)])
            if inside >= far:
                continue
            right = j - q - 1
            unpaired = left + right
            inner = _word(words, p, _BEFORE) + _word(words, q, _AFTER)
            if left == 0 or right == 0:
                if unpaired > 1:
                    loop = bulge[unpaired] + _sum(e, close + CLOSES_BULGE, e, inner + INNER_BULGE)
                elif left == 1:
                    loop = int(e[left3 + right2 + INT10])
                elif right == 1:
                    loop = int(e[left2 + right3 + INT01])
                else:
                    loop = int(e[left2 + right2 + INT00])
            elif unpaired == 2:
                loop = int(e[left3 + right3 + INT11])
            elif unpaired == 3:
                if left == 1:
                    loop = int(e[left3 + right4 + INT12])
                else:
                    loop = int(e[left4 + right3 + INT21])
            elif left == 1 or right == 1:
                loop = int(interior[unpaired] + asymmetry[unpaired - 2])
                loop += _sum(e, close + CLOSES_1N, e, inner + INNER_1N)
            elif unpaired == 4:
                loop = int(e[left4 + right4 + INT22])
            elif unpaired == 5:
                loop = interior_23 + _sum(e, close + CLOSES_23, e, inner + INNER_23)
            else:
                loop = int(interior[unpaired] + asymmetry[abs(left - right)])
                loop += _sum(e, close + CLOSES_GENERIC, e, inner + INNER_GENERIC)
            if energy == inside + loop:
                return p, q
    return -1, -1


@part
def _push_split(
    multi: Cells, stack: _Ints, i: int, j: int, energy: int, stride: int, depth: int
) -> int:
    """Push both parts of the first split of (i, j) that has the given energy."""
    for u in range(i + 1, j):
        if energy == _sum(multi, _at(u - i, i, stride), multi, _at(j - u - 1, u + 1, stride)):
            stack[depth, 0], stack[depth, 1] = i, u
            stack[depth + 1, 0], stack[depth + 1, 1] = u + 1, j
            return depth + 2
    return depth


@part
def _trace_pair(
    codes: Codes, tables: LoopTables, work: Workspace, pairs: Pairs, i: int, j: int, depth: int
) -> int:
    """Write the helix that (i, j) begins and push what its last pair encloses.

    Returns:
        The new depth of the stack of multiloop intervals.
    """
    e = tables.energies
    pair, words = work.pair, work.words
    stride = _stride(codes.size)
    while True:
        pairs[i], pairs[j] = j, i
        energy = int(pair[_at(j - i, i, stride)])
        left, right = _word(words, i, _LEFT2), _word(words, j, _RIGHT2)
        close = left + COLUMNS * right
        if energy == _hairpin(codes, tables, words, i, j) + e[close + _hairpin_column(j - i)]:
            return depth
        p, q = i + 1, j - 1
        if energy != _sum(pair, _at(q - p, p, stride), e, left + right + INT00):
            p, q = _enclosed_pair(tables, work, i, j, stride)
        if p < 0:
            break
        i, j = p, q
    energy -= e[close + CLOSES_MULTI]
    return _push_split(work.multi, work.stack, i + 1, j - 1, energy, stride, depth)


@part
def _trace(codes: Codes, tables: LoopTables, work: Workspace, pairs: Pairs) -> None:
    """Write one structure of minimum free energy: ViennaRNA's choice among equals."""
    base, e = tables.multi_base, tables.energies
    pair, multi, words = work.pair, work.multi, work.words
    prefix, stack = work.prefix, work.stack
    stride = _stride(codes.size)
    q = codes.size - 1
    while q >= _SHORTEST:
        if prefix[q + 1] == prefix[q]:
            q -= 1
            continue
        p = q - _SHORTEST
        while p >= 0:
            inner = _word(words, p, _BEFORE) + _word(words, q, _AFTER) + INNER_EXTERIOR
            if prefix[q + 1] == prefix[p] + _sum(pair, _at(q - p, p, stride), e, inner):
                break
            p -= 1
        depth = _trace_pair(codes, tables, work, pairs, p, q, 0)
        while depth > 0:
            depth -= 1
            i, j = stack[depth, 0], stack[depth, 1]
            energy = int(multi[_at(j - i, i, stride)])
            while energy == int(multi[_at(j - 1 - i, i, stride)]) + base:
                j -= 1
                energy = int(multi[_at(j - i, i, stride)])
            while energy == int(multi[_at(j - i - 1, i + 1, stride)]) + base:
                i += 1
                energy = int(multi[_at(j - i, i, stride)])
            stem = _word(words, i, _BEFORE) + _word(words, j, _AFTER) + INNER_MULTI
            if energy == _sum(pair, _at(j - i, i, stride), e, stem):
                depth = _trace_pair(codes, tables, work, pairs, i, j, depth)
            else:
                depth = _push_split(multi, stack, i, j, energy, stride, depth)
        q = p - 1


def fold_all(
    codes: Codes,
    offsets: Offsets,
    which: _Ints,
    plain_tables: tuple[Any, ...],
    plain_work: tuple[Any, ...],
    floor: int,
    pairs: Pairs,
    mfe: Energies,
) -> None:
    """Fold some sequences of a batch, one after another; ``pairs`` starts as -1.

    Where energies fall below the floor, the MFE is ``INF`` and ``pairs`` are left alone.
    """
    # Only plain tuples can be named in a signature.
    tables, work = LoopTables(*plain_tables), Workspace(*plain_work)
    stride = 0
    for at in range(which.size):
        k = which[at]
        sequence = codes[offsets[k] : offsets[k + 1]]
        if _stride(sequence.size) != stride:
            stride = _stride(sequence.size)
            _place_taps(tables, work.places, stride)
        mfe[k] = 0
        if sequence.size > _SHORTEST:
            mfe[k] = INF
            if _fill(sequence, tables, work, floor):
                _fill_exterior(sequence.size, tables, work)
                _trace(sequence, tables, work, pairs[offsets[k] : offsets[k + 1]])
                mfe[k] = work.prefix[sequence.size]


def signature(dtype: str) -> str:
    """Return the signature of :func:`fold_all` for one type of energies, int16 or int32."""
    cells = f"{dtype}[::1]"
    const = {
        **dict.fromkeys(("differences", "multi_base", "interior_23", "far", "largest"), "int64"),
        **dict.fromkeys(("energies", "costs"), f"const {cells}"),
        **dict.fromkeys(("special_words", "special_first"), "const int64[::1]"),
        **dict.fromkeys(("left", "right"), "const uint32[:, ::1]"),
        **{"taps": "const int32[:, ::1]", "reach": "const int64[:, ::1]"},
    }
    tables = ", ".join(const.get(field, "const int32[::1]") for field in LoopTables._fields)
    work = (
        f"{cells}, {cells}, {cells}, {dtype}[:, ::1], uint32[::1], uint32[:, ::1], "
        "int32[::1], int64[:, ::1], int64[:, ::1]"
    )
    return (
        f"void(const uint8[::1], const int64[::1], const int64[::1], Tuple(({tables})), "
        f"Tuple(({work})), int64, int16[::1], int32[::1])"
    )


def workspace(longest: int, tables: LoopTables) -> Workspace:
    """Allocate what one call of the kernel needs.

    Args:
        longest: length of the longest sequence, nt.
        tables: the energies to fold with.

    Returns:
        About 1 MB for 400 nt in int16. Zeroed, for lanes run over the ends of rows: whatever stands
        there reaches no result, but it should be the same in every run.
    """
    stride = _stride(longest)
    planes = (tables.differences + len(WINDOWS) + 3) * _SPANS
    dtype = tables.energies.dtype
    return Workspace(
        # One row more than there are spans, for shifted reads run over a row's end.
        pair=np.zeros((longest + _MARGIN + 1) * stride, dtype),
        multi=np.zeros((longest + _MARGIN + 1) * stride, dtype),
        planes=np.zeros((planes + 1) * stride + _SPANS, dtype),
        rows=np.zeros((_N_ROWS, stride + WIDTH), dtype),
        words=np.zeros(_WORDS_AT * longest, np.uint32),
        lists=np.zeros((_N_LISTS, longest + 1), np.uint32),
        prefix=np.zeros(longest + 1, np.int32),
        stack=np.zeros((longest + 2, 2), np.int64),
        places=np.zeros((_SPANS, tables.costs.size), np.int64),
    )
