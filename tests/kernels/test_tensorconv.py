from __future__ import annotations

import builders
import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from premir.kernels.codes import Codes
from premir.kernels.pairing import Energies, Offsets, Pairs
from premir.kernels.tensorconv import (
    convolve_tensors,
    convolve_tensors_backward,
    convolve_tensors_float64,
)
from premir.scanner.find.hairpins import Hairpins

LENGTHS = [1, 2, 5, 12, 44, 45, 46, 47, 48, 93, 161]


def packed(hairpins: Hairpins) -> tuple[Codes, Pairs, Energies, Offsets]:
    return hairpins.codes, hairpins.pairs, hairpins.mfe, hairpins.offsets


def out_width(length, size, stride, padding):
    return (length + 2 * padding - size) // stride + 1


@given(
    seed=st.integers(0, 1000),
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    size=st.integers(1, 11),
    stride=st.integers(1, 5),
    padding=st.integers(0, 10),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_obvious_convolution(seed, lengths, size, stride, padding):
    rng = np.random.default_rng(seed)
    hairpins = builders.random_hairpins(rng, lengths, unknown=0.2)
    weight = rng.normal(size=(9, size, size, 3))
    width = max(0, out_width(max(lengths), size, stride, padding))
    out = np.zeros((len(lengths), width, width, 3))
    convolve_tensors_float64(*packed(hairpins), weight, stride, padding, out)
    single = np.zeros(out.shape, np.float32)
    convolve_tensors(*packed(hairpins), weight.astype(np.float32), stride, padding, single)
    for n, length in enumerate(lengths):
        own = max(0, out_width(length, size, stride, padding))
        expected = naive.convolve_tensor(*hairpins[n], weight, stride, padding)
        assert expected.shape == (own, own, 3)
        assert out[n, :own, :own] == pytest.approx(expected, abs=1e-10)
        assert not out[n, own:].any()
        assert not out[n, :, own:].any()
    assert single == pytest.approx(out, abs=1e-3)


@pytest.mark.parametrize("size, stride, padding", [(11, 4, 10), (5, 2, 1), (3, 1, 0), (1, 1, 0)])
def test_gradient_is_the_adjoint(size, stride, padding):
    # <conv(w), g> = <w, backward(g)> for any w and g: the convolution is linear in its kernel.
    rng = np.random.default_rng(0)
    hairpins = builders.random_hairpins(rng, LENGTHS, unknown=0.2)
    width = out_width(max(LENGTHS), size, stride, padding)
    for channel in range(9):
        weight = np.zeros((9, size, size, 8), np.float32)
        weight[channel] = rng.normal(size=weight.shape[1:])
        gradient = rng.normal(size=(len(LENGTHS), width, width, 8)).astype(np.float32)
        out, back = np.zeros_like(gradient), np.zeros_like(weight)
        convolve_tensors(*packed(hairpins), weight, stride, padding, out)
        convolve_tensors_backward(*packed(hairpins), gradient, stride, padding, back)
        scale = float(np.linalg.norm(out) * np.linalg.norm(gradient))
        products = [(a.astype(np.float64) * b).sum() for a, b in ((out, gradient), (weight, back))]
        assert products[0] == pytest.approx(products[1], abs=1e-5 * scale)
        assert np.abs(back[channel]).max() > 0


def test_a_pair_in_the_corner_reaches_the_corner_only():
    weight = np.zeros((9, 11, 11, 1))
    weight[0, :, :, 0] = np.arange(121).reshape(11, 11)
    out = np.zeros((1, 6, 6, 1))
    codes, pairs = np.zeros(12, np.uint8), np.full(12, -1, np.int16)
    pairs[0] = 0  # a nucleotide paired with itself: one entry of the matrix, at (0, 0)
    mfe, offsets = np.array([100], np.int32), np.array([0, 12])
    convolve_tensors_float64(codes, pairs, mfe, offsets, weight, 4, 10, out)
    found = {(p, q): out[0, p, q, 0] for p, q in zip(*np.nonzero(out[0, :, :, 0]), strict=True)}
    expected = {(p, q): weight[0, 10 - 4 * p, 10 - 4 * q, 0] for p in range(3) for q in range(3)}
    assert found == expected
