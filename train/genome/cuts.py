"""Candidates of a genome, cut as a scan cuts them, folded, in packed shards."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from premir.kernels.codes import Codes
from premir.kernels.pairing import Offsets
from premir.scanner.errors import PlanMismatchError
from premir.scanner.find import shards
from premir.scanner.find.candidates import Extractor
from premir.scanner.find.folding import Folder
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.find.identity import identity_of
from premir.scanner.find.loci import Loci
from premir.scanner.genome.letters import Contigs, Genome, read_genome
from premir.scanner.genome.regions import Intervals, merge_intervals, subtract
from premir.scanner.genome.tiles import TILE_SIZE, Tile, plan_tiles
from premir.scanner.run.progress import CuttingProgress
from premir.scanner.run.rundir import Record, RunDirectory, open_run_directory
from premir.scanner.run.tasks import commit_candidates
from premir.train.genome.backgrounds import Place
from premir.train.genome.planting import Planted
from premir.train.precursors import FOUND_WITHIN

_log = logging.getLogger(__name__)


class Rule(Protocol):
    """Says which candidates are worth folding."""

    def __call__(self, loci: Loci, codes: Codes, offsets: Offsets, /) -> npt.NDArray[np.bool_]:
        """Say it of each (:data:`premir.scanner.find.candidates.Keep`)."""
        ...

    def identity(self) -> dict[str, str]:
        """Return what tells it from other rules."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """Says which candidates of a planted genome are worth folding.

    Attributes:
        rule: :func:`matching` or :func:`touching`.
        planted: what was planted where.
    """

    rule: Callable[[Planted, Loci], npt.NDArray[np.bool_]]
    planted: Planted

    def __call__(self, loci: Loci, _codes: Codes, _offsets: Offsets) -> npt.NDArray[np.bool_]:
        """Say it of each candidate, from where it lies alone."""
        return self.rule(self.planted, loci)

    def identity(self) -> dict[str, str]:
        """Return what tells it from other choices."""
        loci = hashlib.sha256(self.planted.loci.tobytes()).hexdigest()
        return {"rule": self.rule.__name__, "loci": loci}


@dataclass(frozen=True, slots=True)
class Cuts:
    """The candidates of one genome.

    Attributes:
        contigs: of the genome, in its order.
        shards: files of hairpins with their loci.
        candidates: how many hairpins they hold.
        rejected: how many candidates were not chosen.
        searched: int64 (contigs,), in how many nt of each contig candidates were looked for.
    """

    contigs: Contigs
    shards: tuple[Path, ...]
    candidates: int
    rejected: int
    searched: npt.NDArray[np.int64]

    @property
    def megabases(self) -> float:
        """Where candidates were looked for, in all."""
        return int(self.searched.sum()) / 1e6


def cut_genome(
    fasta: Path,
    work: Path,
    extractor: Extractor,
    folder: Folder,
    choice: Rule | None = None,
    *,
    left_out: Sequence[Place] = (),
    shuffle: int | None = None,
    threads: int = 1,
) -> Cuts:
    """Find and fold the candidates of a genome; shards of the same that are there are kept.

    ``work`` is a run directory as a scan has one (:mod:`premir.scanner.run.rundir`): it says whose
    candidates it holds, and a shard counts when its commit record says so.

    Args:
        fasta: the genome.
        work: folder for the shards, of this genome, extractor and choice alone.
        extractor: how candidates are found and cut.
        folder: folds them.
        choice: which candidates to keep; all where None.
        left_out: candidates with their mid-point there are not looked for; what of it lies in no
            contig means nothing.
        shuffle: which shuffle of the genome to cut; None for the genome itself.
        threads: workers; shards are the same whatever their number.

    Raises:
        PlanMismatchError: ``work`` holds candidates of something else; the field is named.
        InputError: the genome is faulty, or ``work`` is no such folder or cannot be written.
    """
    with open_run_directory(work) as opened:
        run = opened.run
        genome = _bind(fasta, run, extractor, choice, left_out, shuffle)
        intervals = _intervals(genome.contigs, left_out)
        tiles = plan_tiles(intervals, genome.contigs, tile_size=TILE_SIZE, shuffle=shuffle)
        commit = partial(commit_candidates, run, extractor=extractor, folder=folder, keep=choice)
        records = _commit_all(fasta.stem, tiles, commit, threads)
        folded = sum(record["folded"] for record in records)
        return Cuts(
            genome.contigs,
            tuple(run.shard(tile) for tile in tiles),
            folded,
            sum(record["candidates"] for record in records) - folded,
            _searched(genome.contigs, intervals),
        )


def _commit_all(
    name: str, tiles: Sequence[Tile], commit: Callable[[Tile], Record], threads: int
) -> list[Record]:
    """Cut tiles in threads: our kernels and zlib release the GIL."""
    total, quiet = sum(tile.length for tile in tiles), not _log.isEnabledFor(logging.INFO)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="cuts")
    try:
        with CuttingProgress(name, total, quiet=quiet) as progress:
            work = {pool.submit(commit, tile): tile for tile in tiles}
            for done in as_completed(work):
                progress.advance(work[done].length, done.result()["folded"])
        return [each.result() for each in work]
    finally:
        pool.shutdown(cancel_futures=True)


def _intervals(contigs: Contigs, left_out: Sequence[Place]) -> Intervals | None:
    """Return all but what is left out; None where nothing is."""
    numbers = {name: number for number, name in enumerate(contigs.names)}
    taken: Intervals = {}
    for name, start, end in left_out:
        if name in numbers:
            taken.setdefault(numbers[name], []).append((start, end))
    if not taken:
        return None
    whole = {number: [(0, int(length))] for number, length in enumerate(contigs.lengths)}
    return subtract(whole, {number: merge_intervals(parts) for number, parts in taken.items()})


def _searched(contigs: Contigs, intervals: Intervals | None) -> npt.NDArray[np.int64]:
    if intervals is None:
        return np.array(contigs.lengths, np.int64)
    searched = np.zeros(len(contigs), np.int64)
    for number, parts in intervals.items():
        searched[number] = sum(end - start for start, end in parts)
    return searched


def _bind(
    fasta: Path,
    run: RunDirectory,
    extractor: Extractor,
    choice: Rule | None,
    left_out: Sequence[Place],
    shuffle: int | None,
) -> Genome:
    """Read the genome and tie the folder to it."""
    fresh = read_genome(fasta, run.store)
    identity = {
        **identity_of(extractor, folds=True),
        "tile_size": TILE_SIZE,
        "kept": choice.identity() if choice is not None else "all",
        "genome": fresh.digest(),
    }
    if shuffle is not None:
        identity["shuffle"] = shuffle
    if (intervals := _intervals(fresh.contigs, left_out)) is not None:
        identity["where"] = hashlib.sha256(repr(sorted(intervals.items())).encode()).hexdigest()
    try:
        with suppress(FileNotFoundError):
            if different := run.difference(identity):
                raise PlanMismatchError(
                    f"{run.path}: holds candidates of something else: {different}; choose another "
                    "--out"
                )
        run.bind(identity)
        return run.adopt(fresh)
    finally:
        if fresh.store != run.store:
            fresh.store.unlink(missing_ok=True)


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
