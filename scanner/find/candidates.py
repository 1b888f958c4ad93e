"""Candidates: from letters to folded hairpins, on both strands, without a run or a model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes, reverse_complement
from premir.kernels.cutting import cut
from premir.kernels.pairing import Offsets
from premir.kernels.stems import StemCosts, scan_stems, select_stems
from premir.scanner.find.folding import Folder
from premir.scanner.find.hairpins import Hairpins, gather
from premir.scanner.find.loci import Loci
from premir.scanner.find.pieces import Pieces
from premir.scanner.find.stem_costs import ANIMAL, HIGHEST, PLANT
from premir.scanner.genome.letters import OpenGenome, Store
from premir.scanner.genome.tiles import TILE_SIZE, Tile, plan_tiles

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
            candidates lie nearest to theirs (``stem_costs.json`` has the distances).
        context_nt: nucleotides folded on both sides with each candidate.
        unknown_letters: share of letters other than A, C, G, T, U that what is folded may hold.
        costs: what the stem scan finds.
    """

    kind: str = "stems"
    max_span: int = 160
    min_span: int = 40
    highest_energy: int = HIGHEST
    radius: int = 20
    overhang: int = 3
    context_nt: int = 0
    unknown_letters: float = 0.0
    costs: StemCosts = ANIMAL

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
    "plant": Extractor(max_span=300, costs=PLANT),
    "virus": Extractor(max_span=120),
}
"""Span and loop limits by kind of genome.

Viral pre-miRNAs are made by their hosts' enzymes and the known ones are short: the limit keeps the
long inverted repeats of large DNA viruses out.
"""
KINDS = {"animal": "animal", "plant": "plant", "virus": "animal"}
"""Whose enzymes make what a preset looks for."""


Keep: TypeAlias = Callable[[Loci, Codes, Offsets], npt.NDArray[np.bool_]]
"""Says which candidates are worth folding, from their loci and from what would be folded of each:
codes, packed, and their borders."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates of a tile, and how they fold.

    Attributes:
        loci: where they lie, sorted by span, strand and position.
        codes: uint8 (T,), what is folded of each (5' to 3', context included), packed.
        offsets: int64 (N + 1,), their borders in ``codes``.
        hairpins: their folds; None where nothing was to be folded.
        found: how many there were, before some were kept.
        passed_over: what of the tile could hold or be no candidate, counted by reason:
            ``short_contigs``, shorter than any candidate; ``unknown_letters``, others than A, C, G,
            T, U; ``with_unknown_letters``, stem-loops or windows that hold too many such letters.
        seconds: of CPU that it took, by stage.
    """

    loci: Loci
    codes: Codes
    offsets: Offsets
    hairpins: Hairpins | None
    found: int
    passed_over: dict[str, int]
    seconds: dict[str, float]


def candidates_of(
    genome: OpenGenome,
    extractor: Extractor,
    folder: Folder | None,
    keep: Keep | None = None,
    *,
    tile_size: int = TILE_SIZE,
) -> Iterator[Candidates]:
    """Find and fold the candidates of a genome, tile by tile, in bounded memory.

    Needs neither a run nor a model.

    Args:
        genome: where to look: :meth:`~premir.scanner.genome.letters.OpenGenome.of` sequences, or
            :func:`~premir.scanner.genome.letters.open_genome` a FASTA file.
        extractor: how candidates are found.
        folder: folds them; None where only candidates are wanted.
        keep: chooses those that are worth folding; all where None.
        tile_size: most nucleotides that are worked on together; candidates do not depend on it.
    """
    for tile in plan_tiles(None, genome.contigs, tile_size=tile_size):
        yield candidates_of_tile(genome.store, tile, extractor, folder, keep)


def candidates_of_tile(
    store: Store,
    tile: Tile,
    extractor: Extractor,
    folder: Folder | None,
    keep: Keep | None = None,
) -> Candidates:
    """Find and fold the candidates of one tile, on both strands.

    Args:
        store: the genome's letters.
        tile: where to look.
        extractor: how candidates are found.
        folder: folds them; None where only candidates are wanted.
        keep: chooses those that are worth folding; all where None.

    Returns:
        The candidates that are kept. Those with too many letters other than A, C, G, T, U are left
        out.
    """
    started = time.thread_time()
    pieces = Pieces.read(store, tile, extractor.halo)
    loci, codes, offsets, passed_over = _find(pieces, extractor)
    found, looked = len(loci), time.thread_time()
    if keep is not None:
        kept = np.flatnonzero(keep(loci, codes, offsets))
        flat, offsets = gather(offsets, kept)
        loci, codes = loci.take(kept), codes[flat]
    gated = time.thread_time() - looked
    seconds = {"candidates": looked - started, "gates": gated, "folding": 0.0}
    hairpins = None
    if folder is not None:
        begun = folder.clock()
        hairpins = folder.fold(codes, offsets)
        seconds["folding"] = folder.clock() - begun
    return Candidates(loci, codes, offsets, hairpins, found, passed_over, seconds)


def _find(pieces: Pieces, extractor: Extractor) -> tuple[Loci, Codes, Offsets, dict[str, int]]:
    """Find candidates: loci, what is to be folded of each, packed, its borders, what is none."""
    (plus, left), (minus, right) = (_on_strand(pieces, strand, extractor) for strand in (1, -1))
    loci = Loci.concatenate([plus, minus])
    piece = pieces.holding(loci.start)
    loci = loci.take(np.argsort(piece, kind="stable"))
    codes, borders = cut(pieces.codes, loci.folded_start, loci.folded_end, loci.strand)
    shift = pieces.shift[np.sort(piece)]
    for column in (loci.start, loci.end, loci.folded_start, loci.folded_end):
        column += shift
    spans, (first, last) = pieces.spans, pieces.in_cores
    passed_over = {
        "short_contigs": int(
            ((spans.contig_length < extractor.min_span) & (spans.start == 0)).sum()
        ),
        "unknown_letters": int((pieces.unknown_before[last] - pieces.unknown_before[first]).sum()),
        "with_unknown_letters": left + right,
    }
    return loci, codes, borders, passed_over


def _on_strand(pieces: Pieces, strand: int, extractor: Extractor) -> tuple[Loci, int]:
    """Candidates of one strand by position, with coordinates in ``pieces.codes``.

    How many were none, as they hold too many unknown letters, comes with them.
    """
    find = _windows if extractor.kind == "windows" else _stems
    first, last, energy = find(pieces, strand, extractor)
    start, end, most = first, last, extractor.unknown_letters
    if extractor.kind == "stems":
        start, end = pieces.widened(start, end, extractor.overhang, most)
    left, right = pieces.widened(start, end, extractor.context_nt, most)
    known = pieces.known(left, right, most)
    unknown = int(pieces.belong(first[~known], last[~known]).sum())
    own = known & pieces.belong(start, end)
    start, end, left, right, energy = start[own], end[own], left[own], right[own], energy[own]
    loci = Loci(
        contig=pieces.spans.contig[pieces.holding(start)].astype(np.int32),
        start=start,
        end=end,
        strand=np.full(start.size, strand, np.int8),
        stem_energy=energy,
        folded_start=left,
        folded_end=right,
    )
    return loci, unknown


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
        before = origin if strand > 0 else span.line_length - origin - size
        final = size - min(WINDOW_LENGTH, span.line_length)
        start = np.arange(-before % WINDOW_STEP, final + 1, WINDOW_STEP)
        start = start[size - start >= extractor.min_span]
        end = np.minimum(start + WINDOW_LENGTH, size)
        if strand < 0:
            start, end = size - end[::-1], size - start[::-1]
        starts.append(first + start)
        ends.append(first + end)
    start, end = np.concatenate(starts), np.concatenate(ends)
    return start, end, np.zeros(start.size, np.int16)
