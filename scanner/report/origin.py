"""Where the ends of circular contigs are joined: what lies near them, on the line and from the cut.

Evidence compares places on lines (:mod:`premir.scanner.genome.circular`), of which each has a turn
of hits: what lies at the end of one is beside what lies at its beginning. What is written is
counted from where the file cuts the circle; an interval across the cut ends beyond the length.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from premir.scanner.find.loci import Loci
from premir.scanner.genome.circular import REACH
from premir.scanner.genome.letters import Contigs
from premir.scanner.report.columns import NO_INT, Column
from premir.scanner.report.table import HitTable

_I64: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StorePlaces:
    """Intervals of the store, each of N hits at least once.

    Attributes:
        start: int64 (M,); the hits themselves come first.
        end: int64 (M,).
        hit: int64 (M,), which one it is.
    """

    start: _I64
    end: _I64
    hit: _I64


def store_places(loci: Loci, contigs: Contigs) -> StorePlaces:
    """Return where loci lie in the store, and where they lie a turn before or after.

    Args:
        loci: N of them, on lines.
        contigs: of the genome; contigs do not overlap in the store, so that positions there tell
            all of them apart.

    Returns:
        The loci in their order, and once more what lies so near to the ends of a turn that loci at
        its other end may share letters with it.
    """
    offset = contigs.offsets[loci.contig]
    start, end = loci.start + offset, loci.end + offset
    here = np.flatnonzero(contigs.circular[loci.contig])
    longest = int((end - start).max(initial=0))
    length = contigs.lengths[loci.contig[here]]
    middle = (loci.start + loci.end)[here] // 2 - REACH
    after, before = middle < longest, middle >= length - longest
    again = np.concatenate([here[after], here[before]])
    by = np.concatenate([length[after], -length[before]])
    return StorePlaces(
        np.concatenate([start, start[again] + by]),
        np.concatenate([end, end[again] + by]),
        np.concatenate([np.arange(len(loci)), again]),
    )


def from_the_cut(loci: Loci, contigs: Contigs) -> Loci:
    """Return loci on lines as they are written: each begins within its contig."""
    return loci.moved(_back(loci, contigs))


def table_from_the_cut(table: HitTable, contigs: Contigs, columns: Iterable[Column]) -> HitTable:
    """Return hits on lines as they are written, by position.

    Args:
        table: N hits.
        contigs: of the genome.
        columns: of the table; those that hold positions are counted likewise.
    """
    back, length = _back(table.loci, contigs), contigs.lengths[table.loci.contig]
    loci, values = table.loci.moved(back), dict(table.columns)
    for column in columns:
        if column.begins:
            known = table.columns[column.name] != NO_INT
            # Of a hit near the cut something may begin before it: at the end of the turn before.
            early = known & (table.columns[column.begins] + back < 0)
            moved = table.columns[column.name] + back + np.where(early, length, 0)
            values[column.name] = np.where(known, moved, NO_INT)
    order = np.lexsort((loci.strand < 0, loci.end, loci.start, loci.contig))
    return replace(table, loci=loci, columns=values).take(order)


def across(loci: Loci, contigs: Contigs) -> npt.NDArray[np.bool_]:
    """Return which loci, counted from the cut, lie across it, bool (N,)."""
    answer: npt.NDArray[np.bool_] = loci.end > contigs.lengths[loci.contig]
    return answer


def longer_pieces(loci: Loci, contigs: Contigs) -> tuple[_I64, _I64, _I64]:
    """Return what of each locus lies on one side of the cut: the longer piece.

    Args:
        loci: N of them, counted from the cut.
        contigs: of the genome.

    Returns:
        int64 (N,) and int64 (N,), start and end; and int64 (N,), how much later in the locus they
        are: a turn where the piece lies behind the cut.
    """
    length, cut = contigs.lengths[loci.contig], across(loci, contigs)
    behind = cut & (loci.end - length > length - loci.start)
    start = np.where(behind, 0, loci.start)
    end = np.where(behind, loci.end - length, np.minimum(loci.end, length))
    return start, end, np.where(behind, length, 0)


def _back(loci: Loci, contigs: Contigs) -> _I64:
    length = contigs.lengths[loci.contig]
    return -(loci.start // length) * length
