"""Tiles: pieces of work. A candidate belongs to the tile whose core holds its mid-point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from premir.scanner.genome import Contig
from premir.scanner.regions import Intervals


@dataclass(frozen=True, slots=True)
class Span:
    """A core: the part of one contig that a tile answers for.

    Attributes:
        contig: index of the contig.
        contig_offset: where the contig's letters begin in the store.
        contig_length: in nt.
        start: first position of the core, 0-based.
        end: position after its last.
    """

    contig: int
    contig_offset: int
    contig_length: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tile:
    """Spans that are worked on together, both strands.

    Attributes:
        index: position in the plan; names the tile's files.
        spans: one piece of a large contig, or several small contigs.
    """

    index: int
    spans: tuple[Span, ...]

    @property
    def length(self) -> int:
        """Nucleotides in all cores."""
        return sum(span.end - span.start for span in self.spans)


def plan_tiles(
    intervals: Intervals, contigs: Sequence[Contig], *, tile_size: int, first_index: int = 0
) -> list[Tile]:
    """Cut intervals into tiles: long ones into pieces, short ones packed together.

    Args:
        intervals: what to scan.
        contigs: contigs of the genome.
        tile_size: most nucleotides in a piece, and where packing stops.
        first_index: index of the first tile.

    Returns:
        Tiles in the order of the genome; their cores are disjoint and cover the intervals.
    """
    tiles: list[Tile] = []
    packed: list[Span] = []
    size = 0

    def close() -> None:
        nonlocal packed, size
        if packed:
            tiles.append(Tile(first_index + len(tiles), tuple(packed)))
            packed, size = [], 0

    for number, parts in sorted(intervals.items()):
        contig = contigs[number]
        for start, end in parts:
            for a in range(start, end, tile_size):
                b = min(a + tile_size, end)
                if size + b - a > tile_size:
                    close()
                packed.append(Span(number, contig.offset, contig.length, a, b))
                size += b - a
    close()
    return tiles


def whole(contigs: Sequence[Contig]) -> Intervals:
    """Return the intervals that cover every contig."""
    return {number: [(0, contig.length)] for number, contig in enumerate(contigs)}
