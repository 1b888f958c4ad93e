"""Tiles: pieces of work. A candidate belongs to the tile whose core holds its mid-point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, overload

import numpy as np
import numpy.typing as npt

from premir.scanner.genome.letters import Contigs
from premir.scanner.genome.regions import Intervals

_I64: TypeAlias = npt.NDArray[np.int64]

TILE_SIZE = 1_000_000
"""Most nucleotides of a tile where nobody asks for something else."""


@dataclass(frozen=True, slots=True)
class Span:
    """A core: the part of one contig that a tile answers for.

    Attributes:
        contig: index of the contig.
        contig_offset: where the contig's letters begin in the store.
        contig_length: in nt.
        line_length: letters that the store holds of it (:mod:`premir.scanner.genome.circular`).
        start: first position of the core on that line, 0-based.
        end: position after its last.
    """

    contig: int
    contig_offset: int
    contig_length: int
    line_length: int
    start: int
    end: int

    @property
    def turns(self) -> int:
        """Nucleotides of whole turns before ``start``: 0 on a linear contig."""
        return self.start // self.contig_length * self.contig_length


@dataclass(frozen=True, slots=True, eq=False)
class Spans(Sequence[Span]):
    """Spans of a tile, of which there may be thousands, as parallel columns.

    Attributes:
        contig: int64 (M,), as in :class:`Span`.
        contig_offset: int64 (M,).
        contig_length: int64 (M,).
        line_length: int64 (M,).
        start: int64 (M,).
        end: int64 (M,).
    """

    contig: _I64
    contig_offset: _I64
    contig_length: _I64
    line_length: _I64
    start: _I64
    end: _I64

    def __len__(self) -> int:
        return int(self.start.size)

    @overload
    def __getitem__(self, n: int) -> Span: ...
    @overload
    def __getitem__(self, n: slice) -> Spans: ...
    def __getitem__(self, n: int | slice) -> Span | Spans:
        columns = (
            *(self.contig, self.contig_offset, self.contig_length, self.line_length),
            *(self.start, self.end),
        )
        if isinstance(n, slice):
            return Spans(*(column[n] for column in columns))
        return Span(*(int(column[n]) for column in columns))


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """Spans that are worked on together, both strands.

    Attributes:
        index: position in the plan, of the genome's tiles or of its decoys'.
        spans: one piece of a large contig, or several small contigs.
        shuffle: which shuffle of the genome's letters it is a tile of
            (:mod:`premir.scanner.genome.decoys`); None for the letters as they are.
    """

    index: int
    spans: Spans
    shuffle: int | None = None

    @property
    def is_decoy(self) -> bool:
        """Whether its letters are shuffled."""
        return self.shuffle is not None

    @property
    def name(self) -> str:
        """Names its files."""
        return f"{'decoy' if self.is_decoy else 'tile'}-{self.index:06d}"

    @property
    def length(self) -> int:
        """Nucleotides in all cores."""
        return int((self.spans.end - self.spans.start).sum())


def megabases_of(tiles: Iterable[Tile]) -> float:
    """Return the length of some tiles, without their halos."""
    return sum(tile.length for tile in tiles) / 1e6


def plan_tiles(
    intervals: Intervals | None,
    contigs: Contigs,
    *,
    tile_size: int,
    first_index: int = 0,
    shuffle: int | None = None,
) -> list[Tile]:
    """Cut intervals into tiles: long ones into pieces, short ones packed together.

    Args:
        intervals: what to scan; None for everything.
        contigs: contigs of the genome.
        tile_size: most nucleotides in a piece, and where packing stops.
        first_index: index of the first tile.
        shuffle: of the tiles.

    Returns:
        Tiles in the order of the genome; their cores are disjoint and cover the intervals.
    """
    if intervals is None:
        number, start = np.arange(len(contigs)), contigs.first
        end = start + contigs.lengths
    else:
        rows = [(n, a, b) for n, parts in sorted(intervals.items()) for a, b in parts]
        number, start, end = np.array(rows, np.int64).reshape(-1, 3).T
    pieces = -((start - end) // tile_size)
    source = np.repeat(np.arange(pieces.size), pieces)
    rank = np.arange(source.size) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    number, start, end = number[source], start[source] + rank * tile_size, end[source]
    end = np.minimum(start + tile_size, end)
    offset, length = contigs.offsets[number], contigs.lengths[number]
    spans = Spans(number, offset, length, contigs.lines[number], start, end)
    # Greedy packing: each tile takes spans as long as they fit.
    total = np.concatenate([[0], np.cumsum(end - start)])
    tiles: list[Tile] = []
    first = 0
    while first < len(spans):
        last = int(np.searchsorted(total, total[first] + tile_size, side="right")) - 1
        tiles.append(Tile(first_index + len(tiles), spans[first:last], shuffle))
        first = last
    return tiles


def place(tile: Tile, contigs: Contigs) -> str:
    """Say where a tile lies, as users write regions: 1-based inclusive.

    On a circular contig it may end beyond the length, as hits do.
    """
    first, last = tile.spans[0], tile.spans[-1]
    begin = f"{contigs.names[first.contig]}:{first.start - first.turns + 1}"
    name, end = contigs.names[last.contig], last.end - last.turns
    what = "decoys of " if tile.is_decoy else ""
    if len(tile.spans) == 1:
        return f"{what}{begin}-{end}"
    return f"{what}{begin} to {name}:{end} ({len(tile.spans)} pieces)"
