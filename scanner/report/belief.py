"""How many of the hits to believe, in words: what the model's card knows of its false calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from premir.scanner.score.decoy_rates import DecoyRates
from premir.scanner.score.false_calls import FalseCalls
from premir.scanner.score.model import log_odds_of

SURE = 0.2
"""Hits with a q-value of so much and less are counted."""


@dataclass(frozen=True, slots=True)
class Belief:
    """False calls that a scan has to expect, by what its model did in genomes that it never saw.

    Attributes:
        per_mb_lowest: false calls per Mb at the threshold, in the genome with the fewest.
        per_mb: in all of these genomes together.
        per_mb_highest: in the genome with the most.
        lowest: false hits of this scan, if it were like that genome; no more than there are hits.
        highest: likewise.
    """

    per_mb_lowest: float
    per_mb: float
    per_mb_highest: float
    lowest: int
    highest: int

    def remarks(self) -> Iterator[str]:
        """Say what there is beside it: nothing."""
        yield from ()

    def as_json(self) -> dict[str, float | None]:
        """Return it for the summary, rates to three digits."""
        return {
            name: value if isinstance(value, int) else float(f"{value:.3g}")
            for name, value in asdict(self).items()
        }

    @property
    def numbers(self) -> str:
        """How many hits may be false, as text."""
        return _range(self.lowest, self.highest)

    def __str__(self) -> str:
        low, high = _two_digits(self.per_mb_lowest), _two_digits(self.per_mb_highest)
        rates = low if low == high else f"{low} to {high}"
        return (
            f"in genomes that it never saw this model makes {rates} false calls per Mb at this "
            f"threshold: expect {self.numbers} of these hits to be false"
        )


@dataclass(frozen=True, slots=True)
class DecoyBelief:
    """False calls that a scan has to expect, by its genome's decoys and low-scoring calls.

    Attributes:
        decoy_megabases: scanned.
        per_mb_lowest: false calls per Mb at the threshold, the lower end of nine tenths.
        per_mb: likewise, as in ``fp_per_mb``.
        per_mb_highest: the upper end.
        times_card: how many times ``per_mb`` exceeds what the model's card says, where that is
            more than three times, or less than a third; None where it is not.
        hits: at the threshold.
        lowest: how many of them are false, at the least; no more than there are hits.
        highest: likewise, at the most.
        sure: how many have a q-value of at most ``SURE``.
    """

    decoy_megabases: float
    per_mb_lowest: float
    per_mb: float
    per_mb_highest: float
    times_card: float | None
    hits: int
    lowest: int
    highest: int
    sure: int

    def as_json(self) -> dict[str, float | None]:
        """Return it for the summary, rates to three digits."""
        return {
            name: float(f"{value:.3g}") if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }

    @property
    def numbers(self) -> str:
        """How many hits may be false, as text."""
        return _range(self.lowest, self.highest)

    def __str__(self) -> str:
        return (
            f"of {self.hits} hits expect {self.numbers} to be false, by "
            f"{_two_digits(self.decoy_megabases)} Mb of decoys; {self.sure} have q <= {SURE:g}"
        )

    def remarks(self) -> Iterator[str]:
        """Say where this genome and the model's card disagree."""
        if self.times_card is None:
            return
        times, word = self.times_card, "more"
        if times < 1:
            times, word = 1 / times, "fewer"
        yield (
            f"there are {_two_digits(times)} times {word} false calls in this genome than in those "
            "that the model was judged on: it is unlike them"
        )


def by_decoys(
    rates: DecoyRates, min_prob: float, megabases: float, q_values: npt.NDArray[np.float64]
) -> DecoyBelief:
    """Return what to expect of hits by decoys.

    Args:
        rates: false calls of the genome.
        min_prob: threshold.
        megabases: that hits were looked for in, on both strands.
        q_values: float64 (N,), of the hits at the threshold.
    """
    hits, sure = q_values.size, int((q_values <= SURE).sum())
    at = log_odds_of(min_prob)
    middle, low, high = rates.interval(at)
    lowest, highest = (min(hits, round(rate * megabases)) for rate in (low, high))
    times = rates.against_card(at)
    return DecoyBelief(rates.megabases, low, middle, high, times, hits, lowest, highest, sure)


def _range(lowest: int, highest: int) -> str:
    return f"{lowest}" if lowest == highest else f"{lowest} to {highest}"


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"


def count_range(rates: tuple[float, float], megabases: float, hits: int) -> tuple[int, int]:
    """Return how many hits may be false at the lowest and the highest rate of a genome."""
    low, high = rates
    return min(hits, round(low * megabases)), min(hits, round(high * megabases))


def expected(
    curve: FalseCalls | None, min_prob: float, megabases: float, hits: int
) -> Belief | None:
    """Return what to expect of hits.

    Args:
        curve: false calls of what scored them; None where nobody knows.
        min_prob: threshold.
        megabases: scanned, on both strands.
        hits: how many were written.

    Returns:
        None where nobody knows, or there is no hit.
    """
    if curve is None or not hits:
        return None
    at = log_odds_of(min_prob)
    low, high = curve.span(at)
    middle = float(curve.per_mb(np.array([at]))[0])
    lowest, highest = count_range((low, high), megabases, hits)
    return Belief(low, middle, high, lowest, highest)
