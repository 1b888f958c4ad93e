from __future__ import annotations

import struct
from typing import Any

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from premir.kernels.alignments import ABSENT, NO_NUMBER, read_alignments

TAGS = ["NH", "X0", "XM", "XW"]
CODES = naive._CODES


def tag(name: str, kind: str, value: Any) -> bytes:
    """A tag as BAM has it."""
    head = name.encode("ascii") + kind.encode("latin-1")
    if kind in "ZH":
        text: bytes = value.encode("latin-1")
        return head + text + b"\0"
    if kind == "A":
        return head + bytes([ord(value)])
    if kind == "B":
        array: str = value[0]
        values: list[int] = value[1]
        packed = struct.pack(f"<{len(values)}{CODES[array]}", *values)
        return head + array.encode("ascii") + struct.pack("<I", len(values)) + packed
    return head + struct.pack("<" + CODES[kind], value)


def record(
    contig: int = 0,
    start: int = 10,
    cigar: tuple[tuple[int, int], ...] = ((22, 0),),
    *,
    name: bytes = b"read",
    flag: int = 0,
    quality: int = 255,
    letters: int = 22,
    tags: bytes = b"",
) -> bytes:
    """A record as BAM has it, its length before it."""
    fixed = struct.pack(
        "<iiBBHHHiiii",
        *(contig, start, len(name) + 1, quality, 0, len(cigar), flag, letters, -1, -1, 0),
    )  # fmt: skip
    operations = b"".join(struct.pack("<I", size << 4 | kind) for size, kind in cigar)
    body = fixed + name + b"\0" + operations + bytes((letters + 1) // 2 + letters) + tags
    return struct.pack("<i", len(body)) + body


def both(data: bytes, contig: int = 0, most: int = 8) -> tuple[list[list[int]], int, bool]:
    """What the kernel finds, which is what its twin does."""
    found, used, ended = read_alignments(
        np.frombuffer(data, np.uint8), contig, tags=TAGS, most=most
    )
    columns = [found.start, found.length, found.flag, found.quality, found.name, found.number]
    rows = np.stack([*columns, *found.tags], axis=1).tolist()
    assert (rows, used, ended) == naive.bam_records(data, contig, TAGS, most, ABSENT, NO_NUMBER)
    return rows, used, ended


def damaged(data: bytes) -> None:
    """Neither the kernel nor its twin takes it for records."""
    with pytest.raises(ValueError, match="no record"):
        naive.bam_records(data, 0, TAGS, 8, ABSENT, NO_NUMBER)
    with pytest.raises(ValueError, match="holds what is no record of an alignment"):
        read_alignments(np.frombuffer(data, np.uint8), 0, tags=TAGS)


def test_hand_case() -> None:
    data = record(flag=16, quality=3, name=b"a_x12", tags=tag("NM", "i", 0) + tag("NH", "C", 4))
    [row], used, ended = both(data)
    assert row[:4] == [10, 22, 16, 3]
    assert row[5:] == [12, 4, ABSENT, ABSENT, ABSENT]
    assert (used, ended) == (len(data), False)


def test_nothing() -> None:
    assert both(b"") == ([], 0, False)


def test_records_of_earlier_contigs_are_passed_by_and_later_ones_or_none_end_it() -> None:
    one, two, three = record(0, 5), record(1, 6), record(1, 7)
    for last in (record(2, 0), record(-1, -1)):
        rows, used, ended = both(one + two + three + last, 1)
        assert [row[0] for row in rows] == [6, 7]
        assert (used, ended) == (len(one + two + three), True)


def test_an_incomplete_record_and_what_there_is_no_room_for_wait() -> None:
    one, two = record(start=1), record(start=2, name=b"longer")
    for size in range(len(two)):
        rows, used, ended = both(one + two[:size])
        assert ([row[0] for row in rows], used, ended) == ([1], len(one), False)
    assert both(one + two, most=1)[1:] == (len(one), False)
    assert both(one + record(1), most=1)[1:] == (len(one), True)


@pytest.mark.parametrize("kind, expected", [*enumerate([1, 0, 1, 1, 0, 0, 0, 1, 1, 0])])
def test_operations_that_take_letters_of_the_contig(kind: int, expected: int) -> None:
    [row], *_ = both(record(cigar=((7, 0), (5, kind), (1 << 27, 3))))
    assert row[1] == 7 + 5 * expected + (1 << 27)


@pytest.mark.parametrize(
    "kind, value, expected",
    [
        *((kind, 127, 127) for kind in "cCsSiI"),
        *(("c", -128, -128), ("s", -(2**15), -(2**15)), ("i", -(2**31), -(2**31))),
        *(("C", 255, 255), ("S", 65_535, 65_535), ("I", 2**32 - 1, 2**32 - 1)),
        *(("f", 3.75, 3), ("f", -3.75, -3), ("f", 0.0, 0), ("f", 1e-40, 0), ("f", 0.99, 0)),
        *(("f", 2.0**55, 2**55), ("f", 1e30, None), ("f", float("nan"), None)),
        *(("f", float("-inf"), None), ("d", 3.0, None)),
        *(("A", "7", 7), ("A", "x", None), ("Z", "12", 12), ("Z", "-12", -12), ("Z", "", None)),
        *(("Z", "-", None), ("Z", "1.5", None), ("Z", "9" * 18, 10**18 - 1), ("Z", "9" * 19, None)),
        *(("H", "12", None), ("B", ("C", [1]), None), ("B", ("s", []), None)),
    ],
)
def test_numbers_of_tags(kind: str, value: object, expected: int | None) -> None:
    data = tag("ZZ", "B", ("i", [1, 2, 3])) + tag("XW", kind, value) + tag("XW", "C", 9)
    [row], *_ = both(record(tags=data + tag("NH", "C", 1)))
    assert row[6:] == [1, ABSENT, ABSENT, NO_NUMBER if expected is None else expected]


@pytest.mark.parametrize(
    "name, expected",
    [
        *((b"a_x7", 7), (b"_x007", 7), (b"a_x1_x2", 2), (b"a_x" + b"9" * 18, 10**18 - 1)),
        *((b"a_x", None), (b"x7", None), (b"_7", None), (b"a_x7.1", None), (b"a_y7", None)),
        *((b"7", None), (b"", None), (b"a_x" + b"9" * 19, NO_NUMBER)),
        (b"a_x7\0\0", 7),
    ],
)
def test_numbers_that_names_end_in(name: bytes, expected: int | None) -> None:
    [row], *_ = both(record(name=name))
    assert row[5] == (ABSENT if expected is None else expected)


def test_what_is_no_record_is_damage() -> None:
    whole = bytearray(record(tags=tag("XX", "Z", "text")))
    for at, values in {
        0: struct.pack("<i", 40),  # shorter than what is in it
        3: b"\x7f",  # of gigabytes
        12: b"\0",  # no room for the name's end
        20: struct.pack("<i", -1),
        16: b"\xff\xff",
        len(whole) - 6: b"?",  # a type of tag that there is not
        len(whole) - 1: b"x",  # a text without end
    }.items():
        broken = bytearray(whole)
        broken[at : at + len(values)] = values
        if at == 3:
            with pytest.raises(ValueError, match="no record of an alignment"):
                read_alignments(np.frombuffer(broken, np.uint8), 0, tags=TAGS)
        else:
            damaged(bytes(broken) + bytes(100))
    bare = record(letters=0)
    damaged(bare[:20] + struct.pack("<i", -1) + bare[24:])
    for end in (b"XXi\1\2\3", b"XXBi\1\0\0", b"XXBi\2\0\0\0\1\1\1\1", b"XXB?\1\0\0\0\1", b"XXZ"):
        damaged(record(tags=end))
    both(record(tags=b"XX"))  # not even a tag: as other readers have it


NAMES = st.binary(max_size=30).filter(lambda name: b"\0" not in name) | st.from_regex(
    rb"[a-z]{0,12}(_x)?[0-9]{0,20}", fullmatch=True
)
NUMBERS = {"c": (-128, 127), "C": (0, 255), "s": (-(2**15), 2**15 - 1), "S": (0, 2**16 - 1)}
NUMBERS |= {"i": (-(2**31), 2**31 - 1), "I": (0, 2**32 - 1)}
VALUES = st.one_of(
    *(st.tuples(st.just(kind), st.integers(*ends)) for kind, ends in NUMBERS.items()),
    st.tuples(st.just("f"), st.floats(width=32)),
    st.tuples(st.sampled_from("ZH"), st.from_regex(r"-?[0-9]{0,20}x?", fullmatch=True)),
    st.tuples(st.just("B"), st.tuples(st.just("s"), st.lists(st.integers(-9, 9), max_size=5))),
)
RECORDS = st.builds(
    record,
    st.integers(-1, 3),
    st.integers(-1, 2**31 - 1),
    st.lists(st.tuples(st.integers(0, 2**28 - 1), st.integers(0, 9)), max_size=4).map(tuple),
    name=NAMES,
    flag=st.integers(0, 4095),
    quality=st.integers(0, 255),
    letters=st.integers(0, 30),
    tags=st.lists(st.tuples(st.sampled_from([*TAGS, "NM", "MD"]), VALUES), max_size=6).map(
        lambda tags: b"".join(tag(name, *value) for name, value in tags)
    ),
)


@given(st.lists(RECORDS, max_size=8), st.integers(0, 3), st.integers(0, 200), st.integers(1, 9))
def test_as_twin(records: list[bytes], contig: int, cut: int, most: int) -> None:
    data = b"".join(records)
    both(data[: max(len(data) - cut, 0)], contig, most)


@given(st.lists(st.binary(max_size=40), min_size=2, max_size=40, unique=True))
def test_different_names_have_different_numbers(names: list[bytes]) -> None:
    names = sorted({name.rstrip(b"\0") for name in names})
    rows, *_ = both(b"".join(record(name=name) for name in names), most=40)
    assert len({row[4] for row in rows}) == len(names)
