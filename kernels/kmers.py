"""Counting chosen k-mers of a genome, both strands at once.

A k-mer and its reverse complement are one: the smaller of their two 2-bit codes, first letter
highest. What stands in tables is its *key*: that code times an odd number, modulo 4**K. This is one
to one and spreads the keys evenly, so that their leading bits serve as a hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel
from premir.kernels.codes import UNKNOWN, Codes

Keys: TypeAlias = npt.NDArray[np.int64]
Counts: TypeAlias = npt.NDArray[np.uint32]
_I64: TypeAlias = npt.NDArray[np.int64]
_U32: TypeAlias = npt.NDArray[np.uint32]

K = 18
"""Letters of a k-mer, at most 31. In 3 Gb of random letters one k-mer in eleven recurs by chance;
with 16 it would be three in four, and with more than 18 more of the diverged copies are missed."""
PER_ARM = 8
"""At most so many k-mers stand for an arm."""
NO_KMER = -1
"""In place of a key: the window holds an unknown letter or lies across a border."""

_BITS = 2 * K
_MASK = (1 << _BITS) - 1
# An odd number near 2**36 over the golden ratio (Knuth, TAOCP 3, section 6.4). Products may wrap
# around int64: only their low bits count.
_ODD = 0x9E3779B97
_FILTER_BITS = 16
"""At least so many bits of the filter per key: at most one absent k-mer in sixteen passes."""
_FEWEST, _MOST = 12, 30
"""Limits of the number of leading bits that filter and directory look at."""


@kernel("void(const uint8[::1], int64[::1])")
def _kmer_keys(codes: Codes, keys: Keys) -> None:
    forward = backward = known = 0
    for i in range(codes.size):
        code = int(codes[i])
        # An unknown letter counts as A until it is shifted out, which is when `known` is K again.
        forward = ((forward << 2) | (code & 3)) & _MASK
        backward = (backward >> 2) | ((~code & 3) << (_BITS - 2))
        known = known + 1 if code < UNKNOWN else 0
        if i >= K - 1:
            key = (min(forward, backward) * _ODD) & _MASK
            keys[i - K + 1] = key if known >= K else NO_KMER


def kmer_keys(codes: Codes) -> Keys:
    """Return the key of the k-mer that begins at each position.

    Args:
        codes: uint8 (N,), values 0-4.

    Returns:
        int64 (max(0, N - K + 1),), ``NO_KMER`` where a letter is unknown.
    """
    keys = np.empty(max(0, codes.size - K + 1), np.int64)
    _kmer_keys(codes, keys)
    return keys


@kernel("void(const int64[::1], int64, int64, uint8[::1], uint32[::1])")
def _index(keys: Keys, wide: int, narrow: int, bits: Codes, directory: _U32) -> None:
    for at in range(keys.size):
        bit = keys[at] >> wide
        bits[bit >> 3] |= np.uint8(1 << (bit & 7))
        directory[(keys[at] >> narrow) + 1] = at + 1
    for bucket in range(1, directory.size):
        directory[bucket] = max(directory[bucket], directory[bucket - 1])


@dataclass(frozen=True, slots=True)
class KmerTable:
    """A set of k-mers that is quick to ask.

    Attributes:
        keys: int64 (M,), ascending, each once.
        wide: by how many bits a key is shifted to find its bit in the filter.
        narrow: by how many bits a key is shifted to find its entry in the directory.
        bits: uint8, the filter: a bit for each value of the keys' leading bits.
        directory: uint32, where in ``keys`` those with the same leading bits begin, and the end.
    """

    keys: Keys
    wide: int
    narrow: int
    bits: npt.NDArray[np.uint8]
    directory: _U32

    @classmethod
    def of(cls, keys: Keys) -> KmerTable:
        """Make a table of keys in any order, repeated or not."""
        unique = np.sort(keys)
        unique = unique[np.concatenate([[True], unique[1:] != unique[:-1]])[: unique.size]]
        few = min(max(unique.size.bit_length() - 1, _FEWEST), _MOST)
        many = min(max((_FILTER_BITS * unique.size).bit_length(), _FEWEST), _MOST)
        bits = np.zeros(1 << (many - 3), np.uint8)
        directory = np.zeros((1 << few) + 1, np.uint32)
        _index(unique, _BITS - many, _BITS - few, bits, directory)
        return cls(unique, _BITS - many, _BITS - few, bits, directory)


@kernel("int64(const int64[::1], const uint32[::1], int64, int64)")
def _find(keys: Keys, directory: _U32, narrow: int, key: int) -> int:
    """Index of a key, or -1."""
    bucket = key >> narrow
    for at in range(directory[bucket], directory[bucket + 1]):
        if keys[at] == key:
            return at
    return -1


@kernel(
    "void(const int64[::1], const int64[::1], const uint8[::1], const uint32[::1], int64, int64, "
    "uint32[::1])"
)
def _count(
    found: Keys, keys: Keys, bits: Codes, directory: _U32, wide: int, narrow: int, counts: Counts
) -> None:
    for i in range(found.size):
        key = found[i]
        if key < 0:
            continue
        bit = key >> wide
        if (bits[bit >> 3] >> (bit & 7)) & 1:
            at = _find(keys, directory, narrow, key)
            if at >= 0:
                counts[at] += np.uint32(1)


def count_kmers(found: Keys, table: KmerTable, counts: Counts) -> None:
    """Count how often the k-mers of a table occur.

    Args:
        found: int64 (N,), keys as :func:`kmer_keys` returns them.
        table: the k-mers, M of them.
        counts: uint32 (M,), what is found is added here.
    """
    keys, bits, directory = table.keys, table.bits, table.directory
    _count(found, keys, bits, directory, table.wide, table.narrow, counts)


@kernel(
    "void(const int64[::1], const int64[::1], const int64[::1], const int64[:, :, ::1], "
    "int64[:, :, ::1], uint16[:, :, ::1], uint8[:, ::1])"
)
def _sample_arms(
    keys: Keys,
    start: _I64,
    end: _I64,
    arms: _I64,
    chosen: Keys,
    own: npt.NDArray[np.uint16],
    taken: npt.NDArray[np.uint8],
) -> None:
    for n in range(start.size):
        for arm in range(2):
            windows = arms[n, arm, 1] - arms[n, arm, 0] - K + 1
            count = max(0, min(PER_ARM, windows))
            taken[n, arm] = count
            for m in range(count):
                step = m * (windows - 1) // (count - 1) if count > 1 else 0
                key = keys[arms[n, arm, 0] + step]
                chosen[n, arm, m] = key
                inside = 0
                for i in range(start[n], end[n] - K + 1):
                    inside += 1 if keys[i] == key else 0
                own[n, arm, m] = inside


@dataclass(frozen=True, slots=True)
class ArmKmers:
    """The k-mers that stand for the arms of N hairpins.

    Attributes:
        keys: int64 (N, 2, PER_ARM).
        own: uint16 (N, 2, PER_ARM), how often each occurs in the hairpin itself.
        taken: uint8 (N, 2), how many of each arm's there are; the rest is undefined.
    """

    keys: Keys
    own: npt.NDArray[np.uint16]
    taken: npt.NDArray[np.uint8]

    @classmethod
    def concatenate(cls, parts: list[ArmKmers]) -> ArmKmers:
        """Return those of several sets one after another."""
        return cls(
            np.concatenate([part.keys for part in parts]),
            np.concatenate([part.own for part in parts]),
            np.concatenate([part.taken for part in parts]),
        )

    def table(self) -> KmerTable:
        """Return the set of all of them."""
        return KmerTable.of(self.keys[np.arange(PER_ARM) < self.taken[..., None]])


def sample_arms(codes: Codes, start: _I64, end: _I64, arms: _I64) -> ArmKmers:
    """Choose up to ``PER_ARM`` k-mers of each arm, from its first to its last, evenly spaced.

    Args:
        codes: uint8, hairpins one after another, 5' to 3', known letters only.
        start: int64 (N,), where in ``codes`` each hairpin begins.
        end: int64 (N,), where it ends; at most 65,535 later.
        arms: int64 (N, 2, 2), start and end of either arm in ``codes``, inside the hairpin. An arm
            of W >= K letters has W - K + 1 k-mers, a shorter one none.
    """
    count = start.size
    sample = ArmKmers(
        np.zeros((count, 2, PER_ARM), np.int64),
        np.zeros((count, 2, PER_ARM), np.uint16),
        np.zeros((count, 2), np.uint8),
    )
    _sample_arms(kmer_keys(codes), start, end, arms, sample.keys, sample.own, sample.taken)
    return sample


@kernel(
    "void(const int64[:, :, ::1], const uint16[:, :, ::1], const uint8[:, ::1], const int64[::1], "
    "const uint32[::1], int64, const uint32[::1], int64[::1])"
)
def _copies(
    chosen: Keys,
    own: npt.NDArray[np.uint16],
    taken: npt.NDArray[np.uint8],
    keys: Keys,
    directory: _U32,
    narrow: int,
    counts: Counts,
    out: _I64,
) -> None:
    elsewhere = np.empty(PER_ARM, np.int64)
    for n in range(out.size):
        out[n] = -1
        for arm in range(2):
            for m in range(taken[n, arm]):
                at = _find(keys, directory, narrow, chosen[n, arm, m])
                inside = np.int64(own[n, arm, m])
                elsewhere[m] = -((inside - np.int64(counts[at])) // inside)
            if taken[n, arm] > 0:
                middle = np.sort(elsewhere[: taken[n, arm]])[(taken[n, arm] - 1) // 2]
                out[n] = max(out[n], middle)


def copies(sample: ArmKmers, table: KmerTable, counts: Counts) -> _I64:
    """Return how often hairpins recur: of the two arms the one that recurs more often.

    A k-mer recurs as often as it occurs outside the hairpin, divided by how often it occurs inside
    (twice where the arms pair without a fault), rounded up. An arm recurs as often as the median of
    its k-mers, of an even number the lower of the two in the middle.

    Args:
        sample: of N hairpins.
        table: the set of their k-mers.
        counts: uint32 (M,), occurrences of each in the whole genome.

    Returns:
        int64 (N,), -1 where neither arm has a k-mer.
    """
    out = np.empty(sample.taken.shape[0], np.int64)
    found = (sample.keys, sample.own, sample.taken)
    _copies(*found, table.keys, table.directory, table.narrow, counts, out)
    return out
