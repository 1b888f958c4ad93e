"""Convolution of pairing tensors straight from packed hairpins: the tensors are never built.

Eight of the nine channels of a pairing tensor are constant along one axis. What the four row
channels contribute to output (p, q) is a sum over the nucleotides that row p of the output covers,
of the kernel's row added up over those of its columns that lie inside the hairpin: for all q but
a few at both borders that is all of them. So there is one *line* (a vector of channels for each p)
for the q in the middle and one for each q at a border. The four column channels are the same with
the axes swapped. The ninth channel holds two numbers for each pair; each reaches a few outputs.

Kernels are (9, size, size, channels), outputs (N, P, P, channels): channels last.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel
from premir.kernels.codes import Codes
from premir.kernels.pairing import Energies, Offsets, Pairs

_Real: TypeAlias = npt.NDArray[Any]
_LETTERS = 4
"""Channels of the letters of a row, and of those of a column."""
_SIGNATURE = (
    "void(const uint8[::1], const int16[::1], const int32[::1], const int64[::1], "
    "const {0}[:, :, :, ::1], int64, int64, {0}[:, :, :, ::1])"
)


def _convolve(
    codes: Codes,
    pairs: Pairs,
    mfe: Energies,
    offsets: Offsets,
    weight: _Real,
    stride: int,
    padding: int,
    out: _Real,
) -> None:
    """Add the convolution of each hairpin's pairing tensor to ``out``.

    Args:
        codes: uint8 (T,), packed hairpins (:mod:`premir.kernels.pairing`); unknown letters add
            nothing.
        pairs: int16 (T,).
        mfe: int32 (N,), dcal/mol.
        offsets: int64 (N + 1,).
        weight: (9, size, size, channels), the kernel.
        stride: of the convolution, both ways.
        padding: of the convolution, on all sides.
        out: (N, P, P, channels), changed in place; nothing is added beyond a hairpin's own
            ``(length + 2 * padding - size) // stride + 1`` outputs.
    """
    size, width, channels = weight.shape[1], out.shape[1], out.shape[3]
    # sums[0, c, a, k]: first k columns of row a; sums[1, c, b, k]: first k rows of column b. Those
    # of unknown letters stay zero.
    sums = np.zeros((2, _LETTERS + 1, size, size + 1, channels), out.dtype)
    for c in range(_LETTERS):
        for a in range(size):
            for k in range(size):
                for o in range(channels):
                    sums[0, c, a, k + 1, o] = sums[0, c, a, k, o] + weight[1 + c, a, k, o]
                    sums[1, c, a, k + 1, o] = sums[1, c, a, k, o] + weight[5 + c, k, a, o]
    lines = np.empty((width + 1, 2, width, channels), out.dtype)
    which = np.empty(width, np.int64)
    for n in range(mfe.size):
        first = offsets[n]
        length = offsets[n + 1] - first
        own = min(width, (length + 2 * padding - size) // stride + 1)
        borders = 0
        have_middle = False
        for q in range(own):
            low = min(max(0, padding - stride * q), size)
            high = max(min(size, length + padding - stride * q), 0)
            which[q] = 0
            if low > 0 or high < size:
                borders += 1
                which[q] = borders
            elif have_middle:
                continue
            else:
                have_middle = True
            for p in range(own):
                rows, columns = lines[which[q], 0, p], lines[which[q], 1, p]
                rows[:] = 0
                columns[:] = 0
                start = stride * p - padding
                for a in range(max(0, -start), min(size, length - start)):
                    row = sums[0, codes[first + start + a], a]
                    column = sums[1, codes[first + start + a], a]
                    for o in range(channels):
                        rows[o] += row[high, o] - row[low, o]
                    for o in range(channels):
                        columns[o] += column[high, o] - column[low, o]
        for p in range(own):
            for q in range(own):
                target = out[n, p, q]
                rows, columns = lines[which[q], 0, p], lines[which[p], 1, q]
                for o in range(channels):
                    target[o] += rows[o] + columns[o]
        energy = out.dtype.type(mfe[n] / 100.0)
        for i in range(length):
            if pairs[first + i] < 0:
                continue
            x, y = i + padding, pairs[first + i] + padding
            for p in range(max(0, (x - size) // stride + 1), min(x // stride + 1, own)):
                for q in range(max(0, (y - size) // stride + 1), min(y // stride + 1, own)):
                    target = out[n, p, q]
                    source = weight[0, x - stride * p, y - stride * q]
                    for o in range(channels):
                        target[o] += energy * source[o]


def _backward(
    codes: Codes,
    pairs: Pairs,
    mfe: Energies,
    offsets: Offsets,
    gradient: _Real,
    stride: int,
    padding: int,
    out: _Real,
) -> None:
    """Add the gradient of the convolution with respect to its kernel to ``out``.

    Args:
        codes: uint8 (T,), as there; so are ``pairs``, ``mfe`` and ``offsets``.
        pairs: int16 (T,).
        mfe: int32 (N,).
        offsets: int64 (N + 1,).
        gradient: (N, P, P, channels), with respect to the output.
        stride: of the convolution, both ways.
        padding: of the convolution, on all sides.
        out: (9, size, size, channels), changed in place.
    """
    size, width, channels = out.shape[1], gradient.shape[1], out.shape[3]
    sums = np.zeros((2, _LETTERS + 1, size, size + 1, channels), out.dtype)
    lines = np.empty((2, width, channels), out.dtype)
    middle = np.empty((2, width, channels), out.dtype)
    for n in range(mfe.size):
        first = offsets[n]
        length = offsets[n + 1] - first
        own = min(width, (length + 2 * padding - size) // stride + 1)
        middle[:] = 0
        for q in range(own + 1):  # the last round is that of the q in the middle, added up
            low = min(max(0, padding - stride * q), size)
            high = max(min(size, length + padding - stride * q), 0)
            inside = q == own or (low == 0 and high == size)
            if q < own:
                into = middle if inside else lines
                lines[:] = 0
                for p in range(own):
                    for o in range(channels):
                        into[0, p, o] += gradient[n, p, q, o]
                        into[1, p, o] += gradient[n, q, p, o]
                if inside:
                    continue
            source = middle if inside else lines
            low, high = (0, size) if inside else (low, high)
            for p in range(own):
                rows, columns = source[0, p], source[1, p]
                start = stride * p - padding
                for a in range(max(0, -start), min(size, length - start)):
                    row = sums[0, codes[first + start + a], a]
                    column = sums[1, codes[first + start + a], a]
                    for o in range(channels):
                        row[high, o] += rows[o]
                        row[low, o] -= rows[o]
                    for o in range(channels):
                        column[high, o] += columns[o]
                        column[low, o] -= columns[o]
        energy = out.dtype.type(mfe[n] / 100.0)
        for i in range(length):
            if pairs[first + i] < 0:
                continue
            x, y = i + padding, pairs[first + i] + padding
            for p in range(max(0, (x - size) // stride + 1), min(x // stride + 1, own)):
                for q in range(max(0, (y - size) // stride + 1), min(y // stride + 1, own)):
                    target = out[0, x - stride * p, y - stride * q]
                    for o in range(channels):
                        target[o] += energy * gradient[n, p, q, o]
    # A prefix sum holds all kernel entries before its end: each gets what came to later sums.
    # What came to those of unknown letters belongs to none.
    for c in range(_LETTERS):
        for a in range(size):
            for k in range(size - 1, -1, -1):
                for o in range(channels):
                    if k < size - 1:
                        sums[0, c, a, k + 1, o] += sums[0, c, a, k + 2, o]
                        sums[1, c, a, k + 1, o] += sums[1, c, a, k + 2, o]
                    out[1 + c, a, k, o] += sums[0, c, a, k + 1, o]
                    out[5 + c, k, a, o] += sums[1, c, a, k + 1, o]


convolve_tensors = kernel(_SIGNATURE.format("float32"))(_convolve)
convolve_tensors_float64 = kernel(_SIGNATURE.format("float64"), name="_convolve_wide")(_convolve)
convolve_tensors_backward = kernel(_SIGNATURE.format("float32"))(_backward)
