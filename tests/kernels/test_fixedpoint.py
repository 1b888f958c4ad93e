from __future__ import annotations

import naive
import numpy as np
import pytest

from premir.kernels._lanes import WIDTH
from premir.kernels.fixedpoint import LARGEST, PARTS, FixedConv, pool_stems

FIELDS, BINS, WIDTH_OF_BIN = 5, 2, 3
TAPS = ((7, FIELDS, 1), (5, WIDTH, 1), (5, WIDTH, 2))
"""Taps, inputs and dilation of each layer."""


def layers_of(rng, bias=0.3):
    return [
        (
            rng.normal(scale=inputs**-0.5, size=(taps, inputs, WIDTH)).astype(np.float32),
            rng.normal(scale=bias, size=WIDTH).astype(np.float32),
            dilation,
        )
        for taps, inputs, dilation in TAPS
    ]


def fixed(layers, largest_field=4 * PARTS):
    largest = [np.full(weight.shape[1], LARGEST) for weight, _, _ in layers]
    largest[0][:] = largest_field
    return [
        FixedConv.of(weight, bias, most, dilation)
        for (weight, bias, dilation), most in zip(layers, largest, strict=True)
    ]


def stems_of(rng, counts):
    """Columns of stems, with rows that mean nothing between them."""
    counts = np.array(counts)
    starts = np.cumsum(counts + 2) - counts
    rows = int((counts + 2).sum()) + 1
    columns = rng.integers(-4 * PARTS, 4 * PARTS + 1, (rows, FIELDS)) / np.float32(PARTS)
    return columns.astype(np.float32), starts, counts


def pooled(columns, starts, counts, layers):
    return pool_stems(columns, starts, counts, layers, BINS, WIDTH_OF_BIN)


def test_stems_are_convolved_as_by_the_naive_twin():
    rng = np.random.default_rng(2)
    layers = layers_of(rng)
    columns, starts, counts = stems_of(rng, [1, 2, 3, 4, 17, 6, 7])
    found = pooled(columns, starts, counts, fixed(layers))
    for n, (start, count) in enumerate(zip(starts, counts, strict=True)):
        rows = columns[start : start + count].tolist()
        exact = np.array(naive.pool_stem(rows, layers, BINS, WIDTH_OF_BIN))
        np.testing.assert_allclose(found[n], exact, rtol=0, atol=1e-3 * exact.max())


def test_a_stem_does_not_depend_on_its_company():
    rng = np.random.default_rng(3)
    columns, starts, counts = stems_of(rng, [5, 40, 1, 12])
    layers = fixed(layers_of(rng))
    together = pooled(columns, starts, counts, layers)
    for n in range(counts.size):
        alone = pooled(columns, starts[n : n + 1], counts[n : n + 1], layers)
        assert alone.tobytes() == together[n : n + 1].tobytes()


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_largest_sums_fit(sign):
    """All weights and all inputs alike, and as large as they may be."""
    layers = [
        (np.full((taps, inputs, WIDTH), 1.0, np.float32), np.zeros(WIDTH, np.float32), dilation)
        for taps, inputs, dilation in TAPS
    ]
    layers[0][0][:] *= sign
    columns = np.full((30, FIELDS), sign * 500.0, np.float32)
    arguments = (np.array([0]), np.array([30]))
    found = pooled(columns, *arguments, fixed(layers, largest_field=500 * PARTS))[0]
    exact = np.array(naive.pool_stem(columns.tolist(), layers, BINS, WIDTH_OF_BIN))
    np.testing.assert_allclose(found, exact, rtol=1e-3)


def test_nothing_gives_the_biases_alone():
    rng = np.random.default_rng(4)
    layers = [(0 * weight, bias, dilation) for weight, bias, dilation in layers_of(rng)]
    columns, starts, counts = stems_of(rng, [4])
    found = pooled(columns, starts, counts, fixed(layers))[0]
    most = np.maximum(layers[1][1], 0) + np.maximum(layers[2][1], 0)
    np.testing.assert_allclose(found, np.outer([3, 1, 4, 1], most), rtol=1e-6)


@pytest.mark.parametrize("layer", range(3))
def test_what_exceeds_float32_is_no_number(layer):
    rng = np.random.default_rng(5)
    layers = layers_of(rng)
    layers[layer][1][WIDTH // 2] = np.inf
    columns, starts, counts = stems_of(rng, [9, 3])
    found = pooled(columns, starts, counts, fixed(layers))
    assert not np.isfinite(found).all(axis=(1, 2)).any()
