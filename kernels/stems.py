"""Stem scan: the best single stem-loop of every hairpin centre, for a whole tile at once.

A stem-loop is one helix closed by a hairpin loop and interrupted by bulges and interior loops; it
is found by a dynamic programme over spans ``d = j - i`` with affine loop costs (design: rows of
contiguous int16, so that the compiler vectorises every inner loop; every element is read whether
its value is used or not, as one that is read under a condition would keep the loop scalar on
machines without masked loads of int16, which came with AVX-512).

    P(i, j) = e(i, j) + min(hairpin(d), P(i + 1, j - 1), L(i + 1, j - 1))        if i, j can pair
    L(i, j) = min(P(i, j) + loop_open, L(i + 1, j) + bulge, L(i, j - 1) + bulge,
                  L(i + 1, j - 1) + interior)

Energies are int16 in centibits: minus 100 log2 of the odds that a stem-loop is one that is sought
rather than chance, up to a constant. What is sought is the caller's business: it brings the costs.

What chance is depends on composition: where G and C are frequent, C-G pairs say little and A-U
pairs much. So a pair's energy e(i, j) is shifted by a *tilt* of the hairpin centre i + j, which
grows with the share of G and C around the centre. It is one more contiguous row per span, and, as
its window is symmetric about the centre, reversing a sequence reverses the tilts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel
from premir.kernels.codes import Codes

_I16 = npt.NDArray[np.int16]

INFINITE = 16000
"""Energy of what cannot be, in centibits: far above any stem, far below int16 overflow."""

LOWEST = -32000
"""What lies inside a pair counts no lower than this, in centibits: int16 must not wrap."""

_BLOCK = 4096
"""Starts scanned together; the rolling rows of a block stay in the first-level cache."""

# The codes A, C, G, U, unknown are mapped to numbers whose pairwise sums tell the pair types apart:
# A+U = 5, C+G = 11, G+U = 6 and no other two letters add up to these.
_SUM_CODE = np.array([0, 10, 1, 5, 100], np.int16)
_AU, _CG, _GU = 5, 11, 6


_PSEUDO = 20
"""Letters of even composition added to a window, so that few letters cannot tilt far."""


@dataclass(frozen=True, slots=True)
class StemCosts:
    """Costs of the stem scan in centibits.

    Attributes:
        cg: energy of a C-G pair where half of the letters are G or C.
        au: energy of an A-U pair, likewise.
        gu: energy of a G-U wobble pair, whatever the composition.
        tilt: added to a C-G pair and taken from an A-U pair for a share of G and C of 1 above 1/2.
        window: composition is that of the letters at most so far from a hairpin centre, in nt.
        loop_open: added when a helix is interrupted by a bulge or an interior loop.
        bulge: added for each unpaired nucleotide without a partner opposite.
        interior: added for each two unpaired nucleotides opposite each other.
        hairpin: initiation of the hairpin loop.
        hairpin_step: added for each nucleotide of the loop beyond ``hairpin_free``.
        hairpin_free: longest hairpin loop without a length penalty, in nt.
        min_loop: shortest hairpin loop, in nt.
        short_step: added for each nucleotide that the stem-loop is shorter than ``short``.
        short: see ``short_step``, in nt.
        long_step: added for each nucleotide that the stem-loop is longer than ``long``.
        long: see ``long_step``, in nt.
    """

    cg: int
    au: int
    gu: int
    loop_open: int
    bulge: int
    interior: int
    hairpin: int
    hairpin_step: int
    hairpin_free: int
    min_loop: int = 3
    tilt: int = 0
    window: int = 0
    short_step: int = 0
    short: int = 0
    long_step: int = 0
    long: int = 0

    def hairpin_loops(self, max_span: int) -> _I16:
        """Return the hairpin-loop energy for each ``d = j - i`` from 0 to ``max_span - 1``."""
        size = np.arange(max_span) - 1
        energy = self.hairpin + self.hairpin_step * np.maximum(size - self.hairpin_free, 0)
        limited = np.where(size < self.min_loop, INFINITE, np.minimum(energy, INFINITE))
        allowed: _I16 = limited.astype(np.int16)
        return allowed

    def spans(self, max_span: int) -> _I16:
        """Return what is added for the length, for each ``d`` from 0 to ``max_span - 1``."""
        length = np.arange(max_span) + 1
        energy = self.short_step * np.maximum(self.short - length, 0)
        energy += self.long_step * np.maximum(length - self.long, 0)
        limited: _I16 = np.minimum(energy, INFINITE).astype(np.int16)
        return limited


@kernel("void(const uint8[::1], const int64[::1], int64, int64, int16[:, ::1])")
def _tilts(codes: Codes, borders: npt.NDArray[np.int64], window: int, tilt: int, out: _I16) -> None:
    """Tilt of every centre: letters within the window of it are counted, unknown ones are not."""
    for number in range(borders.size - 1):
        excess = 0  # letters G and C less letters A and U
        known = 0
        first = end = borders[number]
        last = borders[number + 1]
        for centre in range(2 * first, 2 * last):
            # Letters x with |2 x - centre| <= 2 window: the same seen from either end.
            while end < last and 2 * end <= centre + 2 * window:
                if codes[end] < 4:
                    known += 1
                    excess += 1 if codes[end] == 1 or codes[end] == 2 else -1
                end += 1
            while 2 * first < centre - 2 * window:
                if codes[first] < 4:
                    known -= 1
                    excess -= 1 if codes[first] == 1 or codes[first] == 2 else -1
                first += 1
            # excess / known is twice the share of G and C above 1/2.
            out[centre % 2, centre // 2] = tilt * excess // (2 * (known + _PSEUDO))


@kernel(
    "void(const int16[::1], const int16[::1], const int16[::1], const int16[::1], "
    "const int16[::1], int16[::1], int16, int16, int16, int16)"
)
def _pair_row(
    left: _I16,
    right: _I16,
    tilt: _I16,
    inner_pair: _I16,
    inner_loop: _I16,
    out: _I16,
    closed: np.int16,
    cg: np.int16,
    au: np.int16,
    gu: np.int16,
) -> None:
    """P of one span from P and L of the span inside it (rows already shifted to start at 0)."""
    far = np.int16(INFINITE)
    for i in range(out.size):
        total = np.int16(left[i] + right[i])
        weak, strong = np.int16(au - tilt[i]), np.int16(cg + tilt[i])
        energy = far
        energy = weak if total == np.int16(_AU) else energy
        energy = strong if total == np.int16(_CG) else energy
        energy = gu if total == np.int16(_GU) else energy
        inside = min(inner_pair[i], inner_loop[i])
        inside = max(min(inside, closed), np.int16(LOWEST))
        value = np.int16(energy + inside)
        out[i] = value if energy < far else far


@kernel(
    "void(const int16[::1], const int16[::1], const int16[::1], const int16[::1], int16[::1], "
    "int16, int16, int16)"
)
def _loop_row(
    pair: _I16,
    drop_left: _I16,
    drop_right: _I16,
    drop_both: _I16,
    out: _I16,
    loop_open: np.int16,
    bulge: np.int16,
    interior: np.int16,
) -> None:
    """L of one span from its P and from the L of spans one and two shorter."""
    for i in range(out.size):
        opened = np.int16(pair[i] + loop_open)
        one = np.int16(min(drop_left[i], drop_right[i]) + bulge)
        both = np.int16(drop_both[i] + interior)
        out[i] = min(opened, min(one, both))


@kernel("void(const int16[::1], int16[::1], int16[::1], int16, int16)")
def _centre_row(
    pair: _I16, best: _I16, best_span: _I16, span: np.int16, length_cost: np.int16
) -> None:
    """Keep the lowest P of each hairpin centre, its length considered, and its span."""
    for i in range(pair.size):
        value = np.int16(pair[i] + length_cost)
        before, span_before = best[i], best_span[i]
        best_span[i] = span if value < before else span_before
        best[i] = min(value, before)


@kernel(
    "void(const int16[::1], const int64[::1], const int16[:, ::1], const int16[::1], "
    "const int16[::1], int64, int64, const int16[::1], int16[:, ::1], int16[:, ::1])"
)
def _scan(
    letters: _I16,
    borders: npt.NDArray[np.int64],
    tilts: _I16,
    hairpin_loops: _I16,
    length_costs: _I16,
    min_span: int,
    max_span: int,
    costs: _I16,
    best: npt.NDArray[np.int16],
    best_span: npt.NDArray[np.int16],
) -> None:
    cg, au, gu, loop_open, bulge, interior = (
        costs[0],
        costs[1],
        costs[2],
        costs[3],
        costs[4],
        costs[5],
    )
    # Below the shortest hairpin loop there is nothing: the rows stay as they begin.
    shortest = 1
    while shortest < max_span and hairpin_loops[shortest] >= INFINITE:
        shortest += 1
    width = _BLOCK + max_span + 2
    far = np.int16(INFINITE)
    pair_rows = np.empty((3, width), np.int16)
    loop_rows = np.empty((3, width), np.int16)
    for number in range(borders.size - 1):
        begin, end = borders[number], borders[number + 1]
        # Backwards: a centre's short spans lie in later blocks than its long ones, and of equal
        # energies the shortest span is to stay.
        for start in range(begin + (end - begin - 1) // _BLOCK * _BLOCK, begin - 1, -_BLOCK):
            used = min(width, end - start)
            pair_rows[:, :used] = far
            loop_rows[:, :used] = far
            for d in range(shortest, max_span):
                # Inner starts reach beyond the block: L(i, d) needs L(i + 1, d - 1).
                count = min(_BLOCK + max_span - d, end - d - start)
                if count <= 0:
                    break
                pair = pair_rows[d % 3][:count]
                loop = loop_rows[d % 3][:count]
                inner_pair = pair_rows[(d + 1) % 3][1 : 1 + count]
                inner_loop = loop_rows[(d + 1) % 3][1 : 1 + count]
                shorter = loop_rows[(d + 2) % 3]
                left = letters[start : start + count]
                right = letters[start + d : start + d + count]
                first = start + d // 2
                tilt = tilts[d % 2][first : first + count]
                _pair_row(
                    left, right, tilt, inner_pair, inner_loop, pair, hairpin_loops[d], cg, au, gu
                )
                _loop_row(
                    pair, shorter[1 : 1 + count], shorter[:count], inner_loop, loop, loop_open,
                    bulge, interior,
                )  # fmt: skip
                if d + 1 < min_span:
                    continue
                keep = min(_BLOCK, count)
                _centre_row(
                    pair[:keep],
                    best[d % 2][first : first + keep],
                    best_span[d % 2][first : first + keep],
                    np.int16(d + 1),
                    length_costs[d],
                )


def scan_stems(
    codes: Codes,
    *,
    min_span: int,
    max_span: int,
    costs: StemCosts,
    borders: npt.NDArray[np.int64] | None = None,
) -> tuple[_I16, _I16]:
    """Find the best stem-loop of every hairpin centre on the strand given.

    Centre ``c = start + (end - 1)`` (twice the mid-point between the outermost paired bases);
    row ``c % 2`` of the results holds it at column ``c // 2``.

    Args:
        codes: uint8 (n,), one strand 5' to 3'; unknown letters never pair.
        min_span: shortest stem-loop, in nt.
        max_span: longest stem-loop, in nt.
        costs: energies in centibits.
        borders: int64 (M + 1,), borders of M sequences that stand in ``codes`` one after another
            and know nothing of each other; one sequence where None.

    Returns:
        ``energy`` int16 (2, n) in centibits, ``INFINITE`` where no stem-loop has that centre, and
        ``span`` int16 (2, n), its length in nt (0 where there is none).
    """
    energy = np.full((2, codes.size), INFINITE, np.int16)
    span = np.zeros((2, codes.size), np.int16)
    table = np.array(
        [costs.cg, costs.au, costs.gu, costs.loop_open, costs.bulge, costs.interior], np.int16
    )
    tilts = np.empty((2, codes.size), np.int16)
    borders = _borders(codes.size, borders)
    _tilts(codes, borders, costs.window, costs.tilt, tilts)
    loops, lengths = costs.hairpin_loops(max_span), costs.spans(max_span)
    letters = _SUM_CODE[codes]
    _scan(letters, borders, tilts, loops, lengths, min_span, max_span, table, energy, span)
    return energy, span


def _borders(size: int, borders: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int64]:
    return np.array([0, size], np.int64) if borders is None else borders


@kernel("int64(const int16[:, ::1], const int64[::1], int16, int64, int64[::1])")
def _select(
    energy: _I16,
    borders: npt.NDArray[np.int64],
    highest: int,
    radius: int,
    out: npt.NDArray[np.int64],
) -> int:
    count = 0
    for number in range(borders.size - 1):
        first, last = 2 * borders[number], 2 * borders[number + 1]
        for centre in range(first, last):
            value = energy[centre % 2, centre // 2]
            if value > highest:
                continue
            lowest = True
            for other in range(max(first, centre - radius), centre):
                if energy[other % 2, other // 2] <= value:
                    lowest = False
                    break
            if not lowest:
                continue
            for other in range(centre + 1, min(last, centre + radius + 1)):
                if energy[other % 2, other // 2] < value:
                    lowest = False
                    break
            if lowest:
                out[count] = centre
                count += 1
    return count


def select_stems(
    energy: _I16,
    span: _I16,
    *,
    highest: int,
    radius: int,
    borders: npt.NDArray[np.int64] | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Keep the stem-loops that are the best around their centre.

    Args:
        energy: int16 (2, n), from :func:`scan_stems`.
        span: int16 (2, n), likewise.
        highest: energy in centibits above which no stem-loop is kept.
        radius: half-nucleotides on both sides within which no centre may be better; of equal ones
            the first, seen 5' to 3', stays.
        borders: as in :func:`scan_stems`.

    Returns:
        ``start`` and ``end`` int64 (M,), 0-based half-open on the strand scanned, by centre.
    """
    centres = np.empty(energy.size, np.int64)
    borders = _borders(energy.shape[1], borders)
    centres = centres[: _select(energy, borders, highest, radius, centres)]
    length = span[centres % 2, centres // 2].astype(np.int64)
    start = (centres - (length - 1)) // 2
    return start, start + length
