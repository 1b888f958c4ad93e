"""Which hits lie on both strands of one place: the reverse complement of a hairpin is one too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.scanner.report.columns import Column
from premir.scanner.report.evidence.overlaps import overlapping
from premir.scanner.report.evidence.track import Track
from premir.scanner.report.material import Material
from premir.scanner.report.table import HitTable

_I64 = npt.NDArray[np.int64]


def partners(table: HitTable, contig_offsets: _I64) -> _I64:
    """Return for each hit the one on the other strand that shares most letters with it.

    It shares at least half of the shorter one, as hits do that contest each other on one strand.
    Of several that share equally many the one with the higher log odds counts, of equal ones the
    one nearer to the hit's 5' end, so that the reverse complement of a genome has the same pairs.

    Args:
        table: N hits.
        contig_offsets: where contigs begin in the store.

    Returns:
        int64 (N,), index of the partner, -1 where there is none.
    """
    loci = table.loci
    own, other, shared = _pairs(table, contig_offsets)
    place = np.where(loci.strand[own] > 0, loci.start[other], -loci.end[other])
    order = np.lexsort((place, -table.total[other], -shared, own))
    owners, best = np.unique(own[order], return_index=True)
    found = np.full(len(table), -1, np.int64)
    found[owners] = other[order][best]
    return found


def worse(table: HitTable, contig_offsets: _I64) -> npt.NDArray[np.bool_]:
    """Return which hits have a better one on the other strand: higher log odds.

    It shares at least half of the shorter one. Of equal ones that on the plus strand counts as the
    better. What is left out so depends on the hits beside it alone, wherever a region ends.

    Args:
        table: N hits.
        contig_offsets: where contigs begin in the store.

    Returns:
        bool (N,).
    """
    own, other, _ = _pairs(table, contig_offsets)
    total, forward = table.total, table.loci.strand > 0
    outdone = (total[other] > total[own]) | ((total[other] == total[own]) & forward[other])
    found = np.zeros(len(table), np.bool_)
    found[own[outdone]] = True
    return found


def mirror(table: HitTable, material: Material) -> Sequence[npt.NDArray[Any]]:
    """Return names and log odds of the partners, None and NaN where there is none."""
    contigs = material.genome.contigs
    found = partners(table, contigs.offsets)
    names = np.full(len(table), None, object)
    log_odds = np.full(len(table), np.nan)
    here = np.flatnonzero(found >= 0)
    other = found[here]
    log_odds[here] = table.total[other]
    names[here] = table.take(other).loci.names(contigs.names)
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


def _pairs(table: HitTable, contig_offsets: _I64) -> tuple[_I64, _I64, _I64]:
    """Pair hits on different strands that share half of the shorter one; how much, comes third.

    Each pair is there twice, with either of them first.
    """
    loci = table.loci
    offset = contig_offsets[loci.contig]
    start, end, forward = loci.start + offset, loci.end + offset, loci.strand > 0
    plus, minus = np.flatnonzero(forward), np.flatnonzero(~forward)
    one, two = overlapping(start[plus], end[plus], start[minus], end[minus])
    one, two = plus[one], minus[two]
    own, other = np.concatenate([one, two]), np.concatenate([two, one])
    shared = np.minimum(end[own], end[other]) - np.maximum(start[own], start[other])
    near = 2 * shared >= np.minimum((end - start)[own], (end - start)[other])
    return own[near], other[near], shared[near]
