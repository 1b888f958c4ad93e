"""Which hits lie on both strands of one place: the reverse complement of a hairpin is one too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.scanner.genome.letters import Contigs
from premir.scanner.report.columns import Column
from premir.scanner.report.evidence.overlaps import overlapping
from premir.scanner.report.evidence.track import Track
from premir.scanner.report.material import Material
from premir.scanner.report.origin import from_the_cut, store_places
from premir.scanner.report.table import HitTable

_I64 = npt.NDArray[np.int64]


def partners(table: HitTable, contigs: Contigs) -> _I64:
    """Return for each hit the one on the other strand that shares most letters with it.

    It shares at least half of the shorter one, as hits do that contest each other on one strand.
    Of several that share equally many the one with the higher log odds counts, of equal ones the
    one nearer to the hit's 5' end, so that the reverse complement of a genome has the same pairs.

    Args:
        table: N hits.
        contigs: of the genome.

    Returns:
        int64 (N,), index of the partner, -1 where there is none.
    """
    own, other, shared, distance = _pairs(table, contigs)
    order = np.lexsort((distance, -table.total[other], -shared, own))
    owners, best = np.unique(own[order], return_index=True)
    found = np.full(len(table), -1, np.int64)
    found[owners] = other[order][best]
    return found


def worse(table: HitTable, contigs: Contigs) -> npt.NDArray[np.bool_]:
    """Return which hits have a better one on the other strand: higher log odds.

    It shares at least half of the shorter one. Of equal ones that on the plus strand counts as the
    better. What is left out so depends on the hits beside it alone, wherever a region ends.

    Args:
        table: N hits.
        contigs: of the genome.

    Returns:
        bool (N,).
    """
    own, other, _, _ = _pairs(table, contigs)
    total, forward = table.total, table.loci.strand > 0
    outdone = (total[other] > total[own]) | ((total[other] == total[own]) & forward[other])
    found = np.zeros(len(table), np.bool_)
    found[own[outdone]] = True
    return found


def mirror(table: HitTable, material: Material) -> Sequence[npt.NDArray[Any]]:
    """Return names and log odds of the partners, None and NaN where there is none."""
    contigs = material.genome.contigs
    found = partners(table, contigs)
    names = np.full(len(table), None, object)
    log_odds = np.full(len(table), np.nan)
    here = np.flatnonzero(found >= 0)
    other = found[here]
    log_odds[here] = table.total[other]
    names[here] = from_the_cut(table.loci.take(other), contigs).names(contigs.names)
    return names, log_odds


TRACK = Track(
    name="mirror",
    columns=(
        Column(
            "mirror", str, "name of the hit on the other strand that shares most letters with this "
            "one, and at least half of the shorter", optional=True,
        ),
        Column(
            "mirror_log_odds", float, "log_odds of that hit", form=".6f", optional=True,
        ),
    ),
    compute=mirror,
    late=True,
)  # fmt: skip


def _pairs(table: HitTable, contigs: Contigs) -> tuple[_I64, _I64, _I64, _I64]:
    """Pair hits on different strands that share half of the shorter one.

    Each pair is there twice, with either of them first. How much they share comes third, and fourth
    how far on the second lies, in the 5' to 3' direction of the first.
    """
    loci = table.loci
    there = store_places(loci, contigs)
    start, end, forward = there.start, there.end, loci.strand[there.hit] > 0
    plus, minus = np.flatnonzero(forward[: len(loci)]), np.flatnonzero(~forward)
    one, two = overlapping(start[plus], end[plus], start[minus], end[minus])
    one, two = plus[one], minus[two]
    own, other = np.concatenate([one, two]), np.concatenate([two, one])
    shared = np.minimum(end[own], end[other]) - np.maximum(start[own], start[other])
    near = 2 * shared >= np.minimum((end - start)[own], (end - start)[other])
    distance = np.where(forward[own], start[other] - start[own], end[own] - end[other])
    return there.hit[own[near]], there.hit[other[near]], shared[near], distance[near]
