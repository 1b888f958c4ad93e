"""Candidate hairpins of a tile, on both strands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import UNKNOWN, Codes, encode, reverse_complement
from premir.kernels.cutting import cut
from premir.kernels.stem_costs import HIGHEST, PLANT
from premir.kernels.stems import DEFAULT_COSTS, StemCosts, scan_stems, select_stems
from premir.scanner.find.loci import Loci
from premir.scanner.genome.letters import read_pieces
from premir.scanner.genome.tiles import Spans, Tile

_I64: TypeAlias = npt.NDArray[np.int64]

WINDOW_LENGTH = 110
WINDOW_STEP = 10


@dataclass(frozen=True, slots=True)
class Extractor:
    """How candidates are found. All of it is part of a run's identity.

    Attributes:
        kind: ``stems`` for the stem scan, ``windows`` for fixed windows.
        max_span: longest candidate, in nt.
        min_span: shortest stem-loop, in nt; the shortest pre-miRNA of the benchmark sets has 45.
        highest_energy: stem energy above which there is no candidate, in centibits.
        radius: half-nucleotides around a centre within which only the best stem counts.
        overhang: nucleotides of a candidate on both sides of its stem's outermost pair. Hairpins in
            miRBase, from which networks learn, rarely end in a pair; with 3 nt the ends of
            candidates lie nearest to theirs (``kernels/stem_costs.py`` has the distances).
        context_nt: nucleotides folded on both sides with each candidate.
        costs: what the stem scan finds.
    """

    kind: str = "stems"
    max_span: int = 160
    min_span: int = 40
    highest_energy: int = HIGHEST
    radius: int = 20
    overhang: int = 3
    context_nt: int = 0
    costs: StemCosts = DEFAULT_COSTS

    @property
    def longest(self) -> int:
        """Longest candidate that can come out, in nt."""
        return WINDOW_LENGTH if self.kind == "windows" else self.max_span

    @property
    def halo(self) -> int:
        """Nucleotides on both sides of a core that may decide what its candidates are.

        A candidate reaches half its length beyond the core, rivals for its centre lie ``radius``
        half-nucleotides further and reach as far again, and what a pair of theirs costs depends on
        the composition of a window around its centre.
        """
        return self.longest + self.radius + self.context_nt + self.costs.window + 2


PRESETS = {
    "animal": Extractor(),
    "plant": Extractor(max_span=300, costs=StemCosts(**PLANT)),
    "virus": Extractor(max_span=120),
}
"""Span and loop limits by kind of genome.

Viral pre-miRNAs are made by their hosts' enzymes and the known ones are short: the limit keeps the
long inverted repeats of large DNA viruses out.
"""


@dataclass(frozen=True, slots=True)
class Pieces:
    """Letters of a tile's spans, each with its halo, one after another.

    Attributes:
        spans: the tile's.
        codes: uint8 (n,), plus strand.
        borders: int64 (M + 1,), where the piece of each span begins in ``codes``.
        shift: int64 (M,), what turns a position in ``codes`` into one on the contig.
        unknown_before: int32 (n + 1,), letters other than A, C, G, T, U before each position.
    """

    spans: Spans
    codes: Codes
    borders: _I64
    shift: _I64
    unknown_before: npt.NDArray[np.int32]

    @classmethod
    def whole(cls, sequences: Sequence[bytes]) -> Pieces:
        """Take whole contigs."""
        sizes = np.array([len(letters) for letters in sequences], np.int64)
        zero = np.zeros(sizes.size, np.int64)
        spans = Spans(np.arange(sizes.size), zero, sizes, zero, sizes)
        return cls._of(spans, encode(b"".join(sequences)), zero, sizes)

    @classmethod
    def read(cls, store: Path, spans: Spans, halo: int) -> Pieces:
        """Read spans and so many letters on both sides, as far as contigs go."""
        origin = np.maximum(spans.start - halo, 0)
        end = np.minimum(spans.end + halo, spans.contig_length)
        letters = read_pieces(store, spans.contig_offset + origin, spans.contig_offset + end)
        return cls._of(spans, encode(letters), origin, end)

    @classmethod
    def _of(cls, spans: Spans, codes: Codes, origin: _I64, end: _I64) -> Pieces:
        borders = np.concatenate([[0], np.cumsum(end - origin)])
        unknown_before = np.zeros(codes.size + 1, np.int32)
        np.cumsum(codes == UNKNOWN, out=unknown_before[1:])
        return cls(spans, codes, borders, origin - borders[:-1], unknown_before)

    def holding(self, position: _I64) -> _I64:
        """Return the index of the piece that holds each position in ``codes``."""
        return np.searchsorted(self.borders, position, side="right") - 1

    def known(self, start: _I64, end: _I64) -> npt.NDArray[np.bool_]:
        """Whether intervals hold only A, C, G, T and U."""
        answer: npt.NDArray[np.bool_] = self.unknown_before[end] == self.unknown_before[start]
        return answer

    def widened(self, start: _I64, end: _I64, by: int) -> tuple[_I64, _I64]:
        """Extend intervals on both sides, clipped at the ends of pieces and at unknown letters."""
        left, right = start.copy(), end.copy()
        piece = self.holding(start)
        first, last = self.borders[piece], self.borders[piece + 1]
        for _ in range(by):
            left -= (left > first) & self.known(np.maximum(left - 1, 0), left)
            right += (right < last) & self.known(right, np.minimum(right + 1, self.codes.size))
        return left, right


def find_candidates(store: Path, tile: Tile, extractor: Extractor) -> tuple[Loci, Codes, _I64]:
    """Find the candidates of a tile, on both strands.

    Args:
        store: the genome's letters.
        tile: where to look.
        extractor: how.

    Returns:
        The loci, sorted by span, strand and position; the codes to be folded for each (5' to 3',
        context included), packed; and their borders. Candidates with a letter other than A, C, G,
        T, U are left out.
    """
    return candidates_in(Pieces.read(store, tile.spans, extractor.halo), extractor)


def candidates_in(pieces: Pieces, extractor: Extractor) -> tuple[Loci, Codes, _I64]:
    """Find the candidates of pieces that are in memory; returns as :func:`find_candidates`."""
    plus, minus = (_on_strand(pieces, strand, extractor) for strand in (1, -1))
    loci = Loci.concatenate([plus, minus])
    piece = pieces.holding(loci.start)
    loci = loci.take(np.argsort(piece, kind="stable"))
    codes, borders = cut(pieces.codes, loci.folded_start, loci.folded_end, loci.strand)
    shift = pieces.shift[np.sort(piece)]
    for column in (loci.start, loci.end, loci.folded_start, loci.folded_end):
        column += shift
    return loci, codes, borders


def _on_strand(pieces: Pieces, strand: int, extractor: Extractor) -> Loci:
    """Candidates of one strand by position, with coordinates in ``pieces.codes``."""
    find = _windows if extractor.kind == "windows" else _stems
    start, end, energy = find(pieces, strand, extractor)
    known = pieces.known(start, end)
    start, end, energy = start[known], end[known], energy[known]
    if extractor.kind == "stems":
        start, end = pieces.widened(start, end, extractor.overhang)
    piece = pieces.holding(start)
    middle = (start + end) // 2 + pieces.shift[piece]
    keep = (middle >= pieces.spans.start[piece]) & (middle < pieces.spans.end[piece])
    start, end, energy = start[keep], end[keep], energy[keep]
    left, right = pieces.widened(start, end, extractor.context_nt)
    return Loci(
        contig=pieces.spans.contig[piece[keep]].astype(np.int32),
        start=start,
        end=end,
        strand=np.full(start.size, strand, np.int8),
        stem_energy=energy,
        folded_start=left,
        folded_end=right,
    )


def _stems(
    pieces: Pieces, strand: int, extractor: Extractor
) -> tuple[_I64, _I64, npt.NDArray[np.int16]]:
    """Stem-loops, the best around their centres: start, end and energy, by position."""
    size = pieces.codes.size
    codes, borders = pieces.codes, pieces.borders
    if strand < 0:
        codes, borders = reverse_complement(codes), size - borders[::-1]
    energies, spans = scan_stems(
        codes,
        min_span=extractor.min_span,
        max_span=extractor.max_span - 2 * extractor.overhang,
        costs=extractor.costs,
        borders=borders,
    )
    start, end = select_stems(
        energies,
        spans,
        highest=extractor.highest_energy,
        radius=extractor.radius,
        borders=borders,
    )
    centre = start + end - 1
    energy = energies[centre % 2, centre // 2]
    if strand > 0:
        return start, end, energy
    return size - end[::-1], size - start[::-1], energy[::-1]


def _windows(
    pieces: Pieces, strand: int, extractor: Extractor
) -> tuple[_I64, _I64, npt.NDArray[np.int16]]:
    """Fixed windows, at multiples of the step from their strand's own 5' end, by position."""
    starts, ends = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for n, span in enumerate(pieces.spans):
        first, last = int(pieces.borders[n]), int(pieces.borders[n + 1])
        size, origin = last - first, first + int(pieces.shift[n])
        before = origin if strand > 0 else span.contig_length - origin - size
        final = size - min(WINDOW_LENGTH, span.contig_length)
        start = np.arange(-before % WINDOW_STEP, final + 1, WINDOW_STEP)
        start = start[size - start >= extractor.min_span]
        end = np.minimum(start + WINDOW_LENGTH, size)
        if strand < 0:
            start, end = size - end[::-1], size - start[::-1]
        starts.append(first + start)
        ends.append(first + end)
    start, end = np.concatenate(starts), np.concatenate(ends)
    return start, end, np.zeros(start.size, np.int16)
