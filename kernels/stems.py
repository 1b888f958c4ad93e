"""Stem scan: the best single stem-loop of every hairpin centre, for a whole tile at once.

A stem-loop is one helix closed by a hairpin loop and interrupted by bulges and interior loops; it
is found by a dynamic programme over spans ``d = j - i`` with affine loop costs (design: rows of
contiguous int16, so that the compiler vectorises every inner loop).

    P(i, j) = e(i, j) + min(hairpin(d), P(i + 1, j - 1), L(i + 1, j - 1))        if i, j can pair
    L(i, j) = min(P(i, j) + loop_open, L(i + 1, j) + bulge, L(i, j - 1) + bulge,
                  L(i + 1, j - 1) + interior)

Energies are int16 in dcal/mol. They are an approximation of a stem's free energy that only selects
what is folded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel
from premir.kernels.codes import Codes

_I16 = npt.NDArray[np.int16]

INFINITE = 16000
"""Energy of what cannot be, in dcal/mol: far above any stem, far below int16 overflow."""

LOWEST = -32000
"""What lies inside a pair counts no lower than this, in dcal/mol, so that int16 never wraps."""

_BLOCK = 4096
"""Starts scanned together; the rolling rows of a block stay in the first-level cache."""

# The codes A, C, G, U, unknown are mapped to numbers whose pairwise sums tell the pair types apart:
# A+U = 5, C+G = 11, G+U = 6 and no other two letters add up to these.
_SUM_CODE = np.array([0, 10, 1, 5, 100], np.int16)
_AU, _CG, _GU = 5, 11, 6


@dataclass(frozen=True, slots=True)
class StemCosts:
    """Costs of the stem scan in dcal/mol.

    A helix of n pairs is given n pair terms, where the nearest-neighbour model has n - 1 stacks
    (two C-G pairs stack at -2.4 to -3.4 kcal/mol, two A-U pairs at -0.9 to -1.3 in Turner 2004),
    and so each loop term holds one pair more than its Turner value. Pair terms are drawn together
    and unpaired nucleotides made dearer than in Turner 2004, so that random sequence of high and
    low GC content gains nothing from being longer.

    Attributes:
        cg: energy of a C-G pair.
        au: energy of an A-U pair.
        gu: energy of a G-U wobble pair.
        loop_open: added when a helix is interrupted by a bulge or an interior loop.
        bulge: added for each unpaired nucleotide without a partner opposite.
        interior: added for each two unpaired nucleotides opposite each other.
        hairpin: initiation of the hairpin loop.
        hairpin_step: added for each nucleotide of the loop beyond ``hairpin_free``.
        hairpin_free: longest hairpin loop without a length penalty, in nt.
        min_loop: shortest hairpin loop, in nt.
    """

    cg: int = -240
    au: int = -170
    gu: int = -60
    loop_open: int = 310
    bulge: int = 120
    interior: int = 100
    hairpin: int = 620
    hairpin_step: int = 5
    hairpin_free: int = 9
    min_loop: int = 3

    def hairpin_loops(self, max_span: int) -> _I16:
        """Return the hairpin-loop energy for each ``d = j - i`` from 0 to ``max_span - 1``."""
        size = np.arange(max_span) - 1
        energy = self.hairpin + self.hairpin_step * np.maximum(size - self.hairpin_free, 0)
        allowed: _I16 = np.where(size < self.min_loop, INFINITE, energy).astype(np.int16)
        return allowed


DEFAULT_COSTS = StemCosts()


@kernel(
    "void(int16[::1], int16[::1], int16[::1], int16[::1], int16[::1], int16, int16, int16, int16)"
)
def _pair_row(
    left: _I16,
    right: _I16,
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
        energy = far
        energy = au if total == np.int16(_AU) else energy
        energy = cg if total == np.int16(_CG) else energy
        energy = gu if total == np.int16(_GU) else energy
        inside = min(inner_pair[i], inner_loop[i])
        inside = max(min(inside, closed), np.int16(LOWEST))
        value = np.int16(energy + inside)
        out[i] = value if energy < far else far


@kernel("void(int16[::1], int16[::1], int16[::1], int16[::1], int16[::1], int16, int16, int16)")
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


@kernel("void(int16[::1], int16[::1], int16[::1], int16)")
def _centre_row(pair: _I16, best: _I16, best_span: _I16, span: np.int16) -> None:
    """Keep the lowest P of each hairpin centre, and its span."""
    for i in range(pair.size):
        better = pair[i] < best[i]
        best_span[i] = span if better else best_span[i]
        best[i] = min(pair[i], best[i])


@kernel("void(int16[::1], int16[::1], int64, int64, int16[::1], int16[:, ::1], int16[:, ::1])")
def _scan(
    letters: _I16,
    hairpin_loops: _I16,
    min_span: int,
    max_span: int,
    costs: _I16,
    best: npt.NDArray[np.int16],
    best_span: npt.NDArray[np.int16],
) -> None:
    n = letters.size
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
    # Backwards: a centre's short spans lie in later blocks than its long ones, and of equal
    # energies the shortest span is to stay.
    for start in range((n - 1) // _BLOCK * _BLOCK, -1, -_BLOCK):
        pair_rows[:] = far
        loop_rows[:] = far
        for d in range(shortest, max_span):
            # Inner starts reach beyond the block: L(i, d) needs L(i + 1, d - 1).
            count = min(_BLOCK + max_span - d, n - d - start)
            if count <= 0:
                break
            pair = pair_rows[d % 3][:count]
            loop = loop_rows[d % 3][:count]
            inner_pair = pair_rows[(d + 1) % 3][1 : 1 + count]
            inner_loop = loop_rows[(d + 1) % 3][1 : 1 + count]
            shorter = loop_rows[(d + 2) % 3]
            left = letters[start : start + count]
            right = letters[start + d : start + d + count]
            _pair_row(left, right, inner_pair, inner_loop, pair, hairpin_loops[d], cg, au, gu)
            _loop_row(
                pair, shorter[1 : 1 + count], shorter[:count], inner_loop, loop, loop_open,
                bulge, interior,
            )  # fmt: skip
            if d + 1 < min_span:
                continue
            keep = min(_BLOCK, count)
            first = start + d // 2
            _centre_row(
                pair[:keep],
                best[d % 2][first : first + keep],
                best_span[d % 2][first : first + keep],
                np.int16(d + 1),
            )


def scan_stems(
    codes: Codes, *, min_span: int, max_span: int, costs: StemCosts = DEFAULT_COSTS
) -> tuple[_I16, _I16]:
    """Find the best stem-loop of every hairpin centre on the strand given.

    Centre ``c = start + (end - 1)`` (twice the mid-point between the outermost paired bases);
    row ``c % 2`` of the results holds it at column ``c // 2``.

    Args:
        codes: uint8 (n,), one strand 5' to 3'; unknown letters never pair.
        min_span: shortest stem-loop, in nt.
        max_span: longest stem-loop, in nt.
        costs: energies in dcal/mol.

    Returns:
        ``energy`` int16 (2, n) in dcal/mol, ``INFINITE`` where no stem-loop has that centre, and
        ``span`` int16 (2, n), its length in nt (0 where there is none).
    """
    energy = np.full((2, codes.size), INFINITE, np.int16)
    span = np.zeros((2, codes.size), np.int16)
    table = np.array(
        [costs.cg, costs.au, costs.gu, costs.loop_open, costs.bulge, costs.interior], np.int16
    )
    loops = costs.hairpin_loops(max_span)
    _scan(_SUM_CODE[codes], loops, min_span, max_span, table, energy, span)
    return energy, span


@kernel("int64(int16[:, ::1], int16, int64, int64[::1])")
def _select(energy: _I16, highest: int, radius: int, out: npt.NDArray[np.int64]) -> int:
    count = 0
    last = 2 * energy.shape[1]
    for centre in range(last):
        value = energy[centre % 2, centre // 2]
        if value > highest:
            continue
        lowest = True
        for other in range(max(0, centre - radius), centre):
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
    energy: _I16, span: _I16, *, highest: int, radius: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Keep the stem-loops that are the best around their centre.

    Args:
        energy: int16 (2, n), from :func:`scan_stems`.
        span: int16 (2, n), likewise.
        highest: energy in dcal/mol above which no stem-loop is kept.
        radius: half-nucleotides on both sides within which no centre may be better; of equal ones
            the first, seen 5' to 3', stays.

    Returns:
        ``start`` and ``end`` int64 (M,), 0-based half-open on the strand scanned, by centre.
    """
    centres = np.empty(energy.size, np.int64)
    centres = centres[: _select(energy, highest, radius, centres)]
    length = span[centres % 2, centres // 2].astype(np.int64)
    start = (centres - (length - 1)) // 2
    return start, start + length
