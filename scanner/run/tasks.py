"""The two tasks of a scan. Every executor runs these; each leaves a tile's file and commit record.

Shards are large, and nothing after scoring reads them: what may be a hit stands with its fold
beside its scores. So a shard goes when its tile is scored, unless it is asked for, and the commit
record of the scores holds that of the shard, which thereby counts as done.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from premir.scanner.errors import ShardError
from premir.scanner.find import shards
from premir.scanner.find.candidates import Extractor, Keep, candidates_of_tile
from premir.scanner.find.folding import Folder
from premir.scanner.find.hairpins import Hairpins, concatenate
from premir.scanner.find.loci import Loci
from premir.scanner.genome.tiles import Spans, Tile
from premir.scanner.run.rundir import Record, RunDirectory
from premir.scanner.score.crossfit import Places
from premir.scanner.score.gating import Gates
from premir.scanner.score.lift import Lift
from premir.scanner.score.model import Model
from premir.scanner.score.selecting import Found, Spared, find_hits

Seconds = dict[str, float]


class Spare(Protocol):
    """Says which candidates gates must not reject, and tells their threshold."""

    @property
    def min_prob(self) -> float:
        """Least probability by the model of those."""
        ...

    def __call__(self, loci: Loci, spans: Spans) -> npt.NDArray[np.bool_]:
        """Return bool (N,) for N candidates of a tile with these spans."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """What all tiles of a scan have in common.

    Attributes:
        run: where files go.
        extractor: how candidates are found.
        folder: what folds candidates, ``kernel`` or ``viennarna``; None where nothing is folded
            and shards hold loci only.
        model: scores what was folded; None where nothing is folded.
        min_prob: reporting threshold.
        lowest: least probability by the model that other evidence may lift to the threshold: what
            reaches it is kept.
        score_key: names the model and what is kept in the run directory.
        gates: reject candidates before and after folding; None to fold and score all.
        gates_off: why there are none.
        lift: how far evidence lifts hairpins, where their letters say so.
        spare: spares candidates from gates, from ``floor`` and from ``lowest``; None for none.
        floor: least log odds by the model's first network of what the others are asked about.
        keep_shards: whether shards of scored tiles stay; such a tile is then folded again where
            its shard went in an earlier run.
    """

    run: RunDirectory
    extractor: Extractor
    folder: str | None
    model: Model | None
    min_prob: float
    lowest: float
    score_key: str
    gates: Gates | None
    gates_off: str
    lift: Lift | None = None
    spare: Spare | None = None
    floor: float = -math.inf
    keep_shards: bool = False


def folded(job: Job, tile: Tile) -> Record | None:
    """Return the commit record of a tile's shard, which may have gone when the tile was scored.

    Returns:
        The record; None where the tile is yet to be folded.
    """
    if not job.keep_shards and (record := scored(job, tile)):
        return {**record["shard"], "state": record["state"]}
    return job.run.committed(job.run.shard(tile))


def scored(job: Job, tile: Tile) -> Record | None:
    """Return the commit record of a tile's scores, None where they are yet to be made."""
    return job.run.committed(job.run.scores(tile, job.score_key))


def fold_tile(job: Job, tile: Tile, folder: Folder | None) -> Record:
    """Find the candidates of a tile, fold them, and commit the shard.

    Args:
        job: the scan.
        tile: the tile.
        folder: folds candidates; None where only candidates are wanted.

    Returns:
        The commit record; its ``state`` is ``new``, ``reused`` or ``redone``.
    """
    if record := folded(job, tile):
        return record
    return commit_candidates(job.run, tile, job.extractor, folder, _worth_folding(job, tile))


def _worth_folding(job: Job, tile: Tile) -> Keep | None:
    """Return what chooses the candidates of a tile that are folded; None for all."""
    gates, spare = job.gates, job.spare
    if gates is None:
        return None
    if spare is None:
        return gates.before_folding
    return lambda loci, codes, offsets: (
        gates.before_folding(loci, codes, offsets) | spare(loci, tile.spans)
    )


def commit_candidates(
    run: RunDirectory,
    tile: Tile,
    extractor: Extractor,
    folder: Folder | None,
    keep: Keep | None = None,
) -> Record:
    """Find the candidates of a tile, fold those that are kept, and commit the shard.

    Args:
        run: where the genome's letters are and the shard goes.
        tile: the tile.
        extractor: how candidates are found.
        folder: folds candidates; None where only candidates are wanted.
        keep: chooses those that are worth folding; all where None.

    Returns:
        The commit record, as :func:`fold_tile`.
    """
    path = run.shard(tile)
    if record := run.committed(path):
        return record
    candidates = candidates_of_tile(run.store, tile, extractor, folder, keep)
    done = time.thread_time()
    shards.write_shard(path, hairpins=candidates.hairpins, loci=candidates.loci)
    return run.commit(
        path,
        {
            "tile": tile.index,
            "candidates": candidates.found,
            "folded": len(candidates.loci) if folder is not None else 0,
            "passed_over": candidates.passed_over,
            "seconds": {**candidates.seconds, "shards": time.thread_time() - done},
        },
    )


def score_tiles(
    job: Job, tiles: Sequence[Tile], model: Model, device: torch.device
) -> list[Record]:
    """Score the hairpins of some tiles together, and commit of each tile those that may be hits.

    A shard may go when its tile's hits are committed.

    Args:
        job: the scan.
        tiles: the tiles, folded.
        model: that of the scan, as this process holds it.
        device: where batches are computed.

    Returns:
        Their commit records, as :func:`fold_tile`.

    Raises:
        ShardError: a tile's shard is not as it was committed.
    """
    there = [scored(job, tile) for tile in tiles]
    left = [tile for tile, record in zip(tiles, there, strict=True) if record is None]
    made = _commit_scores(job, left, model, device)
    records = []
    for tile, record in zip(tiles, there, strict=True):
        records.append(record or next(made))
        if not job.keep_shards:  # it may still be there where a process was killed at this place
            job.run.forget(job.run.shard(tile))
    return records


@dataclass(frozen=True, slots=True)
class _Folded:
    """What a tile's shard holds, and its commit record."""

    record: Record
    hairpins: Hairpins
    loci: Loci


def _read_shard(job: Job, tile: Tile) -> _Folded:
    shard = job.run.shard(tile)
    if (record := job.run.committed(shard)) is None:
        raise ShardError(f"{shard}: is gone, or not as it was written")
    del record["state"]
    return _Folded(record, shards.read_hairpins(shard), shards.read_loci(shard))


def _commit_scores(
    job: Job, tiles: Sequence[Tile], model: Model, device: torch.device
) -> Iterator[Record]:
    """Score tiles together, commit one after another, and yield their records."""
    started = time.thread_time()
    sets = [_read_shard(job, tile) for tile in tiles]
    of_tiles = [(own.loci, tile) for own, tile in zip(sets, tiles, strict=True)]
    places = spared = None
    if model.cross_fit:
        places = Places.concatenate([Places.in_tile(loci, tile) for loci, tile in of_tiles])
    if job.spare is not None:
        which = [job.spare(loci, tile.spans) for loci, tile in of_tiles]
        spared = Spared(np.concatenate(which), job.spare.min_prob)
    hairpins = concatenate([own.hairpins for own in sets])
    loci = Loci.concatenate([own.loci for own in sets])
    reading = (time.thread_time() - started) / len(tiles)
    found = find_job_hits(job, model, hairpins, loci, places, device, spared)
    parts = found.split([len(own.loci) for own in sets])
    for tile, own, part in zip(tiles, sets, parts, strict=True):
        writing = time.thread_time()
        path = job.run.scores(tile, job.score_key)
        path.parent.mkdir(parents=True, exist_ok=True)
        shards.write_shard(
            path,
            hairpins=own.hairpins.take(part.index),
            loci=own.loci.take(part.index),
            scores=shards.Scores(part.index, part.log_odds),
        )
        yield job.run.commit(
            path,
            {
                "tile": tile.index,
                "scored": int(part.scored.size),
                "hits": int(part.index.size),
                "shard": own.record,
                "seconds": {
                    **part.seconds,
                    "gates": part.seconds["gates"] + reading,
                    "shards": time.thread_time() - writing,
                },
            },
        )


def find_job_hits(
    job: Job,
    model: Model,
    hairpins: Hairpins,
    loci: Loci | None,
    places: Places | None,
    device: torch.device,
    spared: Spared | None = None,
) -> Found:
    """Find the hits of a scan among some hairpins; arguments as of :func:`find_hits`."""
    return find_hits(
        model,
        hairpins,
        loci,
        gates=job.gates,
        floor=job.floor,
        min_prob=job.min_prob,
        lowest=job.lowest,
        lift=job.lift,
        places=places,
        device=device,
        spared=spared,
    )
