"""Places of a genome that resemble chosen sequences: exact words, extended without gaps.

A place resembles a sequence where both hold the same word of ``WORD`` letters and letters that
agree, less letters that differ, are at least so many from where to where around that word they are
most: an extension that falls ``_DROP`` below its best ends there, as in BLAST (Altschul et al.
1990). It reaches neither beyond the sequence nor beyond the contig, and an unknown letter agrees
with nothing. Words with fewer than ``_FEWEST`` different pairs of neighbours are simple repeats and
found nowhere.

How often each word of a sequence is found is a sum over the genome's letters, so that it does not
matter in which pieces these are read; and as a sequence is sought as its reverse complement too,
neither does the genome's strand.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel, part
from premir.kernels.codes import UNKNOWN, Codes, reverse_complement
from premir.kernels.pairing import Offsets

_I64: TypeAlias = npt.NDArray[np.int64]
_I32: TypeAlias = npt.NDArray[np.int32]

WORD = 12
"""Letters of a word: of two sequences that agree in four of five letters, over the length of a
hairpin, most share one, and not one in ten thousand of random hairpins at a place."""
MOST = 63
"""No sequence has more kin than this: whatever has as much is a repeat."""

_DROP = 8
_FEWEST = 6
_MASK = (1 << (2 * WORD)) - 1
_BUCKET = 6
"""Bits of a word that its bucket leaves out."""
_NONE = -1
_RARE = 200


@kernel("void(const uint8[::1], const int64[::1], int32[::1])")
def _words(codes: Codes, offsets: Offsets, words: _I32) -> None:
    """Word that begins at each position; none where it is simple, unknown or ends elsewhere."""
    words[:] = _NONE
    for n in range(offsets.size - 1):
        word = known = 0
        for i in range(offsets[n], offsets[n + 1]):
            letter = int(codes[i])
            word = ((word << 2) | (letter & 3)) & _MASK
            known = known + 1 if letter < UNKNOWN else 0
            if known < WORD:
                continue
            seen = different = 0
            for at in range(WORD - 1):
                bit = 1 << ((word >> (2 * at)) & 15)
                different += 0 if seen & bit else 1
                seen |= bit
            if different >= _FEWEST:
                words[i - WORD + 1] = word


@part
def _extended(
    letters: Codes, at: int, stop: int, codes: Codes, other: int, last: int, step: int
) -> int:
    """Most that letters agree, less that they differ, on one side of a word."""
    score = best = 0
    while at != stop and other != last:
        agree = letters[at] == codes[other] and letters[at] < UNKNOWN
        score += 1 if agree else -1
        best = max(best, score)
        if score < best - _DROP:
            break
        at += step
        other += step
    return best


@kernel(
    "void(const uint8[::1], int64, int64, int64, const int64[::1], int64, const uint8[::1], "
    "const int64[::1], const int32[::1], const int32[::1], const int32[::1], const int64[::1], "
    "const uint8[::1], const int64[:, ::1], int64, uint8[::1], uint8[::1])"
)
def _count(
    letters: Codes,
    origin: int,
    first: int,
    end: int,
    borders: _I64,
    contig: int,
    codes: Codes,
    offsets: Offsets,
    owners: _I32,
    words: _I32,
    places: _I32,
    buckets: _I64,
    bits: Codes,
    own: _I64,
    least: int,
    counts: Codes,
    done: Codes,
) -> None:
    word = known = 0
    for i in range(letters.size):
        while i + origin >= borders[contig + 1]:
            contig += 1
            known = 0
        letter = int(letters[i])
        word = ((word << 2) | (letter & 3)) & _MASK
        known = known + 1 if letter < UNKNOWN else 0
        begin = i - WORD + 1
        if known < WORD or begin + origin < first or begin + origin >= end:
            continue
        if not (bits[word >> 3] >> (word & 7)) & 1:
            continue
        low = max(0, borders[contig] - origin)
        high = min(letters.size, borders[contig + 1] - origin)
        for at in range(buckets[word >> _BUCKET], buckets[(word >> _BUCKET) + 1]):
            place = places[at]
            if words[at] != word:
                continue
            owner = owners[place]
            mine = min(owner, offsets.size - 2 - owner)
            inside = False
            for side in range(0, own.shape[1], 2):
                ends_after = begin + origin + WORD > own[mine, side]
                inside = inside or (ends_after and begin + origin < own[mine, side + 1])
            if done[mine] or inside:
                continue
            score = WORD + _extended(
                letters, i + 1, high, codes, place + WORD, offsets[owner + 1], 1
            )
            score += _extended(
                letters, begin - 1, low - 1, codes, place - 1, offsets[owner] - 1, -1
            )
            if score >= least:
                # A word and its reverse complement are one.
                one = min(place, codes.size - WORD - place)
                counts[one] += 1
                if counts[one] >= MOST:
                    done[mine] = 1


@dataclass(frozen=True, slots=True)
class Sought:
    """Sequences whose kin are sought, on either strand.

    Attributes:
        codes: uint8 (2 T,), values 0-4: N sequences, packed, and the reverse complement of it all.
        offsets: int64 (2 N + 1,), borders of the sequences.
        owners: int32 (2 T,), the sequence that each letter is of.
        words: int32 (M,), their words, ascending.
        places: int32 (M,), where in ``codes`` each begins.
        buckets: int64, where in ``words`` those with the same leading bits begin, and the end.
        bits: uint8, a bit for each possible word.
    """

    codes: Codes
    offsets: Offsets
    owners: _I32
    words: _I32
    places: _I32
    buckets: _I64
    bits: Codes

    @classmethod
    def of(cls, codes: Codes, offsets: Offsets) -> Sought:
        """Index the words of N sequences.

        Args:
            codes: uint8 (T,), values 0-4, packed.
            offsets: int64 (N + 1,), their borders.
        """
        both = np.concatenate([codes, reverse_complement(codes)])
        borders = np.concatenate([offsets, 2 * codes.size - offsets[-2::-1]])
        words = np.empty(both.size, np.int32)
        _words(both, borders, words)
        begin = np.flatnonzero(words != _NONE)
        places = begin[np.argsort(words[begin], kind="stable")].astype(np.int32)
        words = words[places]
        leading = np.arange((1 << (2 * WORD - _BUCKET)) + 1) << _BUCKET
        bits = np.zeros(1 << (2 * WORD - 3), np.uint8)
        np.bitwise_or.at(bits, words >> 3, (1 << (words & 7)).astype(np.uint8))
        return cls(
            both,
            borders,
            np.repeat(np.arange(borders.size - 1), np.diff(borders)).astype(np.int32),
            words,
            places,
            np.searchsorted(words, leading),
            bits,
        )

    @property
    def size(self) -> int:
        """How many letters the sequences have."""
        return self.codes.size // 2

    def count(
        self,
        letters: Codes,
        *,
        origin: int,
        inner: tuple[int, int],
        borders: _I64,
        own: _I64,
        least: int,
        counts: Codes,
        done: Codes,
    ) -> None:
        """Count the places in a piece of a genome that hold their words and resemble them.

        Args:
            letters: uint8 (L,), values 0-4, of contigs that stand one after another, with as many
                on both sides of ``inner`` as the longest sequence has, where there are.
            origin: position of the first of them.
            inner: positions from and below which words count.
            borders: int64 (contigs + 1,), positions where contigs begin, and the end.
            own: int64 (N, 2 K), positions where each sequence itself lies, start and end at each
                of K places: what overlaps that is no kin.
            least: what letters that agree are to exceed those that differ by, ``WORD`` or more.
            counts: uint8 (T,), by the position in the sequences where the word begins; what is
                found is added here.
            done: uint8 (N,), 1 for sequences of which a word was found ``MOST`` times: they are
                sought no longer.
        """
        contig = int(np.searchsorted(borders, origin, "right")) - 1
        _count(
            letters, origin, *inner, borders, contig, self.codes, self.offsets, self.owners,
            self.words, self.places, self.buckets, self.bits, own, least, counts, done,
        )  # fmt: skip


def kin(counts: npt.NDArray[np.uint16], offsets: Offsets) -> _I64:
    """Return how many kin N sequences have: as many as their most frequent word, at most ``MOST``.

    Args:
        counts: uint16 (T,), as :meth:`Sought.count` counts.
        offsets: int64 (N + 1,), borders of the sequences.
    """
    most = [counts[a:b].max(initial=0) for a, b in pairwise(offsets.tolist())]
    return np.minimum(np.array(most, np.int64), MOST)


def least_score(length: int, letters: int) -> int:
    """Return the score that one in ``_RARE`` random sequences reaches somewhere in a genome.

    A place has a score of s or more by chance in at most 3**-s of all cases (Karlin and Altschul
    1990, of letters that are equally frequent).

    Args:
        length: of a sequence, in nt.
        letters: of the genome, which has two strands.
    """
    chances, least = 2 * length * letters * _RARE, WORD
    while 3**least < chances:
        least += 1
    return least
