"""Intervals of a sequence, cut out as they read on their own strand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel
from premir.kernels.codes import UNKNOWN, Codes

_I64 = npt.NDArray[np.int64]


@kernel(
    "void(const uint8[::1], const int64[::1], const int64[::1], const int8[::1], "
    "const int64[::1], uint8[::1])"
)
def _cut(
    codes: Codes, start: _I64, end: _I64, strand: npt.NDArray[np.int8], offsets: _I64, out: Codes
) -> None:
    for n in range(start.size):
        length = end[n] - start[n]
        for k in range(length):
            if strand[n] > 0:
                out[offsets[n] + k] = codes[start[n] + k]
            else:
                code = codes[end[n] - 1 - k]
                out[offsets[n] + k] = 3 - code if code < UNKNOWN else code


def cut(codes: Codes, start: _I64, end: _I64, strand: npt.NDArray[np.int8]) -> tuple[Codes, _I64]:
    """Cut intervals out of a sequence, those of the minus strand as their reverse complement.

    Args:
        codes: uint8 (n,), plus strand, 5' to 3'.
        start: int64 (N,), first positions.
        end: int64 (N,), positions after the last.
        strand: int8 (N,), 1 or -1.

    Returns:
        uint8 (sum of lengths,), all intervals 5' to 3', packed; int64 (N + 1,), their borders.
    """
    offsets = np.zeros(start.size + 1, np.int64)
    np.cumsum(end - start, out=offsets[1:])
    out = np.empty(int(offsets[-1]), np.uint8)
    contiguous = np.ascontiguousarray
    _cut(codes, contiguous(start), contiguous(end), contiguous(strand), offsets, out)
    return out, offsets
