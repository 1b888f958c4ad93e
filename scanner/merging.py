"""From scored candidates to hits: which of several that overlap is reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.overlaps import KEPT, UNDECIDED, resolve_overlaps
from premir.scanner import shards
from premir.scanner.genome import Contig
from premir.scanner.regions import Intervals
from premir.scanner.rundir import RunDirectory
from premir.scanner.shards import Loci
from premir.scanner.tasks import read_scores
from premir.scanner.tiles import Tile

_I64: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scored:
    """Scored candidates of some tiles, as parallel arrays.

    Attributes:
        loci: where they lie.
        prob: float64 (N,), canonical probability.
        tile: int64 (N,), index of the tile whose shard holds them.
        row: int64 (N,), their rows in that shard.
    """

    loci: Loci
    prob: npt.NDArray[np.float64]
    tile: _I64
    row: _I64

    def take(self, index: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Scored:
        """Return those that an index or mask array selects."""
        return Scored(self.loci.take(index), self.prob[index], self.tile[index], self.row[index])


def read_scored(run: RunDirectory, tiles: Sequence[Tile], score_key: str) -> Scored:
    """Read the scored candidates of some tiles."""
    loci, probs, owners, rows = [], [], [], []
    for tile in tiles:
        row, prob = read_scores(run.scores(tile, score_key))
        loci.append(shards.read_loci(run.shard(tile)).take(row))
        probs.append(prob)
        owners.append(np.full(row.size, tile.index, np.int64))
        rows.append(row)
    return Scored(
        Loci.concatenate(loci),
        np.concatenate(probs),
        np.concatenate(owners),
        np.concatenate(rows),
    )


def groups_of_contigs(tiles: Sequence[Tile]) -> Iterator[list[Tile]]:
    """Group tiles, in the order of the genome, so that no contig stands in two groups."""
    group: list[Tile] = []
    for tile in sorted(tiles, key=lambda tile: (tile.spans[0].contig, tile.spans[0].start)):
        if group and tile.spans[0].contig > max(span.contig for span in group[-1].spans):
            yield group
            group = []
        group.append(tile)
    if group:
        yield group


def merge(
    scored: Scored,
    contigs: Sequence[Contig],
    *,
    longest: int,
    scanned: Intervals | None,
) -> tuple[Scored, npt.NDArray[np.bool_]]:
    """Choose among overlapping candidates, each strand by itself.

    Greedy by probability (descending), then length (descending), then the 5' coordinate in the
    hairpin's own orientation, so that the reverse complement of a genome gives the mirrored hits.

    Args:
        scored: candidates; all of a contig, as far as it was scanned.
        contigs: contigs of the genome.
        longest: longest possible candidate, in nt.
        scanned: which intervals were scanned, None for all.

    Returns:
        The hits by position, and for each whether it is certain: it is not where candidates beyond
        what was scanned might have displaced it.
    """
    offset = np.array([contig.offset for contig in contigs], np.int64)[scored.loci.contig]
    # Contigs do not overlap in the store, so positions there tell all of them apart.
    start, end = scored.loci.start + offset, scored.loci.end + offset
    forward = scored.loci.strand > 0
    five_prime = np.where(forward, start, -end)
    exposed = _exposed((start + end) // 2, contigs, longest, scanned)
    kept: list[_I64] = []
    certain: list[npt.NDArray[np.bool_]] = []
    for strand in (forward, ~forward):
        here = np.flatnonzero(strand)
        here = here[np.lexsort((end[here], start[here]))]
        rank = np.lexsort((five_prime[here], start[here] - end[here], -scored.prob[here]))
        state = resolve_overlaps(start[here], end[here], rank, exposed[here])
        chosen = (state == KEPT) | (state == UNDECIDED)
        kept.append(here[chosen])
        certain.append(state[chosen] == KEPT)
    index, sure = np.concatenate(kept), np.concatenate(certain)
    order = np.lexsort((~forward[index], end[index], start[index]))
    return scored.take(index[order]), sure[order]


def _exposed(
    middle: _I64, contigs: Sequence[Contig], longest: int, scanned: Intervals | None
) -> npt.NDArray[np.bool_]:
    """Whether candidates that were not scanned for might reach one with this mid-point."""
    exposed = np.zeros(middle.size, np.bool_)
    for number, parts in (scanned or {}).items():
        contig = contigs[number]
        for start, end in parts:
            # Two candidates that overlap have mid-points less than the longest length apart.
            for is_open, low, high in (
                (start > 0, start, min(start + longest, contig.length)),
                (end < contig.length, max(end - longest, 0), end),
            ):
                if is_open:
                    exposed |= (middle >= contig.offset + low) & (middle < contig.offset + high)
    return exposed


def inside(loci: Loci, intervals: Intervals) -> npt.NDArray[np.bool_]:
    """Whether the mid-point of each locus lies in one of the intervals."""
    middle = (loci.start + loci.end) // 2
    result = np.zeros(middle.size, np.bool_)
    for number, parts in intervals.items():
        for start, end in parts:
            result |= (loci.contig == number) & (middle >= start) & (middle < end)
    return result
