"""Candidates of a genome, cut as a scan cuts them, folded, in packed shards."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from premir.scanner import shards
from premir.scanner.batches import Hairpins, pack
from premir.scanner.candidates import Extractor, find_candidates
from premir.scanner.errors import ShardError
from premir.scanner.folding import Folder
from premir.scanner.genome import Contigs, Genome, read_genome
from premir.scanner.shards import Loci
from premir.scanner.tiles import plan_tiles
from premir.train.genome.planting import Planted
from premir.train.precursors import FOUND_WITHIN

_log = logging.getLogger(__name__)

_TILE = 1_000_000

Chooser = Callable[[Loci], npt.NDArray[np.bool_]]


@dataclass(frozen=True, slots=True)
class Cuts:
    """The candidates of one genome.

    Attributes:
        contigs: of the genome, in its order.
        shards: files of hairpins with their loci.
    """

    contigs: Contigs
    shards: tuple[Path, ...]


def cut_genome(
    fasta: Path, work: Path, extractor: Extractor, folder: Folder, choose: Chooser | None = None
) -> Cuts:
    """Find and fold the candidates of a genome; shards that are there already are kept.

    Args:
        fasta: the genome.
        work: folder for the shards, of this genome and extractor alone.
        extractor: how candidates are found and cut.
        folder: folds them.
        choose: which candidates to keep; all where None.
    """
    work.mkdir(parents=True, exist_ok=True)
    genome = _open(fasta, work / "genome.seq")
    paths = []
    for tile in plan_tiles(None, genome.contigs, tile_size=_TILE):
        path = work / f"{tile.index:06d}.h5"
        paths.append(path)
        if path.exists():
            try:
                shards.read_loci(path)
                continue
            except ShardError:
                _log.warning("%s: damaged; made again", path)
        loci, codes, offsets = find_candidates(genome.store, tile, extractor)
        if choose is not None:
            kept = np.flatnonzero(choose(loci))
            loci = loci.take(kept)
            codes, offsets = pack([codes[offsets[n] : offsets[n + 1]] for n in kept])
        shards.write_shard(path, hairpins=folder.fold(codes, offsets), loci=loci)
    return Cuts(genome.contigs, tuple(paths))


def _open(fasta: Path, store: Path) -> Genome:
    genome = read_genome(fasta, store)
    if genome.store != store:
        genome.store.replace(store)
    return Genome(fasta, store, genome.contigs)


def read_cuts(path: Path) -> tuple[Hairpins, Loci]:
    """Read the hairpins of a shard and where they lie."""
    return shards.read_hairpins(path), shards.read_loci(path)


def matching(planted: Planted, loci: Loci) -> npt.NDArray[np.bool_]:
    """Which candidates match what was planted in their contig.

    As in judging a scan, a candidate must lie on the same strand and cover half of the locus, and
    their mid-points must be at most 25 nt apart.
    """
    start, end = planted.loci[loci.contig].T
    shared = np.minimum(loci.end, end) - np.maximum(loci.start, start)
    near = np.abs(loci.start + loci.end - start - end) <= FOUND_WITHIN
    chosen: npt.NDArray[np.bool_] = (loci.strand == 1) & near & (2 * shared >= end - start)
    return chosen


def touching(planted: Planted, loci: Loci) -> npt.NDArray[np.bool_]:
    """Which candidates, on either strand, have their mid-point in what was planted."""
    start, end = planted.loci[loci.contig].T
    middle = (loci.start + loci.end) // 2
    chosen: npt.NDArray[np.bool_] = (middle >= start) & (middle < end)
    return chosen
