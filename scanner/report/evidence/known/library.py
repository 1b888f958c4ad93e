"""A library of known hairpins: what hits are compared with, and how surprising a resemblance is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes, encode
from premir.kernels.pairing import Offsets, pack
from premir.kernels.similarity import NONE, SEED, KnownHairpins
from premir.scanner.report.evidence.known.names import family_of

_F64 = npt.NDArray[np.float64]
_I64 = npt.NDArray[np.int64]

SCORES = np.array([[0, 0, -2], [3, -3, -8]], np.int32)
"""Of letters outside of matures and in them: that agree, that differ, that face a gap. Chosen on
known hairpins of held-out families planted in held-out genomes, their phylum left out."""
_REST, _MATURE = range(2)
FEWEST = 24
"""Least score of a mature laid on a hit: 15 of 22 letters that agree."""
HINGE = 1.5
"""The least surprise that counts: one of 30 hairpins of background has as much."""
WEIGHT = float(np.log(10))
"""Of a surprise: the natural logarithm of one over its share of background is taken as it is."""

Arm = tuple[int, int]


@dataclass(frozen=True, slots=True)
class KnownHairpin:
    """A known hairpin, or a mature of which no hairpin is known.

    Attributes:
        name: as its source has it.
        letters: RNA.
        arms: where its matures lie.
    """

    name: str
    letters: str
    arms: tuple[Arm, ...]

    @property
    def family(self) -> str:
        """What it is one of, as users call it."""
        return family_of(self.name)

    @property
    def matures(self) -> list[str]:
        """Its matures."""
        return [self.letters[start:end] for start, end in self.arms]


@dataclass(frozen=True, eq=False)
class BackgroundTail:
    """How much background resembles a library.

    Attributes:
        score: int64 (K,), ascending.
        share: float64 (K,), of background hairpins that score at least as much, descending.
        penalties: what is taken from the score of families that much of the background resembles.
        seeds: how many different seeds the library has that this was measured with.
    """

    score: _I64
    share: _F64
    penalties: Mapping[str, int] = field(default_factory=dict)
    seeds: int = 0

    def surprise(self, score: npt.NDArray[Any]) -> _F64:
        """Return -log10 of the share of background that is at least as similar, (N,)."""
        return np.asarray(np.interp(score, self.score, -np.log10(self.share)))

    def scaled(self, seeds: int) -> BackgroundTail:
        """Return it for a library with so many seeds: the best of many is better than of few."""
        share = np.minimum(1.0, self.share * (seeds / self.seeds))
        return BackgroundTail(self.score, share, self.penalties, seeds)


@dataclass(frozen=True, eq=False)
class Library:
    """Known hairpins, ready to be compared with.

    Attributes:
        name: what to call it.
        known: M of them.
        calibration: of their scores.
        files: where they were read.
    """

    name: str
    known: Sequence[KnownHairpin]
    calibration: BackgroundTail
    files: tuple[Path, ...] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that comparisons depend on."""
        own = self.calibration
        told = [
            [astuple(each) for each in self.known],
            own.score.tolist(), own.share.tolist(), sorted(own.penalties.items()),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    @cached_property
    def hairpins(self) -> KnownHairpins:
        """Their index."""
        return index_of(self.known)

    def nearest(self, codes: Codes, offsets: Offsets) -> tuple[_I64, _I64]:
        """Find what each of N sequences resembles most.

        Args:
            codes: uint8, packed.
            offsets: int64 (N + 1,), their borders.

        Returns:
            int64 (N,), index of the known hairpin, -1 where there is none; int64 (N,), the score.
        """
        return self.hairpins.nearest(
            codes, offsets, scores=SCORES, fewest=FEWEST, penalties=self._penalties
        )

    def surprise(self, codes: Codes, offsets: Offsets) -> tuple[_I64, _F64]:
        """Say what each of N packed hairpins resembles most, and how surprising that is.

        Returns:
            int64 (N,), index of the known hairpin, -1 where there is none; and float64 (N,), -log10
            of the share of background hairpins that resemble some known one as much.
        """
        found, score = self.nearest(codes, offsets)
        return found, np.where(found == NONE, 0.0, self.calibration.surprise(score))

    @cached_property
    def _penalties(self) -> npt.NDArray[np.int32]:
        table = self.calibration.penalties
        return np.array([table.get(each.family, 0) for each in self.known], np.int32)


def index_of(known: Sequence[KnownHairpin]) -> KnownHairpins:
    """Return the index of known hairpins."""
    codes, offsets = pack([encode(each.letters) for each in known])
    classes = np.full(codes.size, _REST, np.uint8)
    places = [
        (n, int(offsets[n]) + start, int(offsets[n]) + end)
        for n, each in enumerate(known)
        for start, end in each.arms
    ]
    for _, start, end in places:
        classes[start:end] = _MATURE
    return KnownHairpins.of(codes, offsets, classes, np.array(places, np.int64).reshape(-1, 3))


def count_seeds(known: Sequence[KnownHairpin]) -> int:
    """Return how many different seeds some known hairpins have."""
    return len({mature[1 : 1 + SEED] for each in known for mature in each.matures})


def weight_of(surprise: _F64) -> _F64:
    """Return what surprises add to log odds, (N,)."""
    return WEIGHT * np.maximum(0.0, surprise - HINGE)
