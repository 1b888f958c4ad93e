"""The known hairpin that a sequence resembles most.

A *place* of a known hairpin is where a mature begins. Its *seed* are the seven letters behind the
mature's first. Wherever a sequence has the seed of a place with at most one other letter, the
mature is laid on it without a gap; where that scores enough, the hairpin is aligned from the seed
outwards, to both sides, with gaps inside a band, as far as it pays. Letters of a known hairpin have
classes (seed, mature, the rest), and scores go by class, so that arms weigh more than loops.
Scores, classes and penalties come from the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels._jit import kernel, part
from premir.kernels.codes import UNKNOWN, Codes
from premir.kernels.pairing import Offsets

_I64: TypeAlias = npt.NDArray[np.int64]
_I32: TypeAlias = npt.NDArray[np.int32]
Classes: TypeAlias = npt.NDArray[np.uint8]

SEED = 7
"""Letters of a seed: the second to the eighth of a mature."""
BAND = 8
"""Most letters that an alignment may be off the diagonal of its seed."""
NONE = -1
"""Stands for the known hairpin where a sequence resembles none."""

_KEYS = 1 << (2 * SEED)
_VARIANTS = 1 + 3 * SEED
_FAR = -(1 << 28)
"""Less than any score."""


@part
def _against(letter: int, other: int, match: int, mismatch: int) -> int:
    """Score of two letters; an unknown one matches nothing."""
    return match if letter == other and letter < UNKNOWN else mismatch


@part
def _extend(
    query: Codes,
    at: int,
    known: Codes,
    classes: Classes,
    first: int,
    count: int,
    step: int,
    scores: _I32,
    row: _I32,
) -> int:
    """Best score of an alignment that begins at a corner and ends anywhere.

    Args:
        query: uint8, letters of the sequence alone.
        at: its letter that stands against the first of the known hairpin.
        known: uint8, letters of all known hairpins.
        classes: uint8, theirs.
        first: the known hairpin's first letter to align.
        count: how many there are, in the direction of ``step``.
        step: 1 to the right, -1 to the left.
        scores: see :func:`nearest`.
        row: int32 (2 * BAND + 1,), for the work.
    """
    left = query.size - at if step > 0 else at + 1  # letters of the query in that direction
    best = 0
    # row[d]: after i letters of the known hairpin, i + d - BAND letters of the query.
    gap = scores[classes[first], 2] if count > 0 else 0
    for d in range(2 * BAND + 1):
        row[d] = _FAR if d < BAND or d - BAND > left else gap * (d - BAND)
    for i in range(count):
        letter = known[first + step * i]
        kind = classes[first + step * i]
        match, mismatch, gap = scores[kind, 0], scores[kind, 1], scores[kind, 2]
        top = _FAR
        for d in range(2 * BAND + 1):
            j = i + 1 + d - BAND  # letters of the query so far
            value = _FAR
            if 0 <= j <= left:
                if j > 0:
                    value = row[d] + _against(query[at + step * (j - 1)], letter, match, mismatch)
                    if d > 0:
                        value = max(value, row[d - 1] + gap)
                if d < 2 * BAND:
                    value = max(value, row[d + 1] + gap)
            row[d] = max(value, _FAR)
            top = max(top, row[d])
        best = max(best, top)
    return best


@kernel(
    "void(const uint8[::1], const int64[::1], const uint8[::1], const int64[::1], "
    "const uint8[::1], const int64[:, ::1], const int64[::1], const int32[::1], "
    "const int32[:, ::1], int64, const int32[::1], int64[::1], int64[::1])"
)
def _nearest(
    codes: Codes,
    offsets: Offsets,
    known: Codes,
    borders: Offsets,
    classes: Classes,
    places: _I64,
    directory: _I64,
    listed: _I32,
    scores: _I32,
    fewest: int,
    penalties: _I32,
    found: _I64,
    reached: _I64,
) -> None:
    row = np.empty(2 * BAND + 1, np.int32)
    for n in range(found.size):
        query = codes[offsets[n] : offsets[n + 1]]
        found[n], reached[n] = NONE, 0
        key = length = 0
        for end in range(1, query.size + 1):
            letter = query[end - 1]
            key = ((key << 2) | (letter & 3)) & (_KEYS - 1)
            length = length + 1 if letter < UNKNOWN else 0
            if length < SEED:
                continue
            begin = end - SEED - 1  # where the mature would begin, perhaps before the query
            for k in range(directory[key], directory[key + 1]):
                place = listed[k]
                own, mature, stop = places[place, 0], places[place, 1], places[place, 2]
                laid = 0
                for i in range(mature, stop):
                    j = begin + i - mature
                    if 0 <= j < query.size:
                        kind = classes[i]
                        laid += _against(query[j], known[i], scores[kind, 0], scores[kind, 1])
                if laid < fewest:
                    continue
                total = 0
                for i in range(mature + 1, mature + 1 + SEED):
                    j, kind = begin + i - mature, classes[i]
                    total += _against(query[j], known[i], scores[kind, 0], scores[kind, 1])
                total += _extend(
                    query, end, known, classes, mature + 1 + SEED,
                    borders[own + 1] - mature - 1 - SEED, 1, scores, row,
                )  # fmt: skip
                total += _extend(
                    query, begin, known, classes, mature, mature - borders[own] + 1, -1, scores, row
                )
                total -= penalties[own]
                if total > reached[n] or (total == reached[n] and 0 <= own < found[n]):
                    found[n], reached[n] = own, total


@dataclass(frozen=True, slots=True, eq=False)
class KnownHairpins:
    """Known hairpins that are quick to ask.

    Attributes:
        codes: uint8 (T,), values 0-4, packed.
        offsets: int64 (M + 1,), their borders.
        classes: uint8 (T,), the class of each letter.
        places: int64 (P, 3), hairpin, and where in ``codes`` a mature of it begins and ends.
        directory: int64 (4**SEED + 1,), where in ``listed`` the places of a seed begin.
        listed: int32, indices of places by the seeds that match theirs.
    """

    codes: Codes
    offsets: Offsets
    classes: Classes
    places: _I64
    directory: _I64
    listed: _I32

    @classmethod
    def of(cls, codes: Codes, offsets: Offsets, classes: Classes, places: _I64) -> KnownHairpins:
        """Index the seeds of some hairpins.

        Args:
            codes: uint8 (T,), values 0-4, packed.
            offsets: int64 (M + 1,), their borders.
            classes: uint8 (T,), the class of each letter.
            places: int64 (P, 3), hairpin, and where in ``codes`` a mature begins and ends; each has
                more than ``SEED`` letters. One with an unknown letter in its seed is not found.
        """
        letters = codes[places[:, 1, None] + 1 + np.arange(SEED)].astype(np.int64)
        known = (letters < UNKNOWN).all(axis=1)
        weights = 4 ** np.arange(SEED - 1, -1, -1)
        keys = np.repeat((letters @ weights)[:, None], _VARIANTS, axis=1)
        for at in range(SEED):
            for other in range(1, 4):
                changed = (letters[:, at] + other) % 4 - letters[:, at]
                keys[:, 3 * at + other] += changed * weights[at]
        index = np.repeat(np.arange(len(places)), _VARIANTS)[np.repeat(known, _VARIANTS)]
        flat = keys[known].ravel()
        order = np.argsort(flat, kind="stable")
        directory = np.searchsorted(flat[order], np.arange(_KEYS + 1))
        return cls(
            codes, offsets, classes, places, directory.astype(np.int64),
            index[order].astype(np.int32),
        )  # fmt: skip

    def nearest(
        self, codes: Codes, offsets: Offsets, *, scores: _I32, fewest: int, penalties: _I32
    ) -> tuple[_I64, _I64]:
        """Find the known hairpin that each of some sequences resembles most.

        Args:
            codes: uint8, N sequences, values 0-4, packed.
            offsets: int64 (N + 1,), their borders.
            scores: int32 (classes, 3), of letters that agree, of letters that differ, and of a
                letter that stands against a gap.
            fewest: least score of a mature laid on a sequence, for its hairpin to be aligned.
            penalties: int32 (M,), what is taken from the score of each known hairpin.

        Returns:
            int64 (N,), the known hairpin with the highest score, of equals the first, ``NONE``
            where none scores more than 0; and int64 (N,), its score.
        """
        found = np.empty(offsets.size - 1, np.int64)
        reached = np.empty(offsets.size - 1, np.int64)
        _nearest(
            codes, offsets, self.codes, self.offsets, self.classes, self.places, self.directory,
            self.listed, scores, fewest, penalties, found, reached,
        )  # fmt: skip
        return found, reached
