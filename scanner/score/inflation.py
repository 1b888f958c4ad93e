"""What shuffled sequence misses: how many more false calls real genomes have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.scanner.score.card import INFLATION

_F64 = npt.NDArray[np.float64]

NUMBERS = ("own_factor", "own_spread", "calls_spread", "weight", "spread")
OWN = (0.0, 3.0)
"""Log odds, from and below, between which a genome's own calls are compared with its decoys'."""


@dataclass(frozen=True, slots=True, eq=False)
class Inflation:
    """False calls of genomes beside those of their decoys, as measured on held-out genomes.

    Attributes:
        log_odds: float64 (N,), ascending.
        factor: float64 (N,), by how much the rate in a genome exceeds that in its decoys, among
            calls at or above these log odds.
        own_factor: the same of calls with log odds in ``OWN`` alone.
        own_spread: standard deviation of the logarithm of that from genome to genome.
        calls_spread: likewise, of the rate of calls with log odds in ``OWN``.
        weight: how many calls in decoys weigh as much as the card's curve.
        spread: standard deviation of the logarithm of the rate in a genome over that which follows
            from all this.
    """

    log_odds: _F64
    factor: _F64
    own_factor: float
    own_spread: float
    calls_spread: float
    weight: float
    spread: float

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Inflation:
        """Return what stands on a card, checked, as ``inflation``."""
        log_odds, factor = (np.array(table[name], np.float64) for name in INFLATION)
        return cls(log_odds, factor, **{name: table[name] for name in NUMBERS})

    def at(self, log_odds: _F64) -> _F64:
        """Return the factor at some log odds, (N,), interpolated in its logarithm."""
        return np.asarray(np.exp(np.interp(log_odds, self.log_odds, np.log(self.factor))))


NONE = Inflation(np.zeros(1), np.ones(1), 1.0, 0.0, 0.0, weight=0.5, spread=0.0)
"""Where a card does not know: decoys count as the genome does."""
