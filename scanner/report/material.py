"""What tracks and writers read beside the hit table: the genome, and the folds of what scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes
from premir.kernels.pairing import Pairs, terminal_loop
from premir.scanner.find.hairpins import Hairpins, join
from premir.scanner.find.shards import read_hairpins
from premir.scanner.genome.letters import Genome
from premir.scanner.genome.tiles import Tile
from premir.scanner.options import Search
from premir.scanner.report.table import HitTable
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.score.false_calls import Rates

Fold: TypeAlias = tuple[Codes, Pairs, int]
"""Codes, pair table and MFE (dcal/mol) of one hairpin."""

_CHUNK = 1024
"""So many hits are looked at together: a few MB as text."""


@dataclass(frozen=True)
class Chunk:
    """Some hundred hits with their folds.

    Attributes:
        hits: N hits.
        hairpins: their folds, with the context that was folded with them.
        genome: what they are hits of.
        false_calls: of the model that scored them; None where nobody knows.
        cut: whether BED's own columns are of the longer piece of hits across the cut of a circular
            contig.
    """

    hits: HitTable
    hairpins: Hairpins
    genome: Genome
    false_calls: Rates | None = None
    cut: bool = False

    @cached_property
    def fp_per_mb(self) -> npt.NDArray[np.float64] | None:
        """False calls per Mb at the hits' scores, float64 (N,); None where nobody knows."""
        curve = self.false_calls
        return curve.per_mb(self.hits.ranked) if curve is not None else None

    @cached_property
    def inner(self) -> npt.NDArray[np.int64]:
        """Where hits begin and end inside what was folded, 5' to 3', int64 (N, 2)."""
        loci = self.hits.loci
        lead, _ = loci.contexts()
        return np.stack([lead, lead + loci.end - loci.start], axis=1)

    @cached_property
    def loops(self) -> npt.NDArray[np.int64]:
        """Terminal loops inside the hairpins, int64 (N, 2); -1 where nothing is paired."""
        loops = [terminal_loop(self.hairpins[n][1]) or (-1, -1) for n in range(len(self.hairpins))]
        return np.array(loops, np.int64).reshape(-1, 2)


class Folds(Protocol):
    """Where the folds of hits are read."""

    def of(self, hits: HitTable) -> Hairpins:
        """Read the folds of some hits, in their order."""
        ...


@dataclass(frozen=True, slots=True)
class Material:
    """What a scan knows of its hits beside the table.

    Attributes:
        genome: the genome scanned, with its store.
        run: run directory.
        score_key: names the scores in it that hits come from.
        tiles: the tiles that hits come from.
        search: what was asked for.
        threads: cores that a track may use.
        false_calls: of the model, by its card or by decoys; None where nobody knows.
        corrected: folds that stand in place of those that were scored, by tile and row.
        folds: where folds are read in place of the run directory, corrected ones among them.
    """

    genome: Genome
    run: RunDirectory
    score_key: str
    tiles: Sequence[Tile]
    search: Search
    threads: int
    false_calls: Rates | None = None
    corrected: Mapping[tuple[int, int], Fold] = field(default_factory=dict)
    folds: Folds | None = None

    def chunks(self, table: HitTable) -> Iterator[Chunk]:
        """Read the folds of hits, in their order: by position, unless ``folds`` has them.

        Yields:
            Some hundred hits at a time; the folds of few tiles are in memory at any time.
        """
        folds = self.folds or _ScoredFolds(self)
        for first in range(0, len(table), _CHUNK):
            hits = table.take(np.arange(first, min(first + _CHUNK, len(table))))
            yield Chunk(hits, folds.of(hits), self.genome, self.false_calls)


class _ScoredFolds:
    """Folds as the scores of a run hold them; those of the hits asked for last are in memory."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._tiles = {tile.index: tile for tile in material.tiles}
        self._held: dict[int, Hairpins] = {}

    def of(self, hits: HitTable) -> Hairpins:
        run, key, corrected = self._material.run, self._material.score_key, self._material.corrected
        self._held = {
            index: self._held.get(index) or read_hairpins(run.scores(self._tiles[index], key))
            for index in np.unique(hits.tile).tolist()
        }
        places = zip(hits.tile.tolist(), hits.row.tolist(), strict=True)
        return join([corrected.get(place) or self._held[place[0]][place[1]] for place in places])
