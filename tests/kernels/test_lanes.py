from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from premir.kernels._jit import kernel
from premir.kernels._lanes import WIDTH, add, add_products, least, load, lowest, spread, store

DTYPES = (np.int16, np.int32)


def merge(
    rows: npt.NDArray[Any], costs: npt.NDArray[Any], start: int, far: int, out: npt.NDArray[Any]
) -> int:
    """The least of some rows, each read from ``start`` on and raised by its cost."""
    best = spread(out, far)
    for k in range(costs.size):
        best = least(best, add(load(rows, k * 40 + start), spread(costs, costs[k])))
    store(out, 3, best)
    return lowest(best)


def compiled(dtype: Any) -> Callable[..., int]:
    signature = "int64(const {0}[::1], const {0}[::1], int64, int64, {0}[::1])"
    return kernel(signature.format(np.dtype(dtype).name), name=f"merge_{dtype.__name__}")(merge)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("start", [0, 1, 7])
def test_lanes_compute_what_they_say(dtype: Any, start: int) -> None:
    rng = np.random.default_rng(start)
    rows = rng.integers(-20_000, 20_000, 6 * 40).astype(dtype)
    costs = rng.integers(-9_000, 9_000, 6).astype(dtype)
    out = np.zeros(WIDTH + 5, dtype)
    sums = rows.reshape(6, 40)[:, start : start + WIDTH].astype(np.int64) + costs[:, None]
    expected = np.minimum(sums.min(0), 15_000)
    assert compiled(dtype)(rows, costs, start, 15_000, out) == expected.min()
    assert out[3:-2].tolist() == expected.tolist()
    assert not out[:3].any()
    assert not out[-2:].any()


@pytest.mark.parametrize("cell, cost", [(-30_000, -30_000), (30_000, 30_000), (32_767, 32_767)])
def test_sums_of_int16_end_where_int16_ends(cell: int, cost: int) -> None:
    rows, costs = np.full(40, cell, np.int16), np.full(1, cost, np.int16)
    out = np.zeros(WIDTH + 5, np.int16)
    least_of_all = compiled(np.int16)(rows, costs, 0, 32_767, out)
    assert least_of_all == max(-32_768, min(32_767, cell + cost))
    assert set(out[3:-2].tolist()) == {least_of_all}


@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="nothing is compiled")
@pytest.mark.parametrize("dtype", DTYPES)
def test_compiled_or_not_is_the_same(dtype: Any) -> None:
    rng = np.random.default_rng(5)
    info = np.iinfo(np.int16)
    rows = rng.integers(info.min, info.max, 6 * 40).astype(dtype)
    costs = rng.integers(info.min, info.max, 6).astype(dtype)
    one, other = np.zeros(WIDTH + 5, dtype), np.zeros(WIDTH + 5, dtype)
    assert compiled(dtype)(rows, costs, 2, info.max, one) == merge(rows, costs, 2, info.max, other)
    assert one.tolist() == other.tolist()


def sum_up(
    weights: npt.NDArray[Any], values: npt.NDArray[Any], start: int, out: npt.NDArray[Any]
) -> None:
    """Products of pairs, from ``start`` on in both arrays."""
    sums = spread(out, 7)
    for k in range(5):
        sums = add_products(sums, weights, start + 2 * WIDTH * k, values, start + 2 * k)
    store(out, 3, sums)


@pytest.mark.parametrize("start", [0, 1, 7])
@pytest.mark.parametrize("most", [32_767, 500])
def test_products_of_pairs_add_up(start: int, most: int) -> None:
    rng = np.random.default_rng(start)
    weights = rng.integers(-most, most + 1, 10 * WIDTH + 7).astype(np.int16)
    values = rng.integers(-most, most + 1, 10 + 7).astype(np.int16)
    weights[start : start + 4], values[start : start + 2] = -32_768, -32_768  # 2^31 wraps
    signature = "void(const int16[::1], const int16[::1], int64, int32[::1])"
    one, other = np.zeros(WIDTH + 5, np.int32), np.zeros(WIDTH + 5, np.int32)
    kernel(signature)(sum_up)(weights, values, start, one)
    sum_up(weights, values, start, other)
    factors = weights[start : start + 10 * WIDTH].reshape(5, WIDTH, 2).astype(np.int64)
    pairs = values[start : start + 10].reshape(5, 1, 2).astype(np.int64)
    expected = (7 + (factors * pairs).sum(axis=(0, 2))).astype(np.int32)
    assert one[3:-2].tolist() == other[3:-2].tolist() == expected.tolist()
    assert not one[:3].any()
    assert not one[-2:].any()
