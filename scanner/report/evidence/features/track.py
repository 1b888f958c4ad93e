"""The tracks of features: what hits are to be told of, and what they are not to lie in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.scanner.genome.letters import Contigs
from premir.scanner.report.columns import Column
from premir.scanner.report.evidence.features.files import FeatureFile, Features
from premir.scanner.report.evidence.overlaps import overlapping
from premir.scanner.report.evidence.track import Track
from premir.scanner.report.material import Material
from premir.scanner.report.table import HitTable

_I64: TypeAlias = npt.NDArray[np.int64]

MOST_NAMES = 5
"""So many features of a hit are named."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What some features share with hits, K pairs of them.

    Attributes:
        hit: int64 (K,), indices of hits.
        start: int64 (K,), where what they share begins, counted from the hit's start.
        end: int64 (K,), where it ends, exclusive.
        feature: int64 (K,), which of the features it is.
        labels: gives the label of one of them.
    """

    hit: _I64
    start: _I64
    end: _I64
    feature: _I64
    labels: Callable[[int], str]


def shared(files: Iterable[FeatureFile], table: HitTable, contigs: Contigs) -> Iterator[Shared]:
    """Read features, and tell which of them share letters with hits, on either strand.

    Args:
        files: what is read, some thousand features at a time.
        table: N hits.
        contigs: of the genome.
    """
    loci = table.loci
    offset = contigs.offsets[loci.contig]
    start, end = loci.start + offset, loci.end + offset
    numbers = {contigs.names[n]: n for n in np.unique(loci.contig).tolist()}
    lines = contigs.lines
    for file in files:
        for some in file.read():
            contig = np.array([numbers.get(name, -1) for name in some.contigs], np.int64)
            for here, first, last in _places(some, contig, contigs, lines):
                hit, which = overlapping(start, end, first, last)
                yield Shared(
                    hit,
                    np.maximum(start[hit], first[which]) - start[hit],
                    np.minimum(end[hit], last[which]) - start[hit],
                    here[which],
                    some.labels,
                )


def _places(
    some: Features, contig: _I64, contigs: Contigs, lines: _I64
) -> Iterator[tuple[_I64, _I64, _I64]]:
    """Give features and where they begin and end in the store: on a circle, at each turn."""
    known = np.flatnonzero(contig >= 0)
    lengths = contigs.lengths
    last_turn = ((lines - 1) // lengths)[contig[known]].max(initial=0)
    # What ends beyond the length of a circular contig reaches into the turn after it.
    for turn in range(-1, int(last_turn) + 1):
        here = known[contigs.circular[contig[known]]] if turn else known
        if here.size:
            number = contig[here]
            by, line = turn * lengths[number], lines[number]
            first, last = (np.clip(each[here] + by, 0, line) for each in (some.start, some.end))
            yield here, contigs.offsets[number] + first, contigs.offsets[number] + last


class Coverage:
    """Which letters of hits features cover, together.

    Args:
        table: N hits.
    """

    def __init__(self, table: HitTable) -> None:
        self._length = table.loci.end - table.loci.start
        # One place more for each hit, where what reaches its end ends.
        self._first = np.cumsum(self._length + 1) - self._length - 1
        self._steps = np.zeros(int((self._length + 1).sum()), np.int32)

    def add(self, pairs: Shared) -> None:
        """Take what some features share with hits."""
        np.add.at(self._steps, self._first[pairs.hit] + pairs.start, 1)
        np.add.at(self._steps, self._first[pairs.hit] + pairs.end, -1)

    def share(self) -> npt.NDArray[np.float64]:
        """Return which share of each hit is covered, float64 (N,)."""
        covered = np.concatenate([[0], np.cumsum(np.cumsum(self._steps) > 0)])
        share: npt.NDArray[np.float64] = (
            covered[self._first + self._length] - covered[self._first]
        ) / self._length
        return share


def mark(table: HitTable, material: Material) -> list[npt.NDArray[Any]]:
    """Name the features of ``--mark`` in which hits lie; returns an array for each column."""
    coverage = Coverage(table)
    longest: list[dict[str, int]] = [{} for _ in range(len(table))]
    for pairs in shared(material.search.mark, table, material.genome.contigs):
        coverage.add(pairs)
        columns = (pairs.hit, pairs.end - pairs.start, pairs.feature)
        for hit, length, feature in zip(*(each.tolist() for each in columns), strict=True):
            label = pairs.labels(feature)
            longest[hit][label] = max(length, longest[hit].get(label, 0))
    names = np.full(len(table), None, object)
    for hit, own in enumerate(longest):
        ordered = sorted(own, key=lambda label: (-own[label], label))
        names[hit] = ",".join(ordered[:MOST_NAMES]) or None
    return [names, coverage.share()]


def exclude(table: HitTable, material: Material) -> list[npt.NDArray[Any]]:
    """Return which share of hits the features of ``--exclude`` cover."""
    coverage = Coverage(table)
    for pairs in shared(material.search.exclude, table, material.genome.contigs):
        coverage.add(pairs)
    return [coverage.share()]


MARK = Track(
    name="mark",
    columns=(
        Column(
            "features", str, "features of --mark that share letters with the hit, on either "
            "strand, from the one that shares most on; five at most, with a comma between them",
            optional=True,
        ),
        Column(
            "features_fraction", float, "share of the hit that all of them cover together",
            form=".3f",
        ),
    ),
    compute=mark,
    asked=lambda search: bool(search.mark),
    late=True,
)  # fmt: skip

EXCLUDE = Track(
    name="exclude",
    columns=(
        Column(
            "excluded_fraction", float, "share of the hit that features of --exclude cover, on "
            "either strand; more than half of it is left out", form=".3f",
        ),
    ),
    compute=exclude,
    asked=lambda search: bool(search.exclude),
    late=True,
)  # fmt: skip
