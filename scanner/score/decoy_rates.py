"""False calls of a model in one genome, as its decoys have them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from premir.scanner.score.false_calls import FalseCalls
from premir.scanner.score.inflation import OWN, Inflation

_F64 = npt.NDArray[np.float64]

_FAR = 3.0
"""So many times more or less than the card is worth a message."""
_SIDE = 1.645
"""Standard deviations on either side of nine tenths of a normal distribution."""


@dataclass(frozen=True)
class DecoyRates:
    """False calls per Mb of a genome at or above some log odds, from calls in its decoys.

    The rate in decoys has as its prior a gamma distribution with the mean that the curve gives
    (``curve / inflation``) and the shape ``inflation.weight``; the rate is the mean of what
    follows from the calls, times the inflation: ``(D + w) / (Mb / inflation + w / curve)``. Where
    decoys are many that is their own rate times the inflation, and where they are few the curve's.
    It never rises with the score.

    Attributes:
        calls: float64 (D,), log odds of calls in decoys, ascending.
        megabases: of decoys.
        inflation: what decoys of this genome miss.
        curve: of false calls in such a genome; None where the card has none, or does not know
            what decoys miss.
        card: how many times as many false calls as on the card the curve has.
    """

    calls: _F64
    megabases: float
    inflation: Inflation
    curve: FalseCalls | None
    card: float = 1.0

    @classmethod
    def of_genome(
        cls,
        calls: _F64,
        megabases: float,
        *,
        low: int,
        searched: float,
        inflation: Inflation,
        curve: FalseCalls | None,
    ) -> DecoyRates:
        """Return the rates of a genome, by its decoys and by what of its own calls is false anyway.

        Hardly any call with log odds in ``OWN`` is a pre-miRNA, so that a genome shows there how
        many more false calls it has than its decoys, and than the genomes of the card. So many
        times more it has at all other log odds; where calls are few that counts the less, as
        their chance weighs against how far genomes differ.

        Args:
            calls: as of the attributes.
            megabases: likewise.
            low: calls in the genome with log odds in ``OWN``.
            searched: Mb that these were found in.
            inflation: of genomes in general, as on a card.
            curve: as on a card.
        """
        if curve is None:
            return cls(calls, megabases, inflation, None)
        begin, end = np.searchsorted(calls, OWN)
        found, shuffled = low + 0.5, int(end - begin) + 0.5
        usual = float(-np.diff(curve.per_mb(np.array(OWN)))[0])
        own = found / searched / (shuffled / megabases) / inflation.own_factor
        own = _shrunk(own, inflation.own_spread, 1 / found + 1 / shuffled)
        more = 1.0
        if usual > 0:
            more = _shrunk(found / searched / usual, inflation.calls_spread, 1 / found)
        factor = inflation.factor * own
        return cls(calls, megabases, replace(inflation, factor=factor), curve.times(more), more)

    def per_mb(self, log_odds: _F64) -> _F64:
        """Return the rate at some log odds, (N,)."""
        knots, lowest = self._lowest
        before = np.searchsorted(knots, log_odds, side="right") - 1
        return np.minimum(self._raw(log_odds), np.where(before < 0, np.inf, lowest[before]))

    def interval(self, log_odds: float) -> tuple[float, float, float]:
        """Return the rate at some log odds, and the two between which nine tenths of it lie."""
        rate = float(self.per_mb(np.array([log_odds]))[0])
        count = self.calls.size - int(np.searchsorted(self.calls, log_odds))
        variance = 1 / (count + self.inflation.weight) + self.inflation.spread**2
        factor = float(np.exp(_SIDE * variance**0.5))
        return rate, rate / factor, rate * factor

    def against_card(self, log_odds: float) -> float | None:
        """Return how many times the rate exceeds the card's at some log odds.

        None where the card has none, or the rate is less than three times more or less.
        """
        if self.curve is None:
            return None
        at = np.array([log_odds])
        times = float(self.per_mb(at)[0] / self.curve.per_mb(at)[0]) * self.card
        return times if not 1 / _FAR <= times <= _FAR else None

    @cached_property
    def _lowest(self) -> tuple[_F64, _F64]:
        """Where the rate may turn, and the lowest rate up to there."""
        calls, above = np.unique(self.calls), np.nextafter(np.unique(self.calls), np.inf)
        tables = [self.inflation.log_odds, *([self.curve.log_odds] if self.curve else [])]
        knots = np.unique(np.concatenate([calls, above, *tables]))
        return knots, np.minimum.accumulate(self._raw(knots))

    def _raw(self, log_odds: _F64) -> _F64:
        count = self.calls.size - np.searchsorted(self.calls, log_odds)
        weight, exposure = self.inflation.weight, self.megabases / self.inflation.at(log_odds)
        if self.curve is not None:
            exposure = exposure + weight / self.curve.per_mb(log_odds)
        return np.asarray((count + weight) / exposure)


def _shrunk(ratio: float, spread: float, chance: float) -> float:
    """Draw a ratio towards 1, as its variance by chance weighs against a spread, in logarithms."""
    between = spread**2
    return float(ratio ** (between / (between + chance)))


def q_values(log_odds: _F64, rates: DecoyRates, megabases: float) -> _F64:
    """Return the share of false ones among hits that score at least as high, at its lowest.

    The q-value of a score is the least, over all scores up to it, of false calls expected over hits
    found (Storey 2002), and at most 1.

    Args:
        log_odds: float64 (N,), of all hits.
        rates: false calls per Mb.
        megabases: that the hits were found in.

    Returns:
        float64 (N,).
    """
    order = np.argsort(log_odds, kind="stable")
    ascending = log_odds[order]
    found = ascending.size - np.searchsorted(ascending, ascending)
    share = np.minimum(rates.per_mb(ascending) * megabases / np.maximum(found, 1), 1.0)
    values = np.empty_like(share)
    values[order] = np.minimum.accumulate(share)
    return values
