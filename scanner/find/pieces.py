"""Letters of a tile, with what surrounds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import UNKNOWN, Codes, encode
from premir.scanner.genome.decoys import shuffled, whole_blocks
from premir.scanner.genome.letters import Store, read_pieces
from premir.scanner.genome.tiles import Spans, Tile

_I64: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Letters of a tile's spans, each with its halo, one after another.

    Attributes:
        spans: the tile's.
        codes: uint8 (n,), plus strand.
        borders: int64 (M + 1,), where the piece of each span begins in ``codes``.
        shift: int64 (M,), what turns a position in ``codes`` into one on the contig's line.
        unknown_before: int32 (n + 1,), letters other than A, C, G, T, U before each position.
    """

    spans: Spans
    codes: Codes
    borders: _I64
    shift: _I64
    unknown_before: npt.NDArray[np.int32]

    @classmethod
    def read(cls, store: Store, tile: Tile, halo: int) -> Pieces:
        """Read the spans of a tile and at least so many letters on both sides, where there are."""
        spans = tile.spans
        origin = np.maximum(spans.start - halo, 0)
        end = np.minimum(spans.end + halo, spans.line_length)
        if tile.shuffle is not None:
            origin, end = whole_blocks(origin, end, spans.line_length)
        letters = read_pieces(store, spans.contig_offset + origin, spans.contig_offset + end)
        codes = encode(letters)
        borders = np.concatenate([[0], np.cumsum(end - origin)])
        if tile.shuffle is not None:
            codes = shuffled(codes, borders, origin, tile.shuffle)
        unknown_before = np.zeros(codes.size + 1, np.int32)
        np.cumsum(codes == UNKNOWN, out=unknown_before[1:])
        return cls(spans, codes, borders, origin - borders[:-1], unknown_before)

    @property
    def in_cores(self) -> tuple[_I64, _I64]:
        """Where the tile's cores begin and end in ``codes``, int64 (M,) each."""
        return self.spans.start - self.shift, self.spans.end - self.shift

    def belong(self, start: _I64, end: _I64) -> npt.NDArray[np.bool_]:
        """Whether intervals have their mid-points in a core, so that they are the tile's own."""
        piece = self.holding(start)
        middle = (start + end) // 2 + self.shift[piece]
        own: npt.NDArray[np.bool_] = (middle >= self.spans.start[piece]) & (
            middle < self.spans.end[piece]
        )
        return own

    def holding(self, position: _I64) -> _I64:
        """Return the index of the piece that holds each position in ``codes``."""
        return np.searchsorted(self.borders, position, side="right") - 1

    def known(self, start: _I64, end: _I64, unknown: float = 0.0) -> npt.NDArray[np.bool_]:
        """Whether no more than a share of the letters of intervals is not A, C, G, T or U."""
        held = self.unknown_before[end] - self.unknown_before[start]
        answer: npt.NDArray[np.bool_] = held <= unknown * (end - start)
        return answer

    def widened(self, start: _I64, end: _I64, by: int, unknown: float = 0.0) -> tuple[_I64, _I64]:
        """Extend intervals on both sides, clipped at the ends of pieces.

        Where more than a share of the letters would be unknown, they are clipped at the first
        unknown letter on either side as well.
        """
        piece = self.holding(start)
        first, last = self.borders[piece], self.borders[piece + 1]
        left, right = np.maximum(start - by, first), np.minimum(end + by, last)
        cut = np.flatnonzero(~self.known(left, right, unknown))
        left[cut], right[cut] = start[cut], end[cut]
        for _ in range(by):
            one = left[cut] - 1
            left[cut] -= (one >= first[cut]) & self.known(np.maximum(one, 0), one + 1)
            one = right[cut] + 1
            right[cut] += (one <= last[cut]) & self.known(one - 1, np.minimum(one, last[cut]))
        return left, right
