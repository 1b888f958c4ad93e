"""Sites: places of a fold where a mature may begin, and what lies around each as whole numbers.

A site is described by fields, each a whole number between two bounds; what lies beyond counts as
the bound. Every value of every field is a *cell*, of which a model learns one weight.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel
from premir.kernels.codes import UNKNOWN, Codes
from premir.kernels.pairing import Pairs

_I64: TypeAlias = npt.NDArray[np.int64]

OUTSIDE, UNPAIRED, ACROSS, ASIDE = range(4)
"""Of a letter: beyond the end, without a partner, with one on the other side of the loop, and with
one on the same side."""
NEAR = (-10, 26)
"""Around a site: where it is looked at what pairs; the end is exclusive."""
LETTERS, OPPOSITE = (-4, 6), (-2, 3)
"""Around a site, and around what faces it: which letters are looked at."""
_SKEW = 5
FIELDS: tuple[tuple[int, int], ...] = (
    (-10, 60),  # letters to the loop
    (0, 50),  # pairs to the loop
    (-20, 50),  # letters to the outermost pair
    *((OUTSIDE, ASIDE) for _ in range(*NEAR)),
    *((-_SKEW, _SKEW) for _ in range(*NEAR)),  # letters that one strand has more from the site on
    *((0, UNKNOWN) for _ in range(*LETTERS)),
    *((0, UNKNOWN) for _ in range(*OPPOSITE)),
)
"""Least and greatest value of each."""
_LOW, _HIGH = np.array(FIELDS, np.int64).T
CELLS = int((_HIGH - _LOW + 1).sum())
"""How many there are of all fields together."""
_FIRST = np.cumsum(_HIGH - _LOW + 1) - (_HIGH - _LOW + 1)
_BOUNDS = np.stack([_LOW, _HIGH, _FIRST])


@kernel("void(const int16[::1], int64, int64[:, ::1])")
def _look_across(pairs: Pairs, middle: int, out: _I64) -> None:
    """Write what each letter is, and what faces it: reckoned from the nearest pair across."""
    state, facing = out
    before = -1
    for k in range(pairs.size):
        state[k] = UNPAIRED
        if pairs[k] >= 0:
            state[k] = ACROSS if (k < middle) != (pairs[k] < middle) else ASIDE
        if state[k] == ACROSS:
            before = k
        facing[k] = before
    behind = -1
    for k in range(pairs.size - 1, -1, -1):
        if state[k] == ACROSS:
            behind = k
        nearest = facing[k]
        if nearest < 0 or (behind >= 0 and behind - k < k - nearest):
            nearest = behind
        facing[k] = pairs[nearest] - (k - nearest)


@kernel(
    "void(const uint8[::1], const int64[:, ::1], int64, int64, const int64[::1], "
    "const int64[:, ::1], int64[:, ::1])"
)
def _fill_cells(
    codes: Codes, fold: _I64, loop: int, loop_end: int, at: _I64, bounds: _I64, out: _I64
) -> None:
    state, facing = fold
    size = codes.size
    outermost = np.zeros(2, np.int64)
    for k in range(size):
        if state[k] == ACROSS:
            outermost[1] = k
    for k in range(size - 1, -1, -1):
        if state[k] == ACROSS:
            outermost[0] = k
    for n in range(at.size):
        site, row = at[n], out[n]
        first = site < loop
        row[0] = loop - site if first else site - loop_end
        row[1] = 0
        for k in range(site if first else loop_end, loop if first else site):
            row[1] += state[k] == ACROSS
        row[2] = site - outermost[0] if first else outermost[1] - site
        field, skew = 3, facing[site] + site
        for k in range(site + NEAR[0], site + NEAR[1]):
            row[field] = state[k] if 0 <= k < size else OUTSIDE
            field += 1
        for k in range(site + NEAR[0], site + NEAR[1]):
            inside = min(max(k, 0), size - 1)
            row[field] = facing[inside] + inside - skew
            field += 1
        for k in range(site + LETTERS[0], site + LETTERS[1]):
            row[field] = codes[k] if 0 <= k < size else UNKNOWN
            field += 1
        for k in range(facing[site] + OPPOSITE[0], facing[site] + OPPOSITE[1]):
            row[field] = codes[k] if 0 <= k < size else UNKNOWN
            field += 1
        for k in range(field):
            row[k] = min(max(row[k], bounds[0, k]), bounds[1, k]) - bounds[0, k] + bounds[2, k]


def look_across(pairs: Pairs, loop: tuple[int, int]) -> _I64:
    """Say what each letter of a fold is, and what faces it.

    Args:
        pairs: int16 (L,), pair table.
        loop: the terminal loop, of a pair.

    Returns:
        int64 (2, L): ``UNPAIRED``, ``ACROSS`` or ``ASIDE``; and the place on the other side of the
        loop, reckoned from the nearest letter that pairs across it (of two the one before), which
        may lie beyond the end.
    """
    out = np.empty((2, pairs.size), np.int64)
    _look_across(pairs, loop[0], out)
    return out


def site_cells(codes: Codes, fold: _I64, loop: tuple[int, int], at: _I64) -> _I64:
    """Describe sites by the cells of their fields.

    These are letters and pairs to the loop, letters to the outermost pair; what letters near the
    site are, and by how much one strand is longer there than at the site; letters near it, and near
    what faces it.

    Args:
        codes: uint8 (L,).
        fold: int64 (2, L), of :func:`look_across`.
        loop: the terminal loop.
        at: int64 (N,), sites: places of the hairpin.

    Returns:
        int64 (N, ``len(FIELDS)``), cells from 0 to ``CELLS`` - 1.
    """
    out = np.empty((at.size, len(FIELDS)), np.int64)
    _fill_cells(codes, fold, loop[0], loop[1], at, _BOUNDS, out)
    return out
