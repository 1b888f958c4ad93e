"""Places with reads: what lies there is looked at, whatever the model's gates think of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from premir.scanner.find.loci import Loci
from premir.scanner.genome.tiles import Spans
from premir.scanner.report.evidence.reads.stacks import UNIT, Stacks, centres
from premir.scanner.report.evidence.reads.verdict import ENOUGH

LOWEST = 0.01
"""Least probability by the model of what is kept there. Perfect reads add 11 to log odds; with them
this becomes a probability of 0.998."""


@dataclass(frozen=True, slots=True)
class ReadPlaces:
    """Spares candidates with ten reads and more on their strand from gates and threshold.

    Attributes:
        libraries: files of stacks.
    """

    libraries: Sequence[Path]

    @property
    def min_prob(self) -> float:
        """Least probability of what is spared."""
        return LOWEST

    def __call__(self, loci: Loci, spans: Spans) -> npt.NDArray[np.bool_]:
        """Say which candidates are spared.

        Args:
            loci: N candidates.
            spans: of the tile that they belong to.

        Returns:
            bool (N,).
        """
        units = np.zeros(len(loci), np.int64)
        if not units.size:
            return units > 0
        offset = spans.contig_offset[np.searchsorted(spans.contig, loci.contig)]
        low, high = loci.start + offset, loci.end + offset
        for path in self.libraries:
            near = Stacks(path).reaching(int(low.min()), int(high.max()))
            centre = centres(near)
            order = np.argsort(centre, kind="stable")
            for strand in (1, -1):
                own = order[near["strand"][order] == strand]
                before = np.concatenate([[0], np.cumsum(near["weight"][own])])
                inside = np.searchsorted(centre[own], [2 * low, 2 * high - 1])
                here = loci.strand == strand
                units[here] += (before[inside[1]] - before[inside[0]])[here]
        return units >= ENOUGH * UNIT
