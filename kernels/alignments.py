"""Alignments as BAM files hold them, decompressed: many records at a time.

The format is that of the SAM specification (samtools.github.io/hts-specs), sections 4.2 (records)
and 4.2.4 (tags).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel, part

_I64 = npt.NDArray[np.int64]
_Bytes = npt.NDArray[np.uint8]

ABSENT = -(1 << 63)
"""In place of a number that is not said."""
NO_NUMBER = ABSENT + 1
"""In place of a number that is said in a way that is none, or has more than 18 digits."""

_FIXED = 36
"""Bytes of a record before its name, those that say how long it is included."""
_MOST = 1 << 26
"""Bytes of a record above which it is no record: a read of 4 Mb with all that basecallers say of it
has fewer."""
_CONSUMES = 0b1_1000_1101
"""Which operations of a CIGAR take letters of the contig: M, D, N, = and X of ``MIDNSHP=X``."""
_DIGITS = 18
_MORE, _FULL, _ENDED, _DAMAGED = range(4)
"""Why the kernel stopped: a record is incomplete, there is no room, the contig is done, a record is
none."""
_START, _LENGTH, _FLAG, _QUALITY, _NAME, _NUMBER, _TAGS = range(7)
"""Rows of what it fills."""


@part
def _whole(data: _Bytes, at: int, size: int) -> int:
    """Read an unsigned integer of so many bytes, the lowest first."""
    value = 0
    for n in range(size):
        value |= int(data[at + n]) << (8 * n)
    return value


@part
def _signed(data: _Bytes, at: int, size: int) -> int:
    value = _whole(data, at, size)
    return value - (1 << (8 * size)) if value >> (8 * size - 1) else value


@part
def _decimal(data: _Bytes, at: int, end: int) -> int:
    """Read a text of digits, with a minus or without."""
    first = at + 1 if at < end and data[at] == 45 else at
    if first == end or end - first > _DIGITS:
        return NO_NUMBER
    value = 0
    for n in range(first, end):
        if not 48 <= data[n] <= 57:
            return NO_NUMBER
        value = 10 * value + int(data[n]) - 48
    return -value if first > at else value


@part
def _real(data: _Bytes, at: int) -> int:
    """Read a float32, without what stands behind its point."""
    bits = _whole(data, at, 4)
    exponent = ((bits >> 23) & 255) - 150
    value = (bits & 0x7FFFFF) | 0x800000
    if exponent > 32:  # infinite and no number among them
        return NO_NUMBER
    value = value << exponent if exponent >= 0 else value >> min(-exponent, 63)
    return -value if bits >> 31 else value


@part
def _number_behind(data: _Bytes, at: int, end: int) -> int:
    """Read the number that a name ends in behind ``_x``."""
    first = end
    while first > at and 48 <= data[first - 1] <= 57:
        first -= 1
    if first == end or first < at + 2 or data[first - 1] != 120 or data[first - 2] != 95:
        return ABSENT
    return _decimal(data, first, end)


@part
def _hash(data: _Bytes, at: int, end: int) -> int:
    """Mix a text into 64 bits, eight bytes at a time.

    Each step is one to one: Stafford's mix 13, as in SplitMix (Steele, Lea and Flood 2014,
    doi:10.1145/2660193.2660195).
    """
    value = np.uint64(end - at) * np.uint64(0x9E3779B97F4A7C15)
    for first in range(at, end, 8):
        value ^= np.uint64(_whole(data, first, min(8, end - first)))
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        value ^= value >> np.uint64(31)
    return int(np.int64(value))


@part
def _tag_end(data: _Bytes, at: int, end: int) -> int:
    """Return where the value of a tag ends whose type stands at a place; -1 where it does not."""
    kind, at = data[at], at + 1
    if kind == 90 or kind == 72:  # Z, H
        while at < end and data[at] != 0:
            at += 1
        return at + 1 if at < end else -1
    if kind == 66:  # B
        if at + 5 > end:
            return -1
        size = _size(data[at])
        at += 5 + size * _whole(data, at + 1, 4)
    else:
        size = _size(kind)
        at += size
    return at if size > 0 and at <= end else -1


@part
def _size(kind: int) -> int:
    """Bytes of a value of a type, 0 of an unknown one."""
    if kind == 65 or kind == 67 or kind == 99:  # A, C, c
        return 1
    if kind == 83 or kind == 115:  # S, s
        return 2
    if kind == 73 or kind == 105 or kind == 102:  # I, i, f
        return 4
    return 8 if kind == 100 else 0  # d


@part
def _value(data: _Bytes, at: int, end: int) -> int:
    """Read the value of a tag as a whole number."""
    kind, at = data[at], at + 1
    if kind == 67 or kind == 83 or kind == 73:
        return _whole(data, at, end - at)
    if kind == 99 or kind == 115 or kind == 105:
        return _signed(data, at, end - at)
    if kind == 102:
        return _real(data, at)
    if kind == 65:
        return _decimal(data, at, end)
    return _decimal(data, at, end - 1) if kind == 90 else NO_NUMBER


@part
def _fill_tags(data: _Bytes, at: int, end: int, tags: _I64, columns: _I64, row: int) -> bool:
    """Look for tags; returns whether all of them end where the record does."""
    for k in range(tags.size):
        columns[_TAGS + k, row] = ABSENT
    while at + 3 <= end:
        tag = _whole(data, at, 2)
        after = _tag_end(data, at + 2, end)
        if after < 0:
            return False
        for k in range(tags.size):
            if tags[k] == tag and columns[_TAGS + k, row] == ABSENT:
                columns[_TAGS + k, row] = _value(data, at + 2, after)
        at = after
    return True


@kernel("int64(const uint8[::1], int64, const int64[::1], int64[:, ::1], int64[::1])")
def _read(data: _Bytes, contig: int, tags: _I64, columns: _I64, stopped: _I64) -> int:
    at, row = 0, 0
    stopped[0] = _MORE
    while at + _FIXED <= data.size:
        end = at + 4 + _whole(data, at, 4)
        name = at + _FIXED
        cigar = name_end = name + int(data[at + 12])
        operations = _whole(data, at + 16, 2)
        letters = _signed(data, at + 20, 4)
        rest = cigar + 4 * operations + (letters + 1) // 2 + letters
        if end - at > _MOST or cigar == name or letters < 0 or rest > end:
            stopped[0] = _DAMAGED
            break
        if end > data.size:
            break
        own = _signed(data, at + 4, 4)
        if own < 0 or own > contig:
            stopped[0] = _ENDED
            break
        if own == contig:
            if row == columns.shape[1]:
                stopped[0] = _FULL
                break
            length = 0
            for n in range(operations):
                operation = _whole(data, cigar + 4 * n, 4)
                if (_CONSUMES >> (operation & 15)) & 1:
                    length += operation >> 4
            while name_end > name and data[name_end - 1] == 0:
                name_end -= 1
            columns[_START, row] = _signed(data, at + 8, 4)
            columns[_LENGTH, row] = length
            columns[_FLAG, row] = _whole(data, at + 18, 2)
            columns[_QUALITY, row] = data[at + 13]
            columns[_NAME, row] = _hash(data, name, name_end)
            columns[_NUMBER, row] = _number_behind(data, name, name_end)
            if not _fill_tags(data, rest, end, tags, columns, row):
                stopped[0] = _DAMAGED
                break
            row += 1
        at = end
    stopped[1] = at
    return row


@dataclass(frozen=True, slots=True)
class Alignments:
    """Alignments to one contig, in the order of the file.

    Attributes:
        start: int64 (N,), first position on the contig.
        length: int64 (N,), letters of the contig that it spans.
        flag: int64 (N,), bits as in SAM.
        quality: int64 (N,), of the mapping.
        name: int64 (N,), 64 bits made of the read's name, which differ where names do, but for one
            pair in 2**64.
        number: int64 (N,), the number that the name ends in behind ``_x``, or ``ABSENT``, or
            ``NO_NUMBER``.
        tags: int64 (K, N), numbers that tags say, without what stands behind their point, or
            ``ABSENT``, or ``NO_NUMBER``.
    """

    start: _I64
    length: _I64
    flag: _I64
    quality: _I64
    name: _I64
    number: _I64
    tags: _I64

    def __len__(self) -> int:
        return self.start.size

    def take(self, which: npt.NDArray[np.bool_]) -> Alignments:
        """Return some of them.

        Args:
            which: bool (N,).
        """
        return Alignments(*(getattr(self, name)[..., which] for name in self.__slots__))


def read_alignments(
    data: _Bytes, contig: int, *, tags: Sequence[str], most: int = 1 << 16
) -> tuple[Alignments, int, bool]:
    """Read alignments to a contig, as far as records are complete, and pass by those before it.

    Args:
        data: uint8 (n,), decompressed BAM from the beginning of a record on.
        contig: its number in the file's header.
        tags: two letters each.
        most: so many alignments are read.

    Returns:
        The alignments; how many bytes were read; whether the next record is of a later contig or of
        none.

    Raises:
        ValueError: a record is none.
    """
    columns = np.empty((_TAGS + len(tags), most), np.int64)
    wanted = np.array([ord(tag[0]) | ord(tag[1]) << 8 for tag in tags], np.int64)
    stopped = np.zeros(2, np.int64)
    count = _read(data, contig, wanted, columns, stopped)
    if stopped[0] == _DAMAGED:
        raise ValueError("holds what is no record of an alignment")
    found = (*columns[:_TAGS, :count], columns[_TAGS:, :count])
    return Alignments(*found), int(stopped[1]), bool(stopped[0] == _ENDED)
