"""The hit table: all hits of a scan as parallel arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.scanner.find.loci import Loci
from premir.scanner.score.model import probabilities


@dataclass(frozen=True, slots=True)
class HitTable:
    """Scored candidates, or the hits among them; sequences and folds stay in files of scores.

    Attributes:
        loci: where they lie.
        log_odds: float64 (N,), canonical log odds.
        tile: int64 (N,), index of the tile whose scores hold them.
        row: int64 (N,), their rows there.
        columns: what tracks computed, (N,) each, by the column's name.
        evidence: natural logarithms of Bayes factors, float64 (N,) each, by the track's name: of
            evidence that random sequence can have as well.
        sightings: likewise, of what random sequence never has, as reads.
    """

    loci: Loci
    log_odds: npt.NDArray[np.float64]
    tile: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    evidence: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    sightings: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.log_odds.size)

    @property
    def prob(self) -> npt.NDArray[np.float64]:
        """Canonical probabilities by the model alone, float64 (N,)."""
        return probabilities(self.log_odds)

    @property
    def ranked(self) -> npt.NDArray[np.float64]:
        """Log odds by model and evidence, float64 (N,): rates of false calls are of these."""
        return sum(self.evidence.values(), self.log_odds)

    @property
    def total(self) -> npt.NDArray[np.float64]:
        """Log odds by all that is known, float64 (N,): of these are printed log odds and hits."""
        return sum(self.sightings.values(), self.ranked)

    def take(self, index: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> HitTable:
        """Return those that an index or mask array selects."""
        return HitTable(
            self.loci.take(index),
            self.log_odds[index],
            self.tile[index],
            self.row[index],
            *(
                {name: values[index] for name, values in table.items()}
                for table in (self.columns, self.evidence, self.sightings)
            ),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[HitTable]) -> HitTable:
        """Return those of several tables, which have the same columns, one after another."""
        return cls(
            Loci.concatenate([part.loci for part in parts]),
            np.concatenate([np.empty(0), *(part.log_odds for part in parts)]),
            np.concatenate([np.empty(0, np.int64), *(part.tile for part in parts)]),
            np.concatenate([np.empty(0, np.int64), *(part.row for part in parts)]),
            *(
                {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
                for tables in zip(
                    *((part.columns, part.evidence, part.sightings) for part in parts), strict=True
                )
            ),
        )
