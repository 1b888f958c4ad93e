"""The two tasks of a scan. Every executor runs these; each leaves a file and a commit record."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from premir.scanner.files import whole_file
from premir.scanner.find import shards
from premir.scanner.find.candidates import Extractor, Keep, candidates_of_tile
from premir.scanner.find.folding import Folder
from premir.scanner.find.hairpins import Hairpins
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


def fold_tile(job: Job, tile: Tile, folder: Folder | None) -> Record:
    """Find the candidates of a tile, fold them, and commit the shard.

    Args:
        job: the scan.
        tile: the tile.
        folder: folds candidates; None where only candidates are wanted.

    Returns:
        The commit record; its ``state`` is ``new``, ``reused`` or ``redone``.
    """
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
    folded = time.thread_time()
    shards.write_shard(path, hairpins=candidates.hairpins, loci=candidates.loci)
    return run.commit(
        path,
        {
            "tile": tile.index,
            "candidates": candidates.found,
            "folded": len(candidates.loci) if folder is not None else 0,
            "passed_over": candidates.passed_over,
            "seconds": {**candidates.seconds, "shards": time.thread_time() - folded},
        },
    )


def score_tile(job: Job, tile: Tile, model: Model, device: torch.device) -> Record:
    """Score the hairpins of a tile and commit those that may be hits.

    Args:
        job: the scan.
        tile: the tile.
        model: that of the scan, as this process holds it.
        device: where batches are computed.
    """
    path = job.run.scores(tile, job.score_key)
    if record := job.run.committed(path):
        return record
    started = time.thread_time()
    shard = job.run.shard(tile)
    hairpins = shards.read_hairpins(shard)
    asked = job.gates is not None or model.cross_fit or job.spare is not None
    loci = shards.read_loci(shard) if asked else None
    places = Places.in_tile(loci, tile) if loci is not None and model.cross_fit else None
    spared = None
    if loci is not None and job.spare is not None:
        spared = Spared(job.spare(loci, tile.spans), job.spare.min_prob)
    reading = time.thread_time() - started
    found = find_job_hits(job, model, hairpins, loci, places, device, spared)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_scores(path, found.index, found.log_odds)
    return job.run.commit(
        path,
        {
            "tile": tile.index,
            "scored": found.scored,
            "hits": int(found.index.size),
            "seconds": {**found.seconds, "gates": found.seconds["gates"] + reading},
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


def write_scores(path: Path, index: np.ndarray[Any, Any], log_odds: np.ndarray[Any, Any]) -> None:
    """Write which hairpins of a shard are hits, and their canonical log odds."""
    with whole_file(path) as temporary:
        with temporary.open("wb") as handle:
            np.savez(handle, index=index.astype(np.int64), log_odds=log_odds.astype(np.float64))


def read_scores(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Read what :func:`write_scores` wrote: int64 indices and float64 log odds."""
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["index"], arrays["log_odds"]
