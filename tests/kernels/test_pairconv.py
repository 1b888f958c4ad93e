from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premir.kernels.pairconv import convolve_pairs, convolve_pairs_backward


def entries(rng, count, length, pairs):
    sample = rng.integers(0, count, pairs)
    row, column = rng.integers(0, length, pairs), rng.integers(0, length, pairs)
    return sample, row, column, rng.normal(size=pairs).astype(np.float32)


def out_width(length, size, stride, padding):
    return (length + 2 * padding - size) // stride + 1


@given(
    seed=st.integers(0, 1000),
    length=st.integers(1, 40),
    size=st.integers(1, 11),
    stride=st.integers(1, 5),
    pairs=st.integers(0, 30),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_obvious_convolution(seed, length, size, stride, pairs):
    rng = np.random.default_rng(seed)
    padding = size - 1
    width = out_width(length, size, stride, padding)
    places = entries(rng, 3, length, pairs)
    weight = rng.normal(size=(size, size, 4)).astype(np.float32)
    out = np.zeros((3, width, width, 4), np.float32)
    convolve_pairs(*places, weight, stride, padding, out)
    expected = naive.convolve_pairs(*places, weight, stride, padding, 3, width)
    assert out == pytest.approx(expected, abs=1e-4)


def test_gradient_is_the_adjoint():
    # <conv(w), g> = <w, backward(g)> for any w and g: the convolution is linear in its kernel.
    rng = np.random.default_rng(0)
    places = entries(rng, 4, 90, 200)
    width = out_width(90, 11, 4, 10)
    weight = rng.normal(size=(11, 11, 32)).astype(np.float32)
    gradient = rng.normal(size=(4, width, width, 32)).astype(np.float32)
    out, back = np.zeros_like(gradient), np.zeros_like(weight)
    convolve_pairs(*places, weight, 4, 10, out)
    convolve_pairs_backward(*places, gradient, 4, 10, back)
    assert (out * gradient).sum() == pytest.approx((weight * back).sum(), rel=1e-3)
    assert np.abs(back).max() > 0


def test_an_entry_in_the_corner_reaches_the_corner_only():
    weight = np.arange(121, dtype=np.float32).reshape(11, 11, 1)
    out = np.zeros((1, 4, 4, 1), np.float32)
    zero = np.zeros(1, np.int64)
    convolve_pairs(zero, zero, zero, np.ones(1, np.float32), weight, 4, 10, out)
    found = {(p, q): out[0, p, q, 0] for p, q in zip(*np.nonzero(out[0, :, :, 0]), strict=True)}
    expected = {(p, q): weight[10 - 4 * p, 10 - 4 * q, 0] for p in range(3) for q in range(3)}
    assert found == expected
