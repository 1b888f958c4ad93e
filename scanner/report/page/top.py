"""The hits that a report shows one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from premir.scanner.report.hits import BED12, Hits
from premir.scanner.report.page.drawing import draw

_TOP = 100
_NEAR = 10_000
_NAMED = 3
_ROOM = 1_400_000
"""Bytes of drawings, texts and columns: with the rest the page stays below 2 MB."""
_ALONE = frozenset({"sequence", "structure"})


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A hit near another one.

    Attributes:
        name: of the hit.
        nt: letters between the two, 0 where they overlap.
        rank: of it among those shown, None where it is not.
    """

    name: str
    nt: int
    rank: int | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A hit as a report shows it.

    Attributes:
        rank: 1 for the highest log odds.
        values: all columns as text, by name.
        evidence: names of the columns that are listed below the drawing.
        drawing: SVG of its fold.
        near: how many other hits lie nearby, on either strand.
        neighbours: the nearest of them.
    """

    rank: int
    values: dict[str, str]
    evidence: Sequence[str]
    drawing: str
    near: int
    neighbours: Sequence[Neighbour]


def top_hits(hits: Hits) -> list[Shown]:
    """Return the hits with the highest log odds, as many as there is room for.

    Args:
        hits: all of them; the folds of a hundred are read.
    """
    table = hits.table
    best = np.argsort(-table.log_odds, kind="stable")[:_TOP]
    found = dict(_read(hits, best))
    ranks = {int(n): rank for rank, n in enumerate(best.tolist(), 1)}
    evidence = [each.name for each in hits.columns[len(BED12) :] if each.name not in _ALONE]
    shown: list[Shown] = []
    room = _ROOM
    for n, rank in ranks.items():
        values, drawing = found[n]
        room -= len(drawing) + 2 * sum(map(len, values.values()))
        if room < 0 and shown:
            break
        near, places = _near(hits, n)
        neighbours = [Neighbour(_name(hits, m), nt, ranks.get(m)) for m, nt in places]
        shown.append(Shown(rank, values, evidence, drawing, near, neighbours))
    return shown


def _read(
    hits: Hits, best: npt.NDArray[np.int64]
) -> Iterator[tuple[int, tuple[dict[str, str], str]]]:
    """Read hits one tile after another, so that the folds of one are in memory at a time."""
    tiles = hits.table.tile[best]
    for tile in np.unique(tiles):
        here = best[tiles == tile]
        for chunk in hits.material.chunks(hits.table.take(here)):
            columns = [column.texts(chunk) for column in hits.columns]
            names = [column.name for column in hits.columns]
            for n, index in enumerate(here.tolist()):
                values = dict(zip(names, (texts[n] for texts in columns), strict=True))
                codes, pairs, _ = chunk.hairpins[n]
                inner = (int(chunk.inner[n, 0]), int(chunk.inner[n, 1]))
                loop = (int(chunk.loops[n, 0]), int(chunk.loops[n, 1]))
                yield index, (values, draw(codes, pairs, inner, loop))


def _near(hits: Hits, n: int) -> tuple[int, list[tuple[int, int]]]:
    """Count the hits near one, and return the nearest with their distances: round a circle, too."""
    loci, contigs = hits.table.loci, hits.material.genome.contigs
    turn = int(contigs.lengths[loci.contig[n]]) if contigs.circular[loci.contig[n]] else 0
    gap = np.min(
        [
            np.maximum(loci.start + by - loci.end[n], loci.start[n] - loci.end - by)
            for by in (0, turn, -turn)
        ],
        axis=0,
    )
    gap = np.where(loci.contig == loci.contig[n], np.maximum(gap, 0), _NEAR + 1)
    gap[n] = _NEAR + 1
    near = np.flatnonzero(gap <= _NEAR)
    nearest = near[np.argsort(gap[near], kind="stable")[:_NAMED]]
    return near.size, [(int(m), int(gap[m])) for m in nearest]


def _name(hits: Hits, n: int) -> str:
    (name,) = hits.table.loci.take(np.array([n])).names(hits.material.genome.contigs.names)
    return name
