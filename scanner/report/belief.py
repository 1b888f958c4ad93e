"""How many of the hits to believe, in words: what the model's card knows of its false calls."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from premir.scanner.score.false_calls import FalseCalls
from premir.scanner.score.model import log_odds_of


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

    def as_json(self) -> dict[str, float]:
        """Return it for the summary, rates to three digits."""
        return {
            name: value if isinstance(value, int) else float(f"{value:.3g}")
            for name, value in asdict(self).items()
        }

    @property
    def numbers(self) -> str:
        """How many hits may be false, as text."""
        if self.lowest == self.highest:
            return f"{self.lowest}"
        return f"{self.lowest} to {self.highest}"

    def __str__(self) -> str:
        low, high = _two_digits(self.per_mb_lowest), _two_digits(self.per_mb_highest)
        rates = low if low == high else f"{low} to {high}"
        return (
            f"in genomes that it never saw this model makes {rates} false calls per Mb at this "
            f"threshold: expect {self.numbers} of these hits to be false"
        )


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
