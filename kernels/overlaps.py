"""Greedy choice among overlapping intervals of one strand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel

_I64 = npt.NDArray[np.int64]

DROPPED, KEPT, UNDECIDED = 0, 1, 2


@kernel(
    "void(const int64[::1], const int64[::1], const int64[::1], const boolean[::1], int64, "
    "uint8[::1])"
)
def _resolve(
    start: _I64,
    end: _I64,
    order: _I64,
    exposed: npt.NDArray[np.bool_],
    longest: int,
    state: npt.NDArray[np.uint8],
) -> None:
    waiting = np.uint8(255)
    state[:] = waiting
    for i in order:
        lost = False
        unsure = exposed[i]
        # Backwards and forwards through the intervals that can reach this one.
        for step in (-1, 1):
            k = i + step
            while 0 <= k < start.size and (
                start[k] < end[i] if step > 0 else start[k] > start[i] - longest
            ):
                shared = min(end[i], end[k]) - max(start[i], start[k])
                if state[k] != waiting and 2 * shared >= min(end[i] - start[i], end[k] - start[k]):
                    lost = lost or state[k] == KEPT
                    unsure = unsure or state[k] == UNDECIDED
                k += step
        state[i] = DROPPED if lost else UNDECIDED if unsure else KEPT


def resolve_overlaps(
    start: _I64, end: _I64, order: _I64, exposed: npt.NDArray[np.bool_]
) -> npt.NDArray[np.uint8]:
    """Go through intervals from the best to the worst; keep each that no kept one contests.

    Two intervals contest each other when they share at least half of the shorter one.

    Args:
        start: int64 (N,), ascending.
        end: int64 (N,), exclusive.
        order: int64 (N,), indices from the best to the worst.
        exposed: bool (N,), whether intervals that are not known might contest this one.

    Returns:
        uint8 (N,): ``KEPT``, ``DROPPED``, or ``UNDECIDED`` where that depends on intervals that
        are not known.
    """
    state = np.empty(start.size, np.uint8)
    longest = int((end - start).max(initial=0))
    _resolve(start, end, order, exposed, longest, state)
    return state
