"""The two tasks of a scan. Every executor runs these; each leaves a file and a commit record."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from premir.scanner.files import whole_file
from premir.scanner.find import shards
from premir.scanner.find.candidates import Extractor, Pieces, candidates_in
from premir.scanner.find.folding import Folder
from premir.scanner.find.hairpins import Hairpins, gather
from premir.scanner.find.loci import Loci
from premir.scanner.genome.tiles import Tile
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.score.gates import Gates
from premir.scanner.score.model import Model
from premir.scanner.score.selecting import find_hits

Record = dict[str, Any]
Seconds = dict[str, float]


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
        score_key: names the model and the threshold in the run directory.
        gates: reject candidates before and after folding; None to fold and score all.
        gates_off: why there are none.
    """

    run: RunDirectory
    extractor: Extractor
    folder: str | None
    model: Model | None
    min_prob: float
    score_key: str
    gates: Gates | None
    gates_off: str


def fold_tile(job: Job, tile: Tile, folder: Folder | None) -> Record:
    """Find the candidates of a tile, fold them, and commit the shard.

    Args:
        job: the scan.
        tile: the tile.
        folder: folds candidates; None where only candidates are wanted.

    Returns:
        The commit record; its ``state`` is ``new``, ``reused`` or ``redone``.
    """
    path = job.run.shard(tile)
    if record := job.run.committed(path):
        return record
    started = time.monotonic()
    pieces = Pieces.read(job.run.store, tile.spans, job.extractor.halo)
    reading = time.monotonic() - started
    loci, hairpins, count, seconds = find_and_fold(job, pieces, folder)
    seconds["candidates"] += reading
    folded = time.monotonic()
    shards.write_shard(path, hairpins=hairpins, loci=loci)
    return job.run.commit(
        path,
        {
            "tile": tile.index,
            "candidates": count,
            "folded": len(loci) if folder is not None else 0,
            "seconds": {**seconds, "shards": time.monotonic() - folded},
        },
    )


def find_and_fold(
    job: Job, pieces: Pieces, folder: Folder | None
) -> tuple[Loci, Hairpins | None, int, Seconds]:
    """Find candidates and fold those that pass the gate.

    Returns:
        What passed, where and how it folds; how many candidates there were; seconds by stage.
    """
    started = time.monotonic()
    loci, codes, offsets = candidates_in(pieces, job.extractor)
    count = len(loci)
    if job.gates is not None:
        passed = np.flatnonzero(job.gates.before_folding(loci, codes, offsets))
        flat, offsets = gather(offsets, passed)
        loci, codes = loci.take(passed), codes[flat]
    found = time.monotonic()
    hairpins = folder.fold(codes, offsets) if folder is not None else None
    seconds = {"candidates": found - started, "folding": time.monotonic() - found}
    return loci, hairpins, count, seconds


def score_tile(job: Job, tile: Tile, model: Model, device: torch.device) -> Record:
    """Score the hairpins of a tile and commit those at or above the threshold.

    Args:
        job: the scan.
        tile: the tile.
        model: that of the scan, as this process holds it.
        device: where batches are computed.
    """
    path = job.run.scores(tile, job.score_key)
    if record := job.run.committed(path):
        return record
    started = time.monotonic()
    shard = job.run.shard(tile)
    hairpins = shards.read_hairpins(shard)
    loci = shards.read_loci(shard) if job.gates is not None else None
    reading = time.monotonic() - started
    found = find_hits(model, hairpins, loci, gates=job.gates, min_prob=job.min_prob, device=device)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_scores(path, found.index, found.prob)
    return job.run.commit(
        path,
        {
            "tile": tile.index,
            "scored": found.scored,
            "hits": int(found.index.size),
            "seconds": {**found.seconds, "gates": found.seconds["gates"] + reading},
        },
    )


def write_scores(path: Path, index: np.ndarray[Any, Any], prob: np.ndarray[Any, Any]) -> None:
    """Write which hairpins of a shard are hits, and their canonical probabilities."""
    with whole_file(path) as temporary:
        with temporary.open("wb") as handle:
            np.savez(handle, index=index.astype(np.int64), prob=prob.astype(np.float64))


def read_scores(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Read what :func:`write_scores` wrote: int64 indices and float64 probabilities."""
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["index"], arrays["prob"]
