"""The two tasks of a scan. Every executor runs these; each leaves a file and a commit record."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from premir.scanner import shards
from premir.scanner.candidates import Extractor, find_candidates
from premir.scanner.files import whole_file
from premir.scanner.folding import Folder
from premir.scanner.inference import batch_probabilities, canonical_probabilities
from premir.scanner.model_store import ModelSpec, load_network
from premir.scanner.rundir import RunDirectory
from premir.scanner.tiles import Tile

SELECTION_MARGIN = 0.01
"""How far below the threshold a float32 score may be and still be scored canonically."""

Record = dict[str, Any]


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
        device: where batches are scored: ``auto``, ``cpu`` or ``cuda``.
        score_key: names the model and the threshold in the run directory.
    """

    run: RunDirectory
    extractor: Extractor
    folder: str | None
    model: ModelSpec | None
    min_prob: float
    device: str
    score_key: str


def fold_tile(job: Job, tile: Tile, folder: Folder | None) -> Record:
    """Find the candidates of a tile, fold them, and commit the shard.

    Args:
        job: the scan.
        tile: the tile.
        folder: folds candidates; None where only candidates are wanted.

    Returns:
        The commit record; ``reused`` tells whether it was there before.
    """
    path = job.run.shard(tile)
    if record := job.run.committed(path):
        return {**record, "reused": True}
    started = time.monotonic()
    loci, codes, offsets = find_candidates(job.run.store, tile, job.extractor)
    found = time.monotonic()
    hairpins = folder.fold(codes, offsets) if folder is not None else None
    folded = time.monotonic()
    shards.write_shard(path, hairpins=hairpins, loci=loci)
    record = job.run.commit(
        path,
        {
            "tile": tile.index,
            "candidates": len(loci),
            "seconds": {
                "candidates": found - started,
                "folding": folded - found,
                "shards": time.monotonic() - folded,
            },
        },
    )
    return {**record, "reused": False}


class Scorer:
    """A model, loaded once per worker, that scores shards."""

    def __init__(self, spec: ModelSpec, device: torch.device) -> None:
        self.device = device
        self.network = load_network(spec).to(device)
        self.canonical = load_network(spec, dtype=torch.float64)

    def score_tile(self, job: Job, tile: Tile) -> Record:
        """Score the hairpins of a tile and commit those at or above the threshold.

        Batches select; whatever comes within ``SELECTION_MARGIN`` of the threshold or above is
        scored again one hairpin at a time, and that score decides.
        """
        path = job.run.scores(tile, job.score_key)
        if record := job.run.committed(path):
            return {**record, "reused": True}
        started = time.monotonic()
        hairpins = shards.read_hairpins(job.run.shard(tile))
        rough = batch_probabilities(self.network, hairpins, device=self.device)
        selected = np.flatnonzero(rough >= job.min_prob - SELECTION_MARGIN)
        batched = time.monotonic()
        probabilities = canonical_probabilities(self.canonical, hairpins.take(selected))
        reported = probabilities >= job.min_prob
        path.parent.mkdir(parents=True, exist_ok=True)
        write_scores(path, selected[reported], probabilities[reported])
        record = job.run.commit(
            path,
            {
                "tile": tile.index,
                "scored": len(hairpins),
                "hits": int(reported.sum()),
                "seconds": {
                    "scoring": batched - started,
                    "canonical": time.monotonic() - batched,
                },
            },
        )
        return {**record, "reused": False}


def write_scores(path: Path, index: np.ndarray[Any, Any], prob: np.ndarray[Any, Any]) -> None:
    """Write which hairpins of a shard are hits, and their canonical probabilities."""
    with whole_file(path) as temporary:
        with temporary.open("wb") as handle:
            np.savez(handle, index=index.astype(np.int64), prob=prob.astype(np.float64))


def read_scores(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Read what :func:`write_scores` wrote: int64 indices and float64 probabilities."""
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["index"], arrays["prob"]
