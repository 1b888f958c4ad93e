"""Stacks: reads of a library that begin and end at the same places, counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

UNIT = 720_720
"""Units of a read: a multiple of 1, 2, ... 16, so that a read with so many places gives each the
same whole number of them, and sums are the same in any order."""
LONGEST = 200
"""Longest alignment that counts, in nt; nothing that Dicer makes is near it."""

STACK = np.dtype(
    [("start", "<i8"), ("weight", "<i8"), ("shared", "<i8"), ("length", "u1"), ("strand", "i1")]
)
"""A stack: first position in the genome's store, its reads and those of them that have other places
too (in units), its length in nt, and its strand, 1 or -1. Files hold them by start, length and
strand, each once."""

_Stack: TypeAlias = npt.NDArray[Any]

_EVERY = 256
"""One in so many starts is in memory, and tells where in the file to look for the others."""
_PIECE = 1024 * _EVERY
_AHEAD = 64 * _EVERY
"""So many are read at once and kept: who asks for one place mostly asks for the next one then."""


class Stacks:
    """The stacks of a library, in a file that is read by position.

    Args:
        path: the file, as :func:`premir.scanner.report.evidence.reads.counting.count_reads` makes
            it.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._size = path, path.stat().st_size // STACK.itemsize
        starts = [piece["start"][::_EVERY].copy() for piece in self.pieces()]
        self._starts = np.concatenate([np.empty(0, np.int64), *starts])
        self._held, self._from = np.empty(0, STACK), 0

    def reaching(self, low: int, high: int) -> _Stack:
        """Return those whose mid-points may lie in an interval of the store."""
        low -= LONGEST
        first = max(int(np.searchsorted(self._starts, low)) - 1, 0) * _EVERY
        last = min(int(np.searchsorted(self._starts, high)) * _EVERY, self._size)
        if first < self._from or last > self._from + self._held.size:
            ahead = max(last, min(first + _AHEAD, self._size))
            self._held, self._from = self._read(first, ahead), first
        near = self._held[first - self._from : last - self._from]
        return near[(near["start"] >= low) & (near["start"] < high)]

    def pieces(self) -> Iterator[_Stack]:
        """Read all of them, from front to end."""
        for first in range(0, self._size, _PIECE):
            yield self._read(first, min(first + _PIECE, self._size))

    def _read(self, first: int, last: int) -> _Stack:
        # Mapped into memory, all that was ever read would count as ours.
        return np.fromfile(self._path, STACK, last - first, offset=first * STACK.itemsize)


def centres(stacks: _Stack) -> npt.NDArray[np.int64]:
    """Return twice the mid-points: first plus last position, the same on either strand."""
    result: npt.NDArray[np.int64] = 2 * stacks["start"] + stacks["length"] - 1
    return result


def combined(stacks: _Stack) -> _Stack:
    """Sort stacks, and add up those that are the same."""
    key = (stacks["start"] << 9) | (stacks["length"].astype(np.int64) << 1) | (stacks["strand"] > 0)
    order = np.argsort(key, kind="stable")  # which is quick where most is in order
    key = key[order]
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1])[: key.size])
    result = stacks[order[first]]
    if first.size:
        for name in ("weight", "shared"):
            result[name] = np.add.reduceat(stacks[name][order], first)
    return result
