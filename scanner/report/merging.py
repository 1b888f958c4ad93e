"""From scored candidates to hits: which of several that overlap is reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.overlaps import KEPT, UNDECIDED, resolve_overlaps
from premir.scanner.find import shards
from premir.scanner.find.loci import Loci
from premir.scanner.genome.letters import Contigs
from premir.scanner.genome.regions import Intervals
from premir.scanner.genome.tiles import Tile
from premir.scanner.report.origin import store_places
from premir.scanner.report.table import HitTable
from premir.scanner.run.tasks import Job

_I64: TypeAlias = npt.NDArray[np.int64]


def read_scored(job: Job, tiles: Sequence[Tile]) -> HitTable:
    """Read the scored candidates of some tiles."""
    parts = []
    for tile in tiles:
        path = job.run.scores(tile, job.score_key)
        loci, log_odds = shards.read_loci(path), shards.read_scores(path).log_odds
        number, row = np.full(len(loci), tile.index, np.int64), np.arange(len(loci))
        parts.append(HitTable(loci, log_odds, number, row))
    return HitTable.concatenate(parts)


def groups_of_contigs(tiles: Sequence[Tile]) -> Iterator[list[Tile]]:
    """Group tiles, in the order of the genome, so that no contig stands in two groups."""
    group: list[Tile] = []
    for tile in sorted(tiles, key=lambda tile: (tile.spans.contig[0], tile.spans.start[0])):
        if group and tile.spans.contig[0] > group[-1].spans.contig[-1]:
            yield group
            group = []
        group.append(tile)
    if group:
        yield group


def merged_groups(
    job: Job, tiles: Sequence[Tile], contigs: Contigs, scanned: Intervals | None
) -> Iterator[tuple[HitTable, npt.NDArray[np.bool_]]]:
    """Read and merge what a scan scored, one group of contigs after another.

    Args:
        job: the scan.
        tiles: those that are done.
        contigs: contigs of the genome.
        scanned: which intervals they cover, None for all.

    Yields:
        As :func:`merge`.
    """
    for group in groups_of_contigs(tiles):
        scored = read_scored(job, group)
        yield merge(scored, contigs, longest=job.extractor.longest, scanned=scanned)


def merged_decoys(job: Job, tiles: Sequence[Tile], contigs: Contigs) -> HitTable:
    """Read and merge what a scan scored of decoys, each shuffle of the genome by itself."""
    numbers = sorted({tile.shuffle for tile in tiles if tile.shuffle is not None})
    return HitTable.concatenate(
        [
            hits
            for number in numbers
            for hits, _ in merged_groups(
                job, [tile for tile in tiles if tile.shuffle == number], contigs, None
            )
        ]
    )


def merge(
    scored: HitTable,
    contigs: Contigs,
    *,
    longest: int,
    scanned: Intervals | None,
) -> tuple[HitTable, npt.NDArray[np.bool_]]:
    """Choose among overlapping candidates, each strand by itself.

    Greedy by log odds (descending), then length (descending), then the 5' coordinate in the
    hairpin's own orientation, so that the reverse complement of a genome gives the mirrored hits.
    Those at both ends of a circular contig's turn overlap as any others.

    Args:
        scored: candidates; all of a contig, as far as it was scanned.
        contigs: contigs of the genome.
        longest: longest possible candidate, in nt.
        scanned: which intervals were scanned, None for all.

    Returns:
        The hits by position, and for each whether it is certain: it is not where candidates beyond
        what was scanned might have displaced it.
    """
    # Contigs do not overlap in the store, so positions there tell all of them apart.
    there = store_places(scored.loci, contigs)
    forward = scored.loci.strand > 0
    exposed = _exposed((there.start + there.end) // 2, contigs, longest, scanned)
    kept: list[_I64] = []
    certain: list[npt.NDArray[np.bool_]] = []
    for strand in (forward, ~forward):
        here = np.flatnonzero(strand[there.hit])
        here = here[np.lexsort((there.end[here], there.start[here]))]
        start, end = there.start[here], there.end[here]
        own = np.flatnonzero(here < len(scored))
        index = here[own]
        five_prime = _five_prime(scored.loci.take(index), contigs)
        rank = own[np.lexsort((five_prime, (start - end)[own], -scored.log_odds[index]))]
        itself = np.empty(len(scored), np.int64)
        itself[index] = own
        state = resolve_overlaps(start, end, rank, exposed[here], itself[there.hit[here]])[own]
        chosen = (state == KEPT) | (state == UNDECIDED)
        kept.append(index[chosen])
        certain.append(state[chosen] == KEPT)
    index, sure = np.concatenate(kept), np.concatenate(certain)
    order = np.lexsort((~forward[index], there.end[index], there.start[index]))
    return scored.take(index[order]), sure[order]


def _five_prime(loci: Loci, contigs: Contigs) -> _I64:
    """Return where loci of one strand begin, in their own orientation, so that it tells ties apart.

    On a circle there is no first: of those on a circular contig the one behind the widest gap is,
    wherever the file cuts.

    Args:
        loci: N of them, by position.
        contigs: of the genome.
    """
    start, end = loci.start.copy(), loci.end.copy()
    for number in np.unique(loci.contig[contigs.circular[loci.contig]]).tolist():
        here = np.flatnonzero(loci.contig == number)
        length = int(contigs.lengths[number])
        gaps = np.diff(start[here], append=start[here[0]] + length)
        late = here[: int(gaps.argmax()) + 1]
        start[late] += length
        end[late] += length
    return np.where(loci.strand > 0, start, -end)


def _exposed(
    middle: _I64, contigs: Contigs, longest: int, scanned: Intervals | None
) -> npt.NDArray[np.bool_]:
    """Whether candidates that were not scanned for might reach one with this mid-point."""
    exposed = np.zeros(middle.size, np.bool_)
    for number, parts in (scanned or {}).items():
        origin, (first, last) = int(contigs.offsets[number]), contigs.turn(number)
        for start, end in parts:
            # Two candidates that overlap have mid-points less than the longest length apart.
            for is_open, low, high in (
                (start > first, start, min(start + longest, last)),
                (end < last, max(end - longest, first), end),
            ):
                if is_open:
                    exposed |= (middle >= origin + low) & (middle < origin + high)
    return exposed


def inside(loci: Loci, intervals: Intervals) -> npt.NDArray[np.bool_]:
    """Whether the mid-point of each locus lies in one of the intervals."""
    middle = (loci.start + loci.end) // 2
    result = np.zeros(middle.size, np.bool_)
    for number, parts in intervals.items():
        for start, end in parts:
            result |= (loci.contig == number) & (middle >= start) & (middle < end)
    return result
