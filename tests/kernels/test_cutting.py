from __future__ import annotations

import itertools

import naive
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from premir.kernels.codes import decode, encode
from premir.kernels.cutting import cut


def test_hand_case() -> None:
    codes, offsets = cut(
        encode("GATTACAN"),
        np.array([0, 0, 4, 3, 5]),
        np.array([3, 3, 8, 3, 8]),
        np.array([1, -1, -1, 1, 1], np.int8),
    )
    assert offsets.tolist() == [0, 3, 6, 10, 10, 13]
    assert [decode(codes[a:b]) for a, b in itertools.pairwise(offsets)] == [
        "GAU",
        "AUC",
        "NUGU",
        "",
        "CAN",
    ]


def test_nothing() -> None:
    none = np.empty(0, np.int64)
    codes, offsets = cut(encode("ACGT"), none, none, none.astype(np.int8))
    assert codes.size == 0
    assert offsets.tolist() == [0]


@given(
    st.lists(st.integers(0, 4), max_size=120),
    st.lists(
        st.tuples(st.integers(0, 120), st.integers(0, 120), st.sampled_from([1, -1])), max_size=20
    ),
)
def test_as_twin(letters: list[int], intervals: list[tuple[int, int, int]]) -> None:
    size = len(letters)
    start = [min(a, b, size) for a, b, _ in intervals]
    end = [min(max(a, b), size) for a, b, _ in intervals]
    strand = [side for _, _, side in intervals]
    codes, offsets = cut(
        np.array(letters, np.uint8),
        np.array(start, np.int64),
        np.array(end, np.int64),
        np.array(strand, np.int8),
    )
    pieces = [codes[a:b].tolist() for a, b in itertools.pairwise(offsets)]
    assert pieces == naive.cut(letters, start, end, strand)
