"""Where candidates lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

COLUMNS: dict[str, type[np.generic]] = {
    "contig": np.int32,
    "start": np.int64,
    "end": np.int64,
    "strand": np.int8,
    "stem_energy": np.int16,
    "folded_start": np.int64,
    "folded_end": np.int64,
}
"""Columns of :class:`Loci` and their types, in a shard as in memory."""


@dataclass(frozen=True, slots=True)
class Loci:
    """Where candidates lie, as parallel arrays; 0-based half-open on the plus strand.

    Of circular contigs positions are those on their lines
    (:mod:`premir.scanner.genome.circular`), until hits are written.

    Attributes:
        contig: int32 (N,), index into the genome's contigs.
        start: int64 (N,).
        end: int64 (N,).
        strand: int8 (N,), 1 or -1.
        stem_energy: int16 (N,), energy of the stem scan in centibits (0 for windows).
        folded_start: int64 (N,), ``start`` less the context that was folded with the candidate.
        folded_end: int64 (N,), ``end`` plus that context.
    """

    contig: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    strand: npt.NDArray[np.int8]
    stem_energy: npt.NDArray[np.int16]
    folded_start: npt.NDArray[np.int64]
    folded_end: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.start.size)

    def take(self, index: npt.NDArray[Any]) -> Loci:
        """Return the loci that an index or mask array selects."""
        return Loci(*(getattr(self, name)[index] for name in COLUMNS))

    def names(self, contigs: Sequence[str]) -> list[str]:
        """Return what hairpins there are called: ``CONTIG:START-END(STRAND)``, 1-based inclusive.

        Args:
            contigs: names of the genome's contigs.
        """
        return [
            f"{contigs[contig]}:{start + 1}-{end}({'+' if strand > 0 else '-'})"
            for contig, start, end, strand in zip(
                self.contig.tolist(), self.start.tolist(), self.end.tolist(), self.strand.tolist(),
                strict=True,
            )
        ]  # fmt: skip

    def moved(self, by: npt.NDArray[np.int64]) -> Loci:
        """Return the loci each so many nt further on."""
        return replace(
            self,
            start=self.start + by,
            end=self.end + by,
            folded_start=self.folded_start + by,
            folded_end=self.folded_end + by,
        )

    def contexts(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return how much was folded before and after each candidate, 5' to 3', in nt."""
        left, right = self.start - self.folded_start, self.folded_end - self.end
        forward = self.strand > 0
        return np.where(forward, left, right), np.where(forward, right, left)

    @classmethod
    def concatenate(cls, parts: list[Loci]) -> Loci:
        """Return the loci of several sets one after another."""
        columns: dict[str, Any] = {
            name: np.concatenate([np.empty(0, dtype), *(getattr(part, name) for part in parts)])
            for name, dtype in COLUMNS.items()
        }
        return cls(**columns)
