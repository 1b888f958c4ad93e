"""Sightings: the reads of hits, found among the stacks of libraries and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from premir.scanner.report.evidence.reads.pattern import Pattern, Reads
from premir.scanner.report.evidence.reads.stacks import Stacks, centres, combined
from premir.scanner.report.evidence.reads.verdict import Verdict, verdict_of
from premir.scanner.report.material import Material
from premir.scanner.report.origin import store_places
from premir.scanner.report.table import HitTable

FLANK = 30
"""Nucleotides on either side of a hit in which reads are counted as flank."""

_I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the reads of a hit are.

    Attributes:
        pattern: beside the fold.
        verdict: of them.
        shared: share of the reads that have other places too.
        flank: units of reads beside the hit and in no other.
        libraries: how many have reads on the hit's strand.
        mirrored: units of reads that have an exact mirror on the other strand, and of the mirrors.
        place: turns an interval of the hairpin into one of the contig's line.
    """

    pattern: Pattern
    verdict: Verdict
    shared: float
    flank: int
    libraries: int
    mirrored: int
    place: Callable[[int, int], tuple[int, int]]


def sightings(
    table: HitTable, material: Material, libraries: Sequence[Stacks]
) -> Iterator[tuple[int, Sighting]]:
    """Judge the hits that have reads on either strand.

    Args:
        table: N hits by position.
        material: their folds.
        libraries: stacks of each.

    Yields:
        The numbers of hits with reads, by position, and what these are.
    """
    offset = material.genome.contigs.offsets[table.loci.contig]
    low, high = table.loci.start + offset, table.loci.end + offset
    there = store_places(table.loci, material.genome.contigs)
    strands = table.loci.strand[there.hit]
    covered = {strand: _Covered.by(there.start, there.end, strands == strand) for strand in (1, -1)}
    near = np.flatnonzero(_any_inside(libraries, low, high))
    at = 0
    for chunk in material.chunks(table.take(near)):
        loci = chunk.hits.loci
        for n in range(len(loci)):
            hit = int(near[at])
            at += 1
            pairs = chunk.hairpins[n][1]
            strand = int(loci.strand[n])
            own = int(low[hit]), int(high[hit])
            folded = int(loci.folded_start[n]), int(loci.folded_end[n])
            sighting = _sighting(
                [each.reaching(own[0] - FLANK, own[1] + FLANK) for each in libraries],
                pairs, own, strand, folded, int(offset[hit]), covered[strand],
            )  # fmt: skip
            if sighting is not None:
                yield hit, sighting


def _any_inside(libraries: Sequence[Stacks], low: _I64, high: _I64) -> npt.NDArray[np.bool_]:
    """Whether hits have reads, which saves reading the folds of those without any."""
    result = np.zeros(low.size, np.bool_)
    for library in libraries:
        for piece in library.pieces():
            centre = np.sort(centres(piece))
            result |= np.searchsorted(centre, 2 * low) < np.searchsorted(centre, 2 * high - 1)
    return result


@dataclass(frozen=True, slots=True)
class _Covered:
    """Which positions lie in hits of one strand.

    Attributes:
        starts: int64 (N,), rising.
        ends: int64 (N,), rising.
    """

    starts: _I64
    ends: _I64

    @classmethod
    def by(cls, low: _I64, high: _I64, which: npt.NDArray[np.bool_]) -> _Covered:
        return cls(np.sort(low[which]), np.sort(high[which]))

    def holds(self, centre: _I64) -> npt.NDArray[np.bool_]:
        """Whether twice a mid-point lies in a hit."""
        begun = np.searchsorted(2 * self.starts, centre, side="right")
        ended = np.searchsorted(2 * self.ends - 1, centre, side="left")
        answer: npt.NDArray[np.bool_] = begun > ended
        return answer


def _sighting(
    libraries: Sequence[npt.NDArray[Any]],
    pairs: npt.NDArray[np.int16],
    own: tuple[int, int],
    strand: int,
    folded: tuple[int, int],
    offset: int,
    covered: _Covered,
) -> Sighting | None:
    """Judge one hit by the stacks around it; None where none lies on it."""
    low, high = own
    held = [_inside(each, low, high) for each in libraries]
    inside = combined(np.concatenate(held))
    if not inside.size:
        return None
    sense = inside[inside["strand"] == strand]
    around = np.concatenate(libraries)
    around = around[around["strand"] == strand]
    beside = ~covered.holds(centres(around)) & _within(around, low - FLANK, high + FLANK)

    def place(start: int, end: int) -> tuple[int, int]:
        if strand > 0:
            return folded[0] + start, folded[0] + end
        return folded[1] - end, folded[1] - start

    start, end = sense["start"] - offset, sense["start"] + sense["length"] - offset
    if strand > 0:
        start, end = start - folded[0], end - folded[0]
    else:
        start, end = folded[1] - end, folded[1] - start
    reads = Reads(start, end, sense["weight"])
    antisense = int(inside["weight"].sum()) - reads.total()
    pattern = Pattern(pairs, reads, antisense, places=int(inside.size))
    return Sighting(
        pattern,
        verdict_of(pattern),
        shared=int(sense["shared"].sum()) / max(pattern.total, 1),
        flank=int(around["weight"][beside].sum()),
        libraries=sum(bool((each["strand"] == strand).any()) for each in held),
        mirrored=_mirrored(inside),
        place=place,
    )


def _within(stacks: npt.NDArray[Any], low: int, high: int) -> npt.NDArray[np.bool_]:
    """Whether mid-points lie in an interval."""
    centre = centres(stacks)
    answer: npt.NDArray[np.bool_] = (centre >= 2 * low) & (centre <= 2 * (high - 1))
    return answer


def _inside(stacks: npt.NDArray[Any], low: int, high: int) -> npt.NDArray[Any]:
    return stacks[_within(stacks, low, high)]


def _mirrored(stacks: npt.NDArray[Any]) -> int:
    """Units of stacks that lie on both strands, as far as they match each other."""
    one, two = stacks[:-1], stacks[1:]  # by start, length and strand: mirrors are neighbours
    both = (one["start"] == two["start"]) & (one["length"] == two["length"])
    return 2 * int(np.minimum(one["weight"], two["weight"])[both].sum())
