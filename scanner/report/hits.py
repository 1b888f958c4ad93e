"""Hits as they are written: their columns, in order, and the values piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import decode
from premir.kernels.pairing import dot_bracket
from premir.scanner.options import Order
from premir.scanner.report.columns import NO_INT, Column, Values
from premir.scanner.report.evidence.track import Track
from premir.scanner.report.material import Chunk, Material
from premir.scanner.report.ordering import order_of
from premir.scanner.report.origin import across, longer_pieces
from premir.scanner.report.table import HitTable


@dataclass(frozen=True, slots=True)
class Hits:
    """Hits that are to be written, in order, as formats see them.

    Attributes:
        columns: what is written of them.
        table: the hits.
        material: where their sequences and folds are read.
        header: lines that say where they come from.
        sort: their order.
        cut: whether BED's own columns are of the longer piece of hits across the cut of a circular
            contig.
    """

    columns: Sequence[Column]
    table: HitTable
    material: Material
    header: Sequence[str]
    sort: Order = "fasta"
    cut: bool = False

    def __len__(self) -> int:
        return len(self.table)

    def chunks(self) -> Iterator[Chunk]:
        """Read some hundred hits at a time; a column says what values they have."""
        for chunk in self.material.chunks(self.table):
            yield replace(chunk, cut=self.cut)

    def in_order(self, start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]) -> Hits:
        """Return them in the order that they have where they begin and end elsewhere.

        Args:
            start: int64 (N,).
            end: int64 (N,).
        """
        contigs = self.material.genome.contigs
        order = order_of(self.table, contigs, self.sort, start, end)
        return replace(self, table=self.table.take(order))

    def in_pieces(self) -> Hits:
        """Return them with hits across the cut of a circular contig cut there: BED's way."""
        loci, contigs = self.table.loci, self.material.genome.contigs
        if not across(loci, contigs).any():
            return self
        start, end, _ = longer_pieces(loci, contigs)
        return replace(self.in_order(start, end), cut=True)

    def lines(self) -> Iterator[tuple[str, ...]]:
        """Give the values of one hit after another as text, in the order of the columns."""
        for chunk in self.chunks():
            yield from zip(*(column.texts(chunk) for column in self.columns), strict=True)


def columns_with(tracks: Sequence[Track], *, decoys: bool) -> tuple[Column, ...]:
    """Return all columns of hits, in the order in which formats write them.

    Args:
        tracks: evidence that there is of the hits.
        decoys: whether the genome's decoys were scanned.
    """
    return (
        *BED12,
        *_MODEL,
        *((Q_VALUE,) if decoys else ()),
        *_HAIRPIN,
        *(column for track in tracks for column in track.columns),
        *_FOLD,
    )


def _contigs(chunk: Chunk) -> list[str]:
    names = chunk.genome.contigs.names
    return [names[number] for number in chunk.hits.loci.contig.tolist()]


def _strands(chunk: Chunk) -> list[str]:
    return ["+" if strand > 0 else "-" for strand in chunk.hits.loci.strand.tolist()]


def _names(chunk: Chunk) -> list[str]:
    return chunk.hits.loci.names(chunk.genome.contigs.names)


def _loops(chunk: Chunk) -> npt.NDArray[np.int64]:
    """Positions where loops begin and end, int64 (N, 2); ``NO_INT`` where there is none."""
    loci, loops = chunk.hits.loci, chunk.loops
    forward = (loci.strand > 0)[:, None]
    place = np.where(
        forward, loci.folded_start[:, None] + loops, loci.folded_end[:, None] - loops[:, ::-1]
    )
    # In the context before a hit at the cut of a circular contig: at the end of the turn before.
    turn = np.where(place[:, :1] < 0, chunk.genome.contigs.lengths[loci.contig][:, None], 0)
    return np.where(loops[:, :1] < 0, NO_INT, place + turn)


def _pieces(chunk: Chunk) -> tuple[npt.NDArray[np.int64], ...]:
    """Start and end of hits as BED's own columns have them, and how much later in the hit."""
    loci = chunk.hits.loci
    if chunk.cut:
        return longer_pieces(loci, chunk.genome.contigs)
    return loci.start, loci.end, np.zeros_like(loci.start)


def _sequences(chunk: Chunk) -> list[str]:
    texts = [decode(chunk.hairpins[n][0]) for n in range(len(chunk.hairpins))]
    borders = chunk.inner.tolist()
    return [
        text[:start].lower() + text[start:end] + text[end:].lower()
        for text, (start, end) in zip(texts, borders, strict=True)
    ]


def _structures(chunk: Chunk) -> list[str]:
    return [dot_bracket(chunk.hairpins[n][1]) for n in range(len(chunk.hairpins))]


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


def _scores(chunk: Chunk) -> npt.NDArray[np.int64]:
    if chunk.fp_per_mb is None:
        scores = 1000 * chunk.hits.prob
    else:
        scores = 500 - 250 * np.log10(chunk.fp_per_mb)
    return np.asarray(np.rint(np.clip(scores, 0, 1000)), np.int64)


def _colours(chunk: Chunk) -> list[str]:
    return [COLOURS[min(score // 250, 3)] for score in _scores(chunk).tolist()]


def _blocks(chunk: Chunk) -> Iterator[list[tuple[int, int]]]:
    """Start in the hit and length of each of its blocks, for one hit after another."""
    start, end, later = _pieces(chunk)
    loop_start, loop_end = (_loops(chunk) - later[:, None]).T
    # Where there is no loop, its start is NO_INT, which is before any start.
    two_arms = (loop_start > start) & (loop_end < end)
    arms = np.stack([loop_start - start, loop_end - start, end - loop_end], axis=1)
    lengths = (end - start).tolist()
    for two, length, (first, begin, second) in zip(
        two_arms.tolist(), lengths, arms.tolist(), strict=True
    ):
        yield [(0, first), (begin, second)] if two else [(0, length)]


def _false_calls(chunk: Chunk) -> Values:
    return [None] * len(chunk.hits) if chunk.fp_per_mb is None else chunk.fp_per_mb


COLOURS = ("188,174,108", "125,124,120", "67,78,108", "0,34,78")
"""Colours of hits by quarters of the score, each for ten times fewer false calls: cividis at 3/4,
1/2, 1/4 and 0, which all kinds of colour vision see grow darker (Nunez, Anderton and Renslow 2018,
doi:10.1371/journal.pone.0199239)."""

BED12 = (
    Column(
        "chrom", str, "contig: FASTA header up to the first blank", sql="string chrom",
        made=_contigs,
    ),
    Column(
        "start", int, "first position, 0-based", sql="uint chromStart",
        made=lambda chunk: _pieces(chunk)[0],
    ),
    Column(
        "end", int, "position after the last", sql="uint chromEnd",
        made=lambda chunk: _pieces(chunk)[1],
    ),
    Column(
        "name", str, "CONTIG:START-END(STRAND), 1-based inclusive", sql="string name", made=_names,
    ),
    Column(
        "score", int, "500 - 250 log10(fp_per_mb), from 0 to 1000: 1000 at 0.01 false calls per Mb "
        "and less, 500 at 1, 0 at 100; round(1000 x prob) where fp_per_mb is not known",
        sql="uint score", made=_scores,
    ),
    Column(
        "strand", str, "strand of the hairpin, + or -", sql="char[1] strand", made=_strands,
    ),
    Column(
        "thick_start", int, "as start: all of the hairpin is drawn thick", sql="uint thickStart",
        made=lambda chunk: _pieces(chunk)[0],
    ),
    Column(
        "thick_end", int, "as end", sql="uint thickEnd", made=lambda chunk: _pieces(chunk)[1],
    ),
    Column(
        "item_rgb", str, "colour by score, of four, darker from 250, 500 and 750 on: each step is "
        "ten times fewer false calls", sql="uint reserved", made=_colours,
    ),
    Column(
        "block_count", int, "2: the arms, on either side of the terminal loop; 1 where it does not "
        "lie inside of the hit, or nothing is paired", sql="int blockCount",
        made=lambda chunk: [len(blocks) for blocks in _blocks(chunk)],
    ),
    Column(
        "block_sizes", str, "lengths of the blocks, with a comma between them",
        sql="int[blockCount] blockSizes",
        made=lambda chunk: [_listed(size for _, size in blocks) for blocks in _blocks(chunk)],
    ),
    Column(
        "block_starts", str, "where the blocks begin, counted from start",
        sql="int[blockCount] chromStarts",
        made=lambda chunk: [_listed(start for start, _ in blocks) for blocks in _blocks(chunk)],
    ),
)  # fmt: skip
"""Columns that BED itself has, as its readers expect them."""

_MODEL = (
    Column(
        "prob", float, "probability of pre-miRNA by the model named in the header, from one "
        "canonical float64 path", form=".6f", made=lambda chunk: chunk.hits.prob,
    ),
    Column(
        "log_odds", float, "natural logarithm of the odds of pre-miRNA at a prior of 1:1, by the "
        "model (of which prob follows) and all other evidence", form=".6f",
        made=lambda chunk: chunk.hits.total,
    ),
    Column(
        "fp_per_mb", float, "false calls per Mb at this score and above, both strands: by decoys "
        "of this genome where they were scanned, else in genomes that the model never saw; `.` "
        "where its card does not know", unit="1/Mb", form=".3g",
        optional=True, made=_false_calls,
    ),
)  # fmt: skip
"""Columns of the model's scores."""

Q_VALUE = Column(
    "q_value", float, "share of false ones to expect among hits that score at least so high, by "
    "fp_per_mb; where decoys were scanned", form=".3g", optional=True,
)  # fmt: skip

_HAIRPIN = (
    Column(
        "mfe", float, "minimum free energy of sequence, context and all", unit="kcal/mol",
        form=".2f", made=lambda chunk: chunk.hairpins.mfe / 100,
    ),
    Column(
        "length", int, "end - start", unit="nt",
        made=lambda chunk: chunk.hits.loci.end - chunk.hits.loci.start,
    ),
    Column(
        "loop_start", int, "first position of the terminal loop of the stem with the most pairs",
        optional=True, made=lambda chunk: _loops(chunk)[:, 0],
    ),
    Column(
        "loop_end", int, "position after that loop's last",
        optional=True, made=lambda chunk: _loops(chunk)[:, 1],
    ),
)  # fmt: skip
"""Columns that stand before those of tracks."""

_FOLD = (
    Column(
        "sequence", str, "RNA 5' to 3', as folded: the hairpin in upper case, the model's context, "
        "if it has one, in lower case", made=_sequences,
    ),
    Column("structure", str, "dot-bracket of that sequence", made=_structures),
)  # fmt: skip
"""Columns that stand behind those of tracks."""
