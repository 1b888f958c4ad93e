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
    """Scored candidates, or the hits among them; sequences and folds stay in the shards.

    Attributes:
        loci: where they lie.
        log_odds: float64 (N,), canonical log odds.
        tile: int64 (N,), index of the tile whose shard holds them.
        row: int64 (N,), their rows in that shard.
        columns: what tracks computed, (N,) each, by the column's name.
    """

    loci: Loci
    log_odds: npt.NDArray[np.float64]
    tile: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.log_odds.size)

    @property
    def prob(self) -> npt.NDArray[np.float64]:
        """Canonical probabilities, float64 (N,)."""
        return probabilities(self.log_odds)

    def take(self, index: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> HitTable:
        """Return those that an index or mask array selects."""
        columns = {name: values[index] for name, values in self.columns.items()}
        return HitTable(
            self.loci.take(index), self.log_odds[index], self.tile[index], self.row[index], columns
        )

    @classmethod
    def concatenate(cls, parts: Sequence[HitTable]) -> HitTable:
        """Return those of several tables, which have the same columns, one after another."""
        return cls(
            Loci.concatenate([part.loci for part in parts]),
            np.concatenate([np.empty(0), *(part.log_odds for part in parts)]),
            np.concatenate([np.empty(0, np.int64), *(part.tile for part in parts)]),
            np.concatenate([np.empty(0, np.int64), *(part.row for part in parts)]),
            {
                name: np.concatenate([part.columns[name] for part in parts])
                for name in (parts[0].columns if parts else ())
            },
        )
