"""False calls of a model at a score, as its card has them of genomes that it never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from premir.scanner.score.card import FALSE_CALLS

_F64 = npt.NDArray[np.float64]
_LIFTED = 1024
"""So many log odds lifted rates are computed at; cards have some fifty."""


class Rates(Protocol):
    """False calls per Mb at or above some log odds."""

    def per_mb(self, log_odds: _F64) -> _F64:
        """Return the rate at some log odds, (N,)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class FalseCalls:
    """False calls per Mb of held-out genomes at or above some log odds.

    Between two log odds of the table a rate is interpolated in its logarithm. No rate is taken for
    less than half a call in all that was held out.

    Attributes:
        log_odds: float64 (N,), ascending.
        all: float64 (N,), per Mb, of all genomes together.
        lowest: float64 (N,), of the genome with the fewest.
        highest: float64 (N,), of the genome with the most.
        fewest: per Mb: half a call in all that was held out.
    """

    log_odds: _F64
    all: _F64
    lowest: _F64
    highest: _F64
    fewest: float

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> FalseCalls:
        """Return what stands on a card, checked, as ``false_calls_per_mb``."""
        rows = {name: np.array(table[name], np.float64) for name in FALSE_CALLS}
        return cls(**rows, fewest=0.5 / table["megabases"])

    def per_mb(self, log_odds: _F64) -> _F64:
        """Return the rate of all genomes together at some log odds, (N,)."""
        return self._at(self.all, log_odds)

    def log_odds_at(self, per_mb: float) -> float:
        """Return the log odds at which all genomes together have a rate of ``fewest`` or more."""
        return float(np.interp(-np.log(per_mb), -self._logarithms(self.all), self.log_odds))

    def lifted(self, weight: float, hinge: float, lowest: float) -> FalseCalls:
        """Return the rates of log odds to which evidence was added.

        The evidence is ``weight`` times what a number s has above ``hinge``, and background has s
        and more in 10**-s of all cases, whatever the model says of it. Then of what scores x, less
        than t, a share of 10**-(hinge + (t - x) / weight) is lifted to t.

        Args:
            weight: of the evidence.
            hinge: see above.
            lowest: log odds by the model below which nothing is lifted.
        """
        at = np.linspace(self.log_odds[0], self.log_odds[-1], _LIFTED)
        step = at[1] - at[0]
        once = np.where(at[1:] - step / 2 < lowest, 0.0, 10.0 ** -(hinge + step / 2 / weight))
        further = 10.0 ** -(step / weight)
        rows = {}
        for name in ("all", "lowest", "highest"):
            rates = self._at(getattr(self, name), at)
            arriving = once * -np.diff(rates)
            sums = accumulate(arriving, lambda before, own: before * further + own, initial=0.0)
            rows[name] = rates + np.fromiter(sums, np.float64)
        return FalseCalls(at, **rows, fewest=self.fewest)

    def lowered(self, penalties: _F64, share: _F64) -> FalseCalls:
        """Return the rates of log odds from which evidence was taken.

        Args:
            penalties: float64 (K,), 0 and more, what is taken.
            share: float64 (K,), of how much of the background, whatever the model says of it.
        """
        at = np.linspace(self.log_odds[0], self.log_odds[-1], _LIFTED)
        rows = {
            name: self._at(getattr(self, name), at[:, None] + penalties) @ share
            for name in FALSE_CALLS
            if name != "log_odds"
        }
        return FalseCalls(at, **rows, fewest=self.fewest)

    def times(self, factor: float) -> FalseCalls:
        """Return the curve of a genome that has so many times as many false calls."""
        rows = {name: factor * getattr(self, name) for name in ("all", "lowest", "highest")}
        return replace(self, **rows, fewest=factor * self.fewest)

    def span(self, log_odds: float) -> tuple[float, float]:
        """Return the lowest and the highest rate of a genome at some log odds."""
        lowest, highest = self.band(np.array([log_odds]))
        return float(lowest[0]), float(highest[0])

    def band(self, log_odds: _F64) -> tuple[_F64, _F64]:
        """Return the lowest and the highest rates of genomes at some log odds, (N,) each."""
        return self._at(self.lowest, log_odds), self._at(self.highest, log_odds)

    def _at(self, rates: _F64, log_odds: _F64) -> _F64:
        return np.asarray(np.exp(np.interp(log_odds, self.log_odds, self._logarithms(rates))))

    def _logarithms(self, rates: _F64) -> _F64:
        return np.log(np.maximum(rates, self.fewest))
