"""Which intervals share letters with which."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_I64: TypeAlias = npt.NDArray[np.int64]


def overlapping(start: _I64, end: _I64, of_start: _I64, of_end: _I64) -> tuple[_I64, _I64]:
    """Pair intervals with those of another set that share letters with them.

    Args:
        start: int64 (N,), of one set, in any order; the shorter its longest, the faster.
        end: int64 (N,), exclusive.
        of_start: int64 (M,), of the other.
        of_end: int64 (M,).

    Returns:
        int64 (K,) and int64 (K,), indices into the one and the other, by that into the other.
    """
    order = np.argsort(start, kind="stable")
    longest = int((end - start).max(initial=0))
    first = np.searchsorted(start[order], of_start - longest, "right")
    count = np.maximum(np.searchsorted(start[order], of_end) - first, 0)
    before = np.repeat(first - np.cumsum(count) + count, count)
    one, other = order[before + np.arange(before.size)], np.repeat(np.arange(count.size), count)
    shared = np.minimum(end[one], of_end[other]) > np.maximum(start[one], of_start[other])
    return one[shared], other[shared]
