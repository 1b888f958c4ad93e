"""Convolution of pairing matrices, pair by pair: they hold at most two numbers a row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel

_I64 = npt.NDArray[np.int64]
_F32 = npt.NDArray[np.float32]

_PLACES = "int64[::1], int64[::1], int64[::1], float32[::1]"


@kernel("UniTuple(int64, 2)(int64, int64, int64, int64)")
def _windows(position: int, size: int, stride: int, count: int) -> tuple[int, int]:
    """Return the first window that covers a padded position, and the one after the last."""
    return max(0, (position - size) // stride + 1), min(position // stride + 1, count)


@kernel(f"void({_PLACES}, float32[:, :, ::1], int64, int64, float32[:, :, :, ::1])")
def convolve_pairs(
    sample: _I64,
    row: _I64,
    column: _I64,
    energy: _F32,
    weight: _F32,
    stride: int,
    padding: int,
    out: _F32,
) -> None:
    """Add the convolution of sparse square matrices to ``out``.

    Each entry at (i, j) reaches the outputs (p, q) whose window covers it, which are those with
    ``0 <= i + padding - stride * p < size``, and likewise for j and q.

    Args:
        sample: int64 (M,), which matrix the entry belongs to.
        row: int64 (M,), its row i.
        column: int64 (M,), its column j.
        energy: float32 (M,), its value.
        weight: float32 (size, size, channels), the kernel, output channels last.
        stride: of the convolution, both ways.
        padding: of the convolution, on all sides.
        out: float32 (N, P, P, channels), changed in place.
    """
    size = weight.shape[0]
    width = out.shape[1]
    for m in range(sample.size):
        i, j, value = row[m] + padding, column[m] + padding, energy[m]
        first_q, end_q = _windows(j, size, stride, width)
        first_p, end_p = _windows(i, size, stride, width)
        for p in range(first_p, end_p):
            for q in range(first_q, end_q):
                target = out[sample[m], p, q]
                kernel_row = weight[i - stride * p, j - stride * q]
                for o in range(target.size):
                    target[o] += value * kernel_row[o]


@kernel(f"void({_PLACES}, float32[:, :, :, ::1], int64, int64, float32[:, :, ::1])")
def convolve_pairs_backward(
    sample: _I64,
    row: _I64,
    column: _I64,
    energy: _F32,
    gradient: _F32,
    stride: int,
    padding: int,
    out: _F32,
) -> None:
    """Add the gradient of :func:`convolve_pairs` with respect to its kernel to ``out``.

    Args:
        sample: int64 (M,), as there; so are ``row``, ``column`` and ``energy``.
        row: int64 (M,).
        column: int64 (M,).
        energy: float32 (M,).
        gradient: float32 (N, P, P, channels), with respect to the output.
        stride: of the convolution, both ways.
        padding: of the convolution, on all sides.
        out: float32 (size, size, channels), changed in place.
    """
    size = out.shape[0]
    width = gradient.shape[1]
    for m in range(sample.size):
        i, j, value = row[m] + padding, column[m] + padding, energy[m]
        first_q, end_q = _windows(j, size, stride, width)
        first_p, end_p = _windows(i, size, stride, width)
        for p in range(first_p, end_p):
            for q in range(first_q, end_q):
                source = gradient[sample[m], p, q]
                target = out[i - stride * p, j - stride * q]
                for o in range(target.size):
                    target[o] += value * source[o]
