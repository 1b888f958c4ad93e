from __future__ import annotations

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from premir.kernels.codes import UNKNOWN, decode, encode, reverse_complement

LETTERS = st.text(alphabet="ACGTUNRYSWKMBDHVacgtunryswkmbdhv-.*", max_size=300)


def test_hand_case() -> None:
    codes = encode("ACGTUacgtuNnRy-")
    assert codes.dtype == np.uint8
    assert codes.tolist() == [0, 1, 2, 3, 3, 0, 1, 2, 3, 3, 4, 4, 4, 4, 4]
    assert decode(codes) == "ACGUUACGUUNNNNN"


def test_t_is_u_and_case_is_ignored() -> None:
    assert np.array_equal(encode("gattaca"), encode("GAUUACA"))


@pytest.mark.parametrize("letter", [chr(code) for code in range(256)])
def test_every_byte(letter: str) -> None:
    assert encode(letter).tolist() == naive.encode(letter)


def test_letters_beyond_latin_1_are_unknown() -> None:
    assert encode("A€G").tolist() == [0, UNKNOWN, 2]


@given(LETTERS)
def test_encode_as_twin_from_text_bytes_and_array(sequence: str) -> None:
    expected = naive.encode(sequence)
    data = sequence.encode("ascii")
    assert encode(sequence).tolist() == expected
    assert encode(data).tolist() == expected
    assert encode(np.array(list(data), np.uint8)).tolist() == expected


@given(LETTERS)
def test_decode_as_twin(sequence: str) -> None:
    codes = encode(sequence)
    assert decode(codes) == naive.decode(codes.tolist())
    assert np.array_equal(encode(decode(codes)), codes)


@given(LETTERS)
def test_reverse_complement_as_twin_and_its_own_inverse(sequence: str) -> None:
    codes = encode(sequence)
    opposite = reverse_complement(codes)
    assert opposite.dtype == np.uint8
    assert opposite.tolist() == naive.reverse_complement(codes.tolist())
    assert np.array_equal(reverse_complement(opposite), codes)


def test_reverse_complement_hand_case() -> None:
    assert decode(reverse_complement(encode("GATTNACA"))) == "UGUNAAUC"


def test_results_can_be_handed_to_kernels() -> None:
    """Kernels with explicit signatures want writable arrays without gaps."""
    for codes in (encode("ACGU"), encode(b"ACGU"), reverse_complement(encode("ACGU"))):
        assert codes.flags.writeable
        assert codes.flags.c_contiguous


def test_empty() -> None:
    assert encode("").size == 0
    assert decode(encode("")) == ""
    assert reverse_complement(encode("")).size == 0
