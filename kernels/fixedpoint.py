"""Convolutions in fixed-point numbers: for scores that select, which need not be exact.

Factors are whole numbers of 16 bits, weights with a scale for each output channel and maps with one
for each hairpin, and sums have 32 bits. A machine multiplies twice as many of these at a time as of
float32, and all machines give the same, whatever else is in a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel, part
from premir.kernels._lanes import WIDTH, add_products, spread, store

_I16: TypeAlias = npt.NDArray[np.int16]
_I32: TypeAlias = npt.NDArray[np.int32]
_I64: TypeAlias = npt.NDArray[np.int64]
_F32: TypeAlias = npt.NDArray[np.float32]

LARGEST = 8191
"""What the largest number of a hairpin's maps becomes. More bits of maps leave fewer for weights,
since the products of both must fit 32 bits in sum."""
PARTS = 64
"""Columns of stems are in units of one in so many."""
_ROWS = 3
"""Rows of maps that are computed at once, so that weights are read once for all of them."""


@dataclass(frozen=True, slots=True, eq=False)
class FixedConv:
    """A convolution along rows, which leaves as many of them as there were, in fixed-point numbers.

    Attributes:
        weights: int16, flat: of ``WIDTH`` output channels after another, for each part of what an
            output reads, for each pair of inputs, both weights of each channel.
        geometry: int64 (4,): how many parts, pairs of inputs in each, rows from one part to the
            next, and rows before the output's own that the first begins.
        affine: float32 (2, channels): what a sum is multiplied by, and what is added then.
    """

    weights: _I16
    geometry: _I64
    affine: _F32

    @classmethod
    def of(cls, weight: _F32, bias: _F32, largest: _I64, dilation: int = 1) -> FixedConv:
        """Round weights so that no sum exceeds 32 bits.

        Args:
            weight: (taps, inputs, channels); an odd number of taps, a multiple of ``WIDTH``
                channels.
            bias: (channels,).
            largest: (inputs,), how large each may be, whatever its sign.
            dilation: rows from one tap to the next.
        """
        taps, inputs, channels = weight.shape
        exact, bound = weight.astype(np.float64), float(taps * largest.sum())
        most = np.einsum("tic,i->c", np.abs(exact), largest)
        step = most / (np.iinfo(np.int32).max - 0.5 * bound)  # each is off by a half at most
        step = np.maximum(step, np.abs(exact).max(axis=(0, 1)) / np.iinfo(np.int16).max)
        whole = (exact / np.where(step > 0, step, 1.0)).round().astype(np.int16)
        reach = taps // 2 * dilation
        if dilation == 1:  # what lies side by side is one part
            whole = whole.reshape(1, taps * inputs, channels)
        parts, pairs = whole.shape[0], (whole.shape[1] + 1) // 2
        padded = np.zeros((parts, 2 * pairs, channels), np.int16)
        padded[:, : whole.shape[1]] = whole
        blocks = padded.reshape(parts, pairs, 2, channels // WIDTH, WIDTH)
        return cls(
            np.ascontiguousarray(blocks.transpose(3, 0, 1, 4, 2)).ravel(),
            np.array([parts, pairs, dilation, reach]),
            np.stack([step, bias]).astype(np.float32),
        )


@part
def _sum_products(
    maps: _I16, begin: int, inputs: int, weights: _I16, geometry: _I64, rows: int, sums: _I32
) -> None:
    """Sum up the products of a layer.

    Args:
        maps: flat, channels last; up to two rows more than outputs need are read, and one number.
        begin: of the row that stands where the first output does.
        inputs: numbers of a row.
        weights: see :class:`FixedConv`; so is the next.
        geometry: of the layer.
        rows: outputs.
        sums: (at least rows and two more, channels), flat, overwritten.
    """
    parts, pairs, step, reach = geometry
    block = parts * pairs * 2 * WIDTH
    channels = weights.size // block * WIDTH
    for lane in range(0, channels, WIDTH):
        for row in range(0, rows, _ROWS):
            a = b = c = spread(sums, 0)
            at = lane // WIDTH * block
            for k in range(parts):
                place = begin + (row - reach + k * step) * inputs
                for _ in range(pairs):
                    a = add_products(a, weights, at, maps, place)
                    b = add_products(b, weights, at, maps, place + inputs)
                    c = add_products(c, weights, at, maps, place + 2 * inputs)
                    at += 2 * WIDTH
                    place += 2
            store(sums, row * channels + lane, a)
            store(sums, (row + 1) * channels + lane, b)
            store(sums, (row + 2) * channels + lane, c)


@part
def _rectify(sums: _I32, unit: np.float32, affine: _F32, rows: int, out: _F32) -> None:
    """Write what a layer gives, and 0 for what is less; what is no number stays none.

    Args:
        sums: of products, flat.
        unit: what 1 of its inputs stands for.
        affine: see :class:`FixedConv`.
        rows: how many there are.
        out: flat, overwritten.
    """
    channels = affine.shape[1]
    for row in range(rows):
        for c in range(channels):
            value = np.float32(sums[row * channels + c]) * (unit * affine[0, c]) + affine[1, c]
            out[row * channels + c] = np.float32(0) if value < 0 else value


@part
def _round(values: _F32, size: int, peaks: _F32, out: _I16, first: int) -> np.float32:
    """Write maps as whole numbers, of which the largest is ``LARGEST``.

    Args:
        values: flat, none negative.
        size: how many.
        peaks: (channels,), overwritten.
        out: flat.
        first: where they begin there.

    Returns:
        What 1 stands for; no number where not all values are finite.
    """
    peaks[:] = 0
    for row in range(0, size, peaks.size):
        for c in range(peaks.size):
            value = values[row + c]
            peaks[c] = peaks[c] if value <= peaks[c] else value
    peak, total = np.float32(0), np.float32(0)
    for c in range(peaks.size):
        peak = max(peak, peaks[c])
        total += peaks[c]
    if not total < np.inf:
        return np.float32(np.nan)
    scale = np.float32(LARGEST) / peak if peak > 0 else np.float32(0)
    for k in range(size):
        out[first + k] = np.int32(values[k] * scale + np.float32(0.5))
    return peak / np.float32(LARGEST)


@part
def _pool(kept: _F32, added: _F32, rows: int, width: int, out: _F32) -> None:
    """Add up the maps of one hairpin, see :func:`pool_stems`; ``out`` is (bins + 2, channels)."""
    channels, bins = out.shape[1], out.shape[0] - 2
    most = out[bins + 1]
    for row in range(rows):
        own = out[min(row // width, bins)]
        for c in range(channels):
            value = kept[row * channels + c] + added[row * channels + c]
            own[c] += value
            most[c] = value if most[c] < value else most[c]
    for k in range(bins):
        for c in range(channels):
            out[bins, c] += out[k, c]


@kernel(
    "void(const float32[:, ::1], const int64[::1], const int64[::1], const int16[::1], "
    "const int16[::1], const int16[::1], const int64[:, ::1], const float32[:, :, ::1], int64, "
    "float32[:, :, ::1])"
)
def _pool_stems(
    columns: _F32,
    starts: _I64,
    counts: _I64,
    first: _I16,
    second: _I16,
    third: _I16,
    geometry: _I64,
    affine: _F32,
    width: int,
    out: _F32,
) -> None:
    channels = affine.shape[2]
    most, around = 0, 0
    for n in range(counts.size):
        most = max(most, counts[n])
    for layer in range(3):
        around = max(around, geometry[layer, 3])
    sums = np.empty((most + _ROWS) * channels, np.int32)
    # Zeros stand before and behind a hairpin, as far as any layer reaches.
    fields = columns.shape[1]
    inputs = np.zeros((2 * around + most + _ROWS) * fields, np.int16)
    maps = np.zeros((2 * around + most + _ROWS) * channels, np.int16)
    before, first_field = around * channels, around * fields
    kept, added = np.empty(most * channels, np.float32), np.empty(most * channels, np.float32)
    peaks = np.empty(channels, np.float32)
    for n in range(counts.size):
        rows = counts[n]
        size = rows * channels
        for row in range(rows):
            for c in range(fields):
                value = columns[starts[n] + row, c] * np.float32(PARTS)
                inputs[first_field + row * fields + c] = np.int32(value)
        inputs[first_field + rows * fields :] = 0
        maps[before + size :] = 0
        _sum_products(inputs, first_field, fields, first, geometry[0], rows, sums)
        _rectify(sums, np.float32(1 / PARTS), affine[0], rows, kept)
        unit = _round(kept, size, peaks, maps, before)
        _sum_products(maps, before, channels, second, geometry[1], rows, sums)
        _rectify(sums, unit, affine[1], rows, kept)
        unit = _round(kept, size, peaks, maps, before)
        _sum_products(maps, before, channels, third, geometry[2], rows, sums)
        _rectify(sums, unit, affine[2], rows, added)
        _pool(kept, added, rows, width, out[n])


def pool_stems(
    columns: _F32, starts: _I64, counts: _I64, layers: Sequence[FixedConv], bins: int, width: int
) -> _F32:
    """Convolve the columns of stems, x1 = ReLU(conv x), x2 = ReLU(conv x1), x2 + ReLU(conv x2).

    Args:
        columns: float32 (R, fields), of :mod:`premir.kernels.stemwise`: ``PARTS`` of each are whole
            numbers of 16 bits.
        starts: int64 (N,), row of the first column of each stem.
        counts: int64 (N,), columns of each.
        layers: three.
        bins: parts of ``width`` columns that are told apart, from the first on.
        width: columns of such a part.

    Returns:
        float32 (N, bins + 2, channels): sums over the columns of each part and over all columns,
        and the largest of all; no numbers where float32 has none for what lies between.
    """
    affine = np.stack([layer.affine for layer in layers])
    geometry = np.stack([layer.geometry for layer in layers])
    out = np.zeros((counts.size, bins + 2, affine.shape[2]), np.float32)
    first, second, third = (layer.weights for layer in layers)
    _pool_stems(columns, starts, counts, first, second, third, geometry, affine, width, out)
    return out
