"""Greedy choice among overlapping intervals of one strand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel

_I64 = npt.NDArray[np.int64]

DROPPED, KEPT, UNDECIDED = 0, 1, 2


@kernel(
    "void(const int64[::1], const int64[::1], const int64[::1], const boolean[::1], "
    "const int64[::1], int64, uint8[::1])"
)
def _resolve(
    start: _I64,
    end: _I64,
    order: _I64,
    exposed: npt.NDArray[np.bool_],
    same: _I64,
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
                rival = state[same[k]]
                if rival != waiting and 2 * shared >= min(end[i] - start[i], end[k] - start[k]):
                    lost = lost or rival == KEPT
                    unsure = unsure or rival == UNDECIDED
                k += step
        state[i] = DROPPED if lost else UNDECIDED if unsure else KEPT


def resolve_overlaps(
    start: _I64,
    end: _I64,
    order: _I64,
    exposed: npt.NDArray[np.bool_],
    same: _I64 | None = None,
) -> npt.NDArray[np.uint8]:
    """Go through intervals from the best to the worst; keep each that no kept one contests.

    Two intervals contest each other when they share at least half of the shorter one.

    Args:
        start: int64 (N,), ascending.
        end: int64 (N,), exclusive.
        order: int64 (M,), indices from the best to the worst, of all that are themselves.
        exposed: bool (N,), whether intervals that are not known might contest this one.
        same: int64 (N,), which interval each is, where some stand at several places: its own index
            but for those that are another once more. Each is itself by default.

    Returns:
        uint8 (N,): ``KEPT``, ``DROPPED``, or ``UNDECIDED`` where that depends on intervals that
        are not known.
    """
    state = np.empty(start.size, np.uint8)
    longest = int((end - start).max(initial=0))
    same = np.arange(start.size) if same is None else same
    _resolve(start, end, order, exposed, same, longest, state)
    return state[same]
