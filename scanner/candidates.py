"""Candidate hairpins of one span, on both strands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import UNKNOWN, Codes, encode, reverse_complement
from premir.kernels.stem_costs import HIGHEST, PLANT
from premir.kernels.stems import DEFAULT_COSTS, StemCosts, scan_stems, select_stems
from premir.scanner.batches import pack
from premir.scanner.genome import read_letters
from premir.scanner.shards import Loci
from premir.scanner.tiles import Span, Tile

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
    found: list[Loci] = []
    sequences: list[Codes] = []
    for span in tile.spans:
        origin = max(0, span.start - extractor.halo)
        end = min(span.contig_length, span.end + extractor.halo)
        letters = read_letters(store, span.contig_offset + origin, span.contig_offset + end)
        codes = encode(letters)
        unknown_before = np.concatenate([[0], np.cumsum(codes == UNKNOWN)])
        for strand in (1, -1):
            start, stop, energy = _on_strand(codes, span, origin, strand, extractor)
            known = unknown_before[stop] == unknown_before[start]
            start, stop, energy = start[known], stop[known], energy[known]
            if extractor.kind == "stems":
                start, stop = _with_context(unknown_before, start, stop, extractor.overhang)
            middle = (start + stop) // 2 + origin
            keep = (middle >= span.start) & (middle < span.end)
            start, stop, energy = start[keep], stop[keep], energy[keep]
            left, right = _with_context(unknown_before, start, stop, extractor.context_nt)
            found.append(
                Loci(
                    contig=np.full(start.size, span.contig, np.int32),
                    start=start + origin,
                    end=stop + origin,
                    strand=np.full(start.size, strand, np.int8),
                    stem_energy=energy,
                    folded_start=left + origin,
                    folded_end=right + origin,
                )
            )
            for a, b in zip(left, right, strict=True):
                sequences.append(codes[a:b] if strand > 0 else reverse_complement(codes[a:b]))
    return Loci.concatenate(found), *pack(sequences)


def _on_strand(
    codes: Codes, span: Span, origin: int, strand: int, extractor: Extractor
) -> tuple[_I64, _I64, npt.NDArray[np.int16]]:
    """Intervals in ``codes`` (plus strand, 0-based half-open) and stem energies, by position."""
    size = codes.size
    if extractor.kind == "windows":
        # Windows start at multiples of the step, counted from the strand's own 5' end.
        before = origin if strand > 0 else span.contig_length - origin - size
        last = size - min(WINDOW_LENGTH, span.contig_length)
        start = np.arange(-before % WINDOW_STEP, last + 1, WINDOW_STEP)
        start = start[size - start >= extractor.min_span]
        end = np.minimum(start + WINDOW_LENGTH, size)
        energy = np.zeros(start.size, np.int16)
    else:
        oriented = codes if strand > 0 else reverse_complement(codes)
        energies, spans = scan_stems(
            oriented,
            min_span=extractor.min_span,
            max_span=extractor.max_span - 2 * extractor.overhang,
            costs=extractor.costs,
        )
        start, end = select_stems(
            energies, spans, highest=extractor.highest_energy, radius=extractor.radius
        )
        centre = start + end - 1
        energy = energies[centre % 2, centre // 2]
    if strand > 0:
        return start, end, energy
    return size - end[::-1], size - start[::-1], energy[::-1]


def _with_context(
    unknown_before: npt.NDArray[Any], start: _I64, end: _I64, context: int
) -> tuple[_I64, _I64]:
    """Extend intervals by the context, clipped at both ends of the piece and at unknown letters."""
    left, right = start.copy(), end.copy()
    size = unknown_before.size - 1
    for _ in range(context):
        more = (left > 0) & (unknown_before[left] == unknown_before[np.maximum(left - 1, 0)])
        left -= more
        more = (right < size) & (
            unknown_before[right] == unknown_before[np.minimum(right + 1, size)]
        )
        right += more
    return left, right
