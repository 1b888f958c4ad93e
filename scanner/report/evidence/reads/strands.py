"""Are the libraries stranded, and which way round? Hits that the model likes tell."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from premir.scanner.report.evidence.reads.sighting import Sighting
from premir.scanner.report.evidence.reads.stacks import UNIT
from premir.scanner.report.evidence.reads.verdict import ENOUGH
from premir.scanner.report.table import HitTable

_log = logging.getLogger(__name__)

_FEWEST = 5
"""So many hits with enough reads are asked at least."""
_UNSTRANDED, _FLIPPED = 0.5, 0.7
_NEIGHBOURS = 8
"""Hits by position among which the one on the other strand is looked for."""


@dataclass
class Strands:
    """On which strands the reads of hits lie.

    An unstranded protocol gives each product on both strands; small interfering RNAs lie on both
    too, but their duplexes are two nucleotides apart.

    Attributes:
        hits: numbers of hits with enough reads.
        mirrored: shares of their reads that have an exact mirror on the other strand.
        other: shares of their reads that lie on the other strand.
    """

    hits: list[int] = field(default_factory=list)
    mirrored: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)

    def add(self, hit: int, sighting: Sighting) -> None:
        """Look at a hit."""
        every = sighting.pattern.total + sighting.pattern.antisense
        if every >= ENOUGH * UNIT:
            self.hits.append(hit)
            self.mirrored.append(sighting.mirrored / every)
            self.other.append(sighting.pattern.antisense / every)

    def check(self, table: HitTable) -> None:
        """Warn where reads have exact mirrors on the other strand, or all lie there.

        Asked are hairpins of which none on the other strand has higher log odds.

        Args:
            table: all hits by position.
        """
        asked = ~_outranked(table)[np.array(self.hits, np.int64)]
        count = int(asked.sum())
        if count < _FEWEST:
            return
        mirrored = float(np.array(self.mirrored)[asked].mean())
        other = float(np.array(self.other)[asked].mean())
        if mirrored > _UNSTRANDED:
            _log.warning(
                "of the reads of %d hits %.0f %% have an exact mirror on the other strand: the "
                "libraries seem to be unstranded, and verdicts mean little",
                count, 100 * mirrored,
            )  # fmt: skip
        elif other > _FLIPPED:
            _log.warning(
                "of the reads of %d hits %.0f %% lie on the other strand: the libraries seem to be "
                "reverse complements; turn the reads round and align them again",
                count, 100 * other,
            )  # fmt: skip


def _outranked(table: HitTable) -> npt.NDArray[np.bool_]:
    """Whether a hit on the other strand overlaps a hit and has higher log odds."""
    loci, result = table.loci, np.zeros(len(table), np.bool_)
    for step in range(1, min(_NEIGHBOURS, len(table) - 1) + 1):
        one, two = np.arange(len(table) - step), np.arange(step, len(table))
        rivals = (
            (loci.contig[one] == loci.contig[two])
            & (loci.strand[one] != loci.strand[two])
            & (loci.start[two] < loci.end[one])
        )
        higher = table.log_odds[one] > table.log_odds[two]
        result[two[rivals & higher]] = True
        result[one[rivals & ~higher]] = True
    return result
