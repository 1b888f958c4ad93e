"""Patterns: how the reads of one hairpin lie on its fold.

Positions are those of the hairpin that was folded, 5' to 3'; counts are in units of
:data:`~premir.scanner.report.evidence.reads.stacks.UNIT`. What is asked of reads goes back to the
criteria for animals of Fromm et al. (2015, doi:10.1146/annurev-genet-120213-092023) and for plants
of Axtell and Meyers (2018, doi:10.1105/tpc.17.00851).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.kernels.pairing import Pairs, terminal_loop

ARMS = ("5p", "3p")
SIZES = (20, 26)
"""Lengths of what Dicer makes, in nt."""
OVERHANG = 2
"""Unpaired nucleotides at 3' ends of what Drosha and Dicer make."""
OVERHANGS = (0, 4)
"""Overhangs that are still theirs."""
PAIRED = 0.6
"""Least share of a mature that pairs with the other arm."""
_EXACT, _NEAR = 1, 4
"""Nucleotides from the 5' end that most reads have, up to which others are of the same product, and
up to which they are near it."""
_REACH = 6
"""Nucleotides from an unpaired position to the pair from which its partner is reckoned."""

_I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reads:
    """Reads of a hairpin, as stacks.

    Attributes:
        start: int64 (N,), first position.
        end: int64 (N,), position after the last.
        count: int64 (N,), how many.
    """

    start: _I64
    end: _I64
    count: _I64

    def total(self, which: npt.NDArray[np.bool_] | None = None) -> int:
        """Count all of them, or some."""
        return int(self.count.sum() if which is None else self.count[which].sum())

    @property
    def centre(self) -> _I64:
        """Twice the mid-points, first plus last position."""
        return self.start + self.end - 1

    @property
    def sized(self) -> npt.NDArray[np.bool_]:
        """Which have the length of Dicer's products."""
        length = self.end - self.start
        return (length >= SIZES[0]) & (length <= SIZES[1])


@dataclass(frozen=True, slots=True)
class Product:
    """What of an arm most reads are.

    Attributes:
        start: the 5' end that most reads of the arm have; of equal ones the first.
        end: the 3' end that most of those have; of equal ones the last.
        reads: of the arm.
        sized: of the arm and of 20 to 26 nt.
        first: of the arm and with this 5' end.
    """

    start: int
    end: int
    reads: int
    sized: int
    first: int

    @classmethod
    def of(cls, reads: Reads, here: npt.NDArray[np.bool_]) -> Product | None:
        """Find the product of an arm, None where it has no reads.

        Args:
            reads: of the hairpin.
            here: bool (N,), which lie on the arm.
        """
        if not here.any():
            return None
        start, end, count = reads.start[here], reads.end[here], reads.count[here]
        first, total = _most(start, count)
        there = start == first
        last, _ = _most(-end[there], count[there])
        sized = reads.total(here & reads.sized)
        return cls(first, -last, int(count.sum()), sized, total)

    @property
    def homogeneity(self) -> float:
        """Share of the arm's reads that have its most frequent 5' end."""
        return self.first / self.reads


def _most(position: _I64, count: _I64) -> tuple[int, int]:
    """Return the position with most reads, the lowest of equal ones, and how many it has."""
    lowest = int(position.min())
    totals = np.zeros(int(position.max()) - lowest + 1, np.int64)
    np.add.at(totals, position - lowest, count)
    best = int(totals.argmax())
    return lowest + best, int(totals[best])


@dataclass(frozen=True)
class Pattern:
    """Reads of a hairpin beside its fold.

    Attributes:
        pairs: int16 (L,), pair table of what was folded.
        reads: on the strand of the hairpin, with their mid-points inside of it.
        antisense: how many lie there on the other strand.
        places: how many different ones there are, of both strands.
    """

    pairs: Pairs
    reads: Reads
    antisense: int
    places: int

    @cached_property
    def loop(self) -> tuple[int, int] | None:
        """The terminal loop; None where nothing is paired."""
        return terminal_loop(self.pairs)

    @cached_property
    def total(self) -> int:
        """Reads on the strand of the hairpin."""
        return self.reads.total()

    @cached_property
    def sized(self) -> int:
        """Those of 20 to 26 nt."""
        return self.reads.total(self.reads.sized)

    @cached_property
    def distinct(self) -> int:
        """How many different ones there are on the strand of the hairpin."""
        return int(self.reads.count.size)

    @cached_property
    def arms(self) -> tuple[Product | None, Product | None]:
        """What comes from the 5' and from the 3' arm."""
        if self.loop is None:
            return None, None
        before = self.reads.centre < 2 * self.loop[0]
        behind = self.reads.centre > 2 * (self.loop[1] - 1)
        return Product.of(self.reads, before), Product.of(self.reads, behind)

    @property
    def in_loop(self) -> int:
        """Reads between the arms."""
        return self.total - sum(arm.reads for arm in self.arms if arm is not None)

    @cached_property
    def dominant(self) -> int | None:
        """The arm with more reads, 0 for 5' and 1 for 3'; None where neither has any."""
        five, three = (arm.reads if arm is not None else 0 for arm in self.arms)
        return None if not five and not three else int(three > five)

    @property
    def mature(self) -> Product | None:
        """The product of the dominant arm."""
        return None if self.dominant is None else self.arms[self.dominant]

    @property
    def other(self) -> Product | None:
        """The product of the other arm."""
        return None if self.dominant is None else self.arms[1 - self.dominant]

    @cached_property
    def _across(self) -> npt.NDArray[np.int16]:
        """Partners on the other side of the loop, -1 for none."""
        middle = self.loop[0] if self.loop is not None else 0
        position = np.arange(self.pairs.size)
        other = (self.pairs >= 0) & ((position < middle) != (self.pairs < middle))
        return np.where(other, self.pairs, -1).astype(np.int16)

    def opposite(self, position: int) -> int | None:
        """Return what faces a position on the other arm, reckoned from the nearest pair."""
        for step in range(_REACH + 1):
            for near in (position - step, position + step):
                if 0 <= near < self.pairs.size and self._across[near] >= 0:
                    return int(self._across[near]) - (position - near)
        return None

    @cached_property
    def expected(self) -> tuple[int, int] | None:
        """Where the star would lie, with Drosha's and Dicer's overhangs; None without a place.

        The mature must lie in a stem: most of it pairs with the other arm, and nothing of it with
        its own.
        """
        mature = self.mature
        if mature is None:
            return None
        here = slice(max(mature.start, 0), mature.end)
        across, pairs = self._across[here], self.pairs[here]
        if (across >= 0).sum() < PAIRED * (mature.end - mature.start) or (pairs != across).any():
            return None
        start = self.opposite(mature.end - 1 - OVERHANG)
        last = self.opposite(mature.start)
        if start is None or last is None:
            return None
        return start, last + 1 + OVERHANG

    @cached_property
    def overhangs(self) -> tuple[int, int] | None:
        """Overhangs at Dicer's and Drosha's side; None where an arm has no reads or no partner."""
        five, three = self.arms
        if five is None or three is None:
            return None
        dicer, drosha = self.opposite(three.start), self.opposite(five.start)
        if dicer is None or drosha is None:
            return None
        return five.end - 1 - dicer, three.end - 1 - drosha

    @cached_property
    def star(self) -> str:
        """``as_expected``, ``elsewhere`` or ``none``: what the reads of the other arm are."""
        if self.other is None:
            return "none"
        return "as_expected" if self.star_reads else "elsewhere"

    @cached_property
    def star_reads(self) -> int:
        """Reads of the other arm's product, if it lies where the fold expects the star."""
        other, expected = self.other, self.expected
        if other is None or expected is None:
            return 0
        slack = (OVERHANGS[1] - OVERHANGS[0]) // 2
        if max(abs(other.start - expected[0]), abs(other.end - expected[1])) > slack:
            return 0
        return self._around(other.start, _EXACT)

    @property
    def apart(self) -> int | None:
        """Nucleotides between the products of the arms."""
        five, three = self.arms
        return three.start - five.end if five is not None and three is not None else None

    @cached_property
    def exact(self) -> int:
        """Reads that are the mature or its star, their 5' ends within one nucleotide."""
        return self._near(_EXACT)

    @cached_property
    def near(self) -> int:
        """Reads whose 5' ends lie near those, two to four nucleotides away."""
        return self._near(_NEAR) - self.exact

    @property
    def precision(self) -> float:
        """Share of the reads that are the mature or its star."""
        return self.exact / self.total if self.total else 0.0

    def _around(self, start: int, by: int) -> int:
        return self.reads.total(abs(self.reads.start - start) <= by)

    def _near(self, by: int) -> int:
        """Reads whose 5' ends lie within ``by`` nucleotides of the mature's or its star's."""
        products: Sequence[Any] = [self.mature, self.other if self.star_reads else None]
        return sum(self._around(each.start, by) for each in products if each is not None)
