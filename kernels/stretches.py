"""Exact stretches that sequences share with a chosen set, on their own strand.

A stretch of ``STRETCH`` letters is its 2-bit code, first letter highest. What stands in tables is
that code times an odd number, modulo 4**STRETCH, which is one to one and spreads codes evenly, so
that the leading bits serve as a hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel
from premir.kernels.codes import UNKNOWN, Codes

_I64: TypeAlias = npt.NDArray[np.int64]
_U32: TypeAlias = npt.NDArray[np.uint32]

STRETCH = 20
"""Letters of a stretch: a mature microRNA has some 22, of which relatives share most."""

_BITS = 2 * STRETCH
_MASK = (1 << _BITS) - 1
# An odd number near 2**40 over the golden ratio, as in kmers.py.
_ODD = 0x9E3779B97F
_WIDE = 25
"""Leading bits that the filter looks at: 4 MB, of which a million stretches set 3 %."""
_NARROW = 20
"""Leading bits that the directory looks at."""
_NONE = -1


@kernel("void(const uint8[::1], const int64[::1], int64, int64[::1])")
def _keys(codes: Codes, offsets: _I64, fewest: int, keys: _I64) -> None:
    keys[:] = _NONE
    for n in range(offsets.size - 1):
        code = known = 0
        for i in range(offsets[n], offsets[n + 1]):
            letter = int(codes[i])
            code = ((code << 2) | (letter & 3)) & _MASK
            known = known + 1 if letter < UNKNOWN else 0
            if known < STRETCH:
                continue
            seen = different = 0
            for at in range(STRETCH - 2):
                bit = 1 << ((code >> (2 * at)) & 63)
                different += 0 if seen & bit else 1
                seen |= bit
            if different >= fewest:
                keys[i] = (code * _ODD) & _MASK


@kernel("int64(const int64[::1], const uint32[::1], int64)")
def _find(keys: _I64, directory: _U32, key: int) -> int:
    """Index of a key, or -1."""
    bucket = key >> (_BITS - _NARROW)
    for at in range(directory[bucket], directory[bucket + 1]):
        if keys[at] == key:
            return at
    return -1


@kernel(
    "void(const uint8[::1], const int64[::1], const int64[::1], const int64[::1], "
    "const uint32[::1], const uint8[::1], boolean, int64[::1])"
)
def _seek(
    codes: Codes,
    start: _I64,
    end: _I64,
    keys: _I64,
    directory: _U32,
    bits: Codes,
    counting: bool,
    found: _I64,
) -> None:
    """Count keys where ``counting``; else say which parts hold one, and look no further there."""
    for n in range(start.size):
        code = known = 0
        for i in range(start[n], end[n]):
            letter = int(codes[i])
            code = ((code << 2) | (letter & 3)) & _MASK
            known = known + 1 if letter < UNKNOWN else 0
            if known < STRETCH:
                continue
            key = (code * _ODD) & _MASK
            bit = key >> (_BITS - _WIDE)
            if (bits[bit >> 3] >> (bit & 7)) & 1:
                at = _find(keys, directory, key)
                if at >= 0:
                    found[at if counting else n] += 1
                    if not counting:
                        break


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """A set of stretches that is quick to ask.

    Attributes:
        keys: int64 (M,), ascending, each once.
        directory: uint32, where in ``keys`` those with the same leading bits begin, and the end.
        bits: uint8, the filter: a bit for each value of more of the keys' leading bits.
    """

    keys: _I64
    directory: _U32
    bits: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, codes: Codes, offsets: _I64, *, fewest: int = 0) -> Stretches:
        """Take the stretches of N sequences.

        Args:
            codes: uint8 (T,), values 0-4, packed; no stretch holds an unknown letter.
            offsets: int64 (N + 1,), borders of the sequences.
            fewest: a stretch that has fewer different words of three letters is left out: it is a
                simple repeat.
        """
        found = np.empty(codes.size, np.int64)
        _keys(codes, offsets, fewest, found)
        return cls._of(np.unique(found[found != _NONE]))

    @classmethod
    def _of(cls, keys: _I64) -> Stretches:
        buckets = np.arange((1 << _NARROW) + 1) << (_BITS - _NARROW)
        directory = np.searchsorted(keys, buckets).astype(np.uint32)
        bits = np.zeros(1 << (_WIDE - 3), np.uint8)
        leading = keys >> (_BITS - _WIDE)
        np.bitwise_or.at(bits, leading >> 3, (1 << (leading & 7)).astype(np.uint8))
        return cls(keys, directory, bits)

    def shared_with(self, codes: Codes, start: _I64, end: _I64) -> npt.NDArray[np.bool_]:
        """Say which parts of some codes hold one of the stretches.

        Args:
            codes: uint8, values 0-4.
            start: int64 (M,), where each part begins.
            end: int64 (M,), where it ends.

        Returns:
            bool (M,).
        """
        found = np.zeros(start.size, np.int64)
        _seek(codes, start, end, self.keys, self.directory, self.bits, False, found)
        return found > 0

    def count(self, codes: Codes, counts: _I64) -> None:
        """Count how often each stretch stands in some codes, on their own strand.

        Args:
            codes: uint8 (N,), values 0-4.
            counts: int64 (M,), what is found is added here.
        """
        start, end = np.array([0]), np.array([codes.size])
        _seek(codes, start, end, self.keys, self.directory, self.bits, True, counts)

    def take(self, chosen: npt.NDArray[np.bool_]) -> Stretches:
        """Return the set of those that a mask selects."""
        return Stretches._of(self.keys[chosen])

    @classmethod
    def union(cls, sets: Sequence[Stretches]) -> Stretches:
        """Return the set of all stretches of some sets."""
        return cls._of(np.unique(np.concatenate([each.keys for each in sets])))
