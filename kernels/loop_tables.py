"""Energies as the fold kernel looks them up, and the order in which it looks at interior loops."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import ALPHABET, UNKNOWN
from premir.kernels.energies import (
    BASES,
    INF,
    MAX_LOOP,
    PAIR_TYPE,
    PAIRS,
    EnergyParameters,
    Table,
)
from premir.kernels.pairing import MAX_LENGTH

Cells: TypeAlias = npt.NDArray[np.int16] | npt.NDArray[np.int32]
"""Energies as the kernel holds them, in dcal/mol."""


class LoopTables(NamedTuple):
    """Energies as the fold kernel looks them up: by the letters around a pair, not by pair types.

    A *word* of w bases begins with the base of the outer pair: i for the words i..i+w-1, and j for
    the words j-w+1..j. Its *number* is its codes read in base 4. (So the loops of those i and j
    that pair lie together, and three of eight cache lines are ever read.) Words that hold an
    unknown letter, but for the first, are numbered by themselves. So there are four blocks of one
    layout: the words of i are known or not, and so are those of j; a sequence without unknown
    letters reads the first alone. ``far`` stands wherever the two ends of the words do not pair.

    Attributes:
        differences: number of side differences 0, 1, ... that have a plane of their own (see
            ``_generic_taps``).
        multi_base: dcal/mol for each unpaired nucleotide of a multiloop.
        interior_23: initiation of 2x3 loops, asymmetry included.
        far: energy of what cannot be: ``INF``, or the largest int16.
        largest: no energy below is further from 0 than this, but for ``hairpin``.
        energies: int16 or int32, the four blocks one after another, the words of j changing first.
            In each of them

            - for each word i..i+1 a row of ``ROW2``: the share of a pair (i, j) in the loop that it
              closes, by word(j-1..j) and column ``CLOSES_*``; from ``INT00`` on stacks, by
              word(q..j); from ``INT01`` on bulges of one on the 3' side, by word(q..j).
            - from ``WORDS3`` on, for each word i..i+2 a row of ``ROW3``: the loops with one
              unpaired base on the 5' side and 0, 1, 2 on the 3' side, by word(q..j), from
              ``INT10``, ``INT11`` and ``INT12`` on.
            - from ``WORDS4`` on, for each word i..i+3 a row of ``ROW4``: the loops with two
              unpaired bases on the 5' side and 1, 2 on the 3' side, from ``INT21`` and
              ``INT22`` on.

            Behind them, from ``ENCLOSED`` on, the share of a pair (p, q) in the loop around it, by
            S[p-1], S[p], S[q], S[q+1] (``EDGE`` for a neighbour that does not exist) and column
            ``INNER_*``.
        left: uint32 (3, 625), where in ``energies`` the rows of words of 2, 3 and 4 bases from i on
            begin, by their codes read in base 5. What stands there of words that begin with an
            unknown letter means nothing: no pair has such words.
        right: uint32 (3, 625), what the words up to j add to that, likewise, from j on; those of 2
            count ``COLUMNS`` times where columns are many. (With such a word that holds an unknown
            letter, stacks and bulges read whatever stands there: nothing is paired inside.)
        hairpin: int32 (MAX_LENGTH + 1,), hairpin initiation by unpaired nucleotides.
        special_words: int64 (n,), the special hairpins, closing pair included, by length: their
            codes read in base 5;
            special_energies: int32 (n,); those of length s stand at
            ``special_first[s]:special_first[s + 1]``.
        bulge, interior: int32 (31,), initiation by unpaired nucleotides; asymmetry: int32 (31,), by
            difference of the two sides.
        taps: int32 (3, n), how the kernel sweeps over interior loops (see
            :mod:`premir.kernels.mfe_kernel`): plane, unpaired nucleotides, shift. First the generic
            loops, then 1xn, then bulges, each by unpaired nucleotides.
        costs: int16 or int32 (n,), energy of each tap.
        reach: int64 (3, 32), border in ``taps``, by kind of loop: taps of at most so many unpaired
            nucleotides end there; the last column is where the kind begins.
    """

    differences: int
    multi_base: int
    interior_23: int
    far: int
    largest: int
    energies: Cells
    left: npt.NDArray[np.uint32]
    right: npt.NDArray[np.uint32]
    hairpin: Table
    special_words: npt.NDArray[np.int64]
    special_energies: Table
    special_first: npt.NDArray[np.int64]
    bulge: Table
    interior: Table
    asymmetry: Table
    taps: Table
    costs: Cells
    reach: npt.NDArray[np.int64]


# The numbers from here to WINDOWS are compiled into the kernels of mfe.py, whose cache on disk
# does not notice a change in this file: clear it (NUMBA_CACHE_DIR or __pycache__) after one.
CLOSES_HAIRPIN, CLOSES_TRILOOP, CLOSES_GENERIC, CLOSES_1N, CLOSES_23 = range(5)
CLOSES_BULGE, CLOSES_MULTI = range(5, 7)
INNER_GENERIC, INNER_1N, INNER_23, INNER_BULGE, INNER_MULTI, INNER_EXTERIOR = range(6)
EDGE = 5
"""Code of the missing neighbour beyond either end of a sequence."""

WINDOWS = (4, 8, 16)
"""Widths of the sliding minima that have a plane (width 2 is the plane of difference 1)."""
COLUMNS = 8
"""Columns of the tables of closing and of enclosed pairs."""
BEGINS = MAX_LOOP + 1
"""Column of ``reach`` that says where the taps of a kind begin."""
INT00 = 16 * COLUMNS
INT01 = INT00 + 16
ROW2 = INT01 + 64
INT10, INT11, INT12 = 0, 16, 80
ROW3 = INT12 + 256
INT21, INT22 = 0, 64
ROW4 = INT22 + 256
WORDS3 = 16 * ROW2
WORDS4 = WORDS3 + 64 * ROW3
BLOCK = WORDS4 + 256 * ROW4
ENCLOSED = 4 * BLOCK
"""Where the tables stand in ``LoopTables.energies``, and how long their rows are."""
_LONGEST_WORD = 4


def _letters(width: int, base: int) -> list[npt.NDArray[np.int64]]:
    """Return the letters of all words: ``width`` arrays of shape (base ** width,)."""
    return list(np.indices((base,) * width).reshape(width, -1))


def _words(width: int, unknown: bool) -> list[npt.NDArray[np.int64]]:
    """Return the letters of the words of one kind by number: ``width`` arrays (4 ** width,).

    Beyond the last word with an unknown letter stand words of nothing else, which do not pair.
    """
    if not unknown:
        return _letters(width, BASES - 1)
    words = np.full((width, (BASES - 1) ** width), UNKNOWN)
    held = _held(width)
    words[:, : held.size] = np.array(_letters(width, BASES))[:, held]
    return list(words)


def _held(width: int) -> npt.NDArray[np.int64]:
    """Return the words that hold unknown letters, but for the first, by number; in base 5."""
    first, *others = _letters(width, BASES)
    return np.flatnonzero((first != UNKNOWN) & (np.array(others) == UNKNOWN).any(axis=0))


def _facing(left: int, right: int, unknown: tuple[bool, bool]) -> tuple[list[Any], list[Any]]:
    """Return the letters of all word pairs, shaped to broadcast to (4 ** left, 4 ** right).

    Both lists are in the order of the sequence.
    """
    five, three = _words(left, unknown[0]), _words(right, unknown[1])
    return [x[:, None] for x in five], [x[None, :] for x in reversed(three)]


def _places() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Return ``left`` and ``right`` of :class:`LoopTables`."""
    left, right = np.zeros((2, _LONGEST_WORD - 1, BASES**_LONGEST_WORD), np.uint32)
    rows = ((0, ROW2, COLUMNS), (WORDS3, ROW3, 1), (WORDS4, ROW4, 1))
    for k, (begin, row, times) in enumerate(rows):
        known = np.flatnonzero((np.array(_letters(k + 2, BASES)) != UNKNOWN).all(axis=0))
        for block, words in enumerate((known, _held(k + 2))):
            number = np.arange(words.size)
            left[k, words] = 2 * block * BLOCK + begin + row * number
            right[k, words] = block * BLOCK // times + number
    return left, right


@lru_cache(maxsize=4)
def loop_tables(e: EnergyParameters, dtype: type[np.int16] | type[np.int32]) -> LoopTables:
    """Arrange energy parameters for the fold kernel (made once for each set of them).

    Args:
        e: the parameters.
        dtype: type of the energies that are looked up; what does not fit is its largest number.
    """
    words, energies, first = _special_hairpins(e)
    differences, taps, costs, reach = _all_taps(e)
    left, right = _places()
    whole = _energies(e)
    far = int(_narrowed(np.array([INF]), dtype)[0])
    return LoopTables(
        differences=differences,
        multi_base=e.multi_base,
        interior_23=int(e.interior[5]) + e.ninio,
        far=far,
        largest=_largest(e, whole, costs),
        energies=_narrowed(whole, dtype),
        left=left,
        right=right,
        hairpin=np.array([e.loop(e.hairpin, n) for n in range(MAX_LENGTH + 1)], np.int32),
        special_words=words,
        special_energies=energies,
        special_first=first,
        bulge=e.bulge,
        interior=e.interior,
        asymmetry=np.array([e.asymmetry(k) for k in range(MAX_LOOP + 1)], np.int32),
        taps=taps,
        costs=_narrowed(costs, dtype),
        reach=reach,
    )


def _narrowed(energies: Any, dtype: type[np.int16] | type[np.int32]) -> Cells:
    """Return energies in another type; the largest number of that type stands for all above."""
    cells: Cells = np.minimum(energies, np.iinfo(dtype).max).astype(dtype)
    return cells


def _largest(e: EnergyParameters, whole: Table, costs: Table) -> int:
    """Return the largest magnitude among all energies but hairpin initiation.

    A loop that is looked up whole may be ``INF``, and then cannot be. What a pair adds to a loop
    counts even if it is: each pair must be able to close a hairpin.
    """
    inside = (e.mismatch_hairpin, e.mismatch_interior, e.mismatch_interior_1n)
    outside = (e.mismatch_interior_23, e.mismatch_multi, e.mismatch_exterior, e.dangle5, e.dangle3)
    special = np.array([*e.special_hairpins.values(), int(e.interior[5]) + e.ninio])
    return max(
        int(np.abs(x).max()) for x in (whole[whole < INF], *inside, *outside, special, costs)
    )


def _energies(e: EnergyParameters) -> Table:
    """Fill ``LoopTables.energies``, with ``INF`` where there is no loop."""
    blocks = [_block(e, (five, three)) for five in (False, True) for three in (False, True)]
    return np.concatenate([*blocks, _enclosed(e).ravel()])


def _block(e: EnergyParameters, unknown: tuple[bool, bool]) -> Table:
    """Fill one block: whether the words of i, and those of j, hold unknown letters."""
    small = _small_interior_loops(e, unknown)
    rows2 = [_closing(e, unknown).reshape(16, -1), small["int00"], small["int01"]]
    rows3 = [small["int10"], small["int11"], small["int12"]]
    rows4 = [small["int21"], small["int22"]]
    return np.concatenate([np.hstack(rows).ravel() for rows in (rows2, rows3, rows4)])


def _where_paired(energies: Any, *pairs: tuple[Any, Any]) -> Table:
    """Put ``INF`` wherever one of the pairs of base codes cannot pair."""
    paired: Any = True
    for five, three in pairs:
        paired = paired & (PAIR_TYPE[five, three] >= 0)
    return np.ascontiguousarray(np.where(paired, energies, INF).astype(np.int32))


def _terminal(e: EnergyParameters, pair_type: Any) -> Any:
    return np.where(pair_type > PAIRS.index("GC"), e.terminal_au, 0)


def _closing(e: EnergyParameters, unknown: tuple[bool, bool]) -> Table:
    """Return what a pair (i, j) adds to the loop that it closes, by the words of its two ends."""
    (i, i1), (j1, j) = _facing(2, 2, unknown)
    pair, back = PAIR_TYPE[i, j], PAIR_TYPE[j, i]
    columns = {
        CLOSES_HAIRPIN: e.mismatch_hairpin[pair, i1, j1],
        CLOSES_TRILOOP: _terminal(e, pair),
        CLOSES_GENERIC: e.mismatch_interior[pair, i1, j1],
        CLOSES_1N: e.mismatch_interior_1n[pair, i1, j1],
        CLOSES_23: e.mismatch_interior_23[pair, i1, j1],
        CLOSES_BULGE: _terminal(e, pair),
        CLOSES_MULTI: e.multi_closing
        + e.multi_stem
        + e.mismatch_multi[back, j1, i1]
        + _terminal(e, back),
    }
    table = np.full((16, 16, COLUMNS), INF, np.int32)
    for column, energies in columns.items():
        table[:, :, column] = _where_paired(np.broadcast_to(energies, (16, 16)), (i, j))
    return table


def _enclosed(e: EnergyParameters) -> Table:
    """Return what a pair (p, q) adds to the loop around it, by its letters and their neighbours.

    A pair at an end of the sequence has no loop around it, and what it adds is never asked for: 0,
    for the kernel adds without looking.
    """
    before, p, q, after = np.ogrid[:6, :BASES, :BASES, :6]
    pair, back = PAIR_TYPE[p, q], PAIR_TYPE[q, p]
    no_before, no_after = before == EDGE, after == EDGE
    # The clipped neighbours of the edges are looked up and then thrown away.
    b, a = np.minimum(before, UNKNOWN), np.minimum(after, UNKNOWN)
    outside = np.where(
        no_before,
        np.where(no_after, 0, e.dangle3[pair, a]),
        np.where(no_after, e.dangle5[pair, b], e.mismatch_exterior[pair, b, a]),
    )
    columns = {
        INNER_GENERIC: e.mismatch_interior[back, a, b],
        INNER_1N: e.mismatch_interior_1n[back, a, b],
        INNER_23: e.mismatch_interior_23[back, a, b],
        INNER_BULGE: _terminal(e, back),
        INNER_MULTI: e.multi_stem + e.mismatch_multi[pair, b, a] + _terminal(e, pair),
    }
    table = np.full((6, BASES, BASES, 6, COLUMNS), INF, np.int32)
    for column, energies in columns.items():
        table[..., column] = np.where(no_before | no_after, 0, np.where(pair < 0, INF, energies))
    table[..., INNER_EXTERIOR] = np.where(pair < 0, INF, outside + _terminal(e, pair))
    return table


def _small_interior_loops(e: EnergyParameters, unknown: tuple[bool, bool]) -> dict[str, Table]:
    """Return the loops that are looked up whole, by the words from i to p and from q to j."""

    def energies(left: list[Any], right: list[Any]) -> Any:
        outer, inner = PAIR_TYPE[left[0], right[-1]], PAIR_TYPE[right[0], left[-1]]
        # A bulge of one leaves the two pairs stacked.
        match len(left) - 2, len(right) - 2:
            case 0, 0:
                return e.stack[outer, inner]
            case (0, 1) | (1, 0):
                return e.stack[outer, inner] + e.bulge[1]
            case 1, 1:
                return e.int11[outer, inner, left[1], right[1]]
            case 1, 2:
                return e.int21[outer, inner, left[1], right[1], right[2]]
            case 2, 1:
                return e.int21[inner, outer, right[1], left[1], left[2]]
        return e.int22[outer, inner, left[1], left[2], right[1], right[2]]

    tables = {}
    for before, after in ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2)):
        left, right = _facing(before + 2, after + 2, unknown)
        tables[f"int{before}{after}"] = _where_paired(
            energies(left, right), (left[0], right[-1]), (right[0], left[-1])
        )
    return tables


def _special_hairpins(
    e: EnergyParameters,
) -> tuple[npt.NDArray[np.int64], Table, npt.NDArray[np.int64]]:
    """Return words, energies and the first entry of each length, in order of length."""
    loops = sorted((s for s in e.special_hairpins if set(s) <= set(ALPHABET)), key=len)
    words = [sum(ALPHABET.index(x) * BASES**k for k, x in enumerate(reversed(s))) for s in loops]
    lengths = np.array([len(s) for s in loops], np.int64)
    return (
        np.array(words, np.int64),
        np.array([e.special_hairpins[s] for s in loops], np.int32),
        np.searchsorted(lengths, np.arange(10)).astype(np.int64),
    )


_Tap = tuple[int, int, int, int]
"""Plane, unpaired nucleotides, shift, energy."""


def _all_taps(e: EnergyParameters) -> tuple[int, Table, Table, npt.NDArray[np.int64]]:
    """Return ``differences``, ``taps``, ``costs`` and ``reach`` of :class:`LoopTables`."""
    differences, generic = _generic_taps(e)
    kinds = [
        sorted(taps, key=lambda tap: tap[1]) for taps in (generic, *_flank_taps(e, differences))
    ]
    reach = np.zeros((len(kinds), MAX_LOOP + 2), np.int64)
    begin = 0
    for row, taps in zip(reach, kinds, strict=True):
        unpaired = [tap[1] for tap in taps]
        row[:BEGINS] = begin + np.searchsorted(unpaired, np.arange(BEGINS), "right")
        row[BEGINS] = begin
        begin += len(taps)
    table = np.array([tap for taps in kinds for tap in taps], np.int32).T.copy()
    return differences, table[:3].copy(), table[3].copy(), reach


def _generic_taps(e: EnergyParameters) -> tuple[int, list[_Tap]]:
    """List the reads that give all interior loops without a rule of their own.

    A loop of u unpaired bases whose sides differ by k costs ``interior[u] + asymmetry(k)``. Both
    loops of one u and k read pairs that are k apart, so that one precomputed plane serves them for
    every u. From some difference on the asymmetry is at its limit: all those loops are a
    window of constant cost, covered by two overlapping sliding minima; that the window also holds
    loops that are cheaper does no harm, for these stand in the list at their own cost.

    Returns:
        Number of differences with their own cost (at least 2), and the taps.
    """
    largest = MAX_LOOP - 4
    limit = e.asymmetry(largest)
    differences = largest + 1
    if all(e.asymmetry(k) <= limit for k in range(largest)):
        while differences > 2 and e.asymmetry(differences - 1) == limit:
            differences -= 1
    rows: list[_Tap] = []
    for unpaired in range(6, MAX_LOOP + 1):
        start = int(e.interior[unpaired])
        widest = unpaired - 4
        for k in range(unpaired % 2, min(widest + 1, differences), 2):
            rows.append((k, unpaired, 1 + (unpaired - k) // 2, start + e.asymmetry(k)))
        if widest >= differences:
            width = max(w for w in (2, *WINDOWS) if w <= unpaired - 3)
            plane = 1 if width == 2 else differences + WINDOWS.index(width)
            rows.append((plane, unpaired, 3, start + limit))
            rows.append((plane, unpaired, unpaired - width, start + limit))
    return differences, rows


def _flank_taps(e: EnergyParameters, differences: int) -> tuple[list[_Tap], list[_Tap]]:
    """List the reads for 1xn loops (n of 3 and more) and for bulges (of 2 and more)."""
    plane_1n = differences + len(WINDOWS)
    one_by_n: list[_Tap] = []
    for unpaired in range(4, MAX_LOOP + 1):
        energy = int(e.interior[unpaired]) + e.asymmetry(unpaired - 2)
        one_by_n += [(plane_1n, unpaired, shift, energy) for shift in (2, unpaired)]
    bulge: list[_Tap] = []
    for unpaired in range(2, MAX_LOOP + 1):
        energy = int(e.bulge[unpaired])
        bulge += [(plane_1n + 1, unpaired, shift, energy) for shift in (1, unpaired + 1)]
    return one_by_n, bulge
