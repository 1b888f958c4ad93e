"""The two tasks of a scan. Every executor runs these; each leaves a file and a commit record."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from premir.scanner.files import whole_file
from premir.scanner.find import shards
from premir.scanner.find.candidates import Extractor, Keep, candidates_of_tile
from premir.scanner.find.folding import Folder
from premir.scanner.find.hairpins import Hairpins
from premir.scanner.find.loci import Loci
from premir.scanner.genome.tiles import Tile
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.score.gates import Gates
from premir.scanner.score.inference import batch_probabilities, canonical_probabilities
from premir.scanner.score.store import ModelSpec, load_network

SELECTION_MARGIN = 0.01
"""How far below the threshold a float32 score may be and still be scored canonically."""

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
    model: ModelSpec | None
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
    keep = job.gates.before_folding if job.gates is not None else None
    return commit_candidates(job.run, tile, job.extractor, folder, keep)


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
    folded = time.monotonic()
    shards.write_shard(path, hairpins=candidates.hairpins, loci=candidates.loci)
    return run.commit(
        path,
        {
            "tile": tile.index,
            "candidates": candidates.found,
            "folded": len(candidates.loci) if folder is not None else 0,
            "seconds": {**candidates.seconds, "shards": time.monotonic() - folded},
        },
    )


class Scorer:
    """A model, loaded once per worker, that scores shards."""

    def __init__(self, spec: ModelSpec, device: torch.device) -> None:
        self.device = device
        self.network = load_network(spec).to(device)
        self.canonical = load_network(spec, dtype=torch.float64)

    def score_tile(self, job: Job, tile: Tile) -> Record:
        """Score the hairpins of a tile and commit those at or above the threshold."""
        path = job.run.scores(tile, job.score_key)
        if record := job.run.committed(path):
            return record
        started = time.monotonic()
        shard = job.run.shard(tile)
        hairpins = shards.read_hairpins(shard)
        loci = shards.read_loci(shard) if job.gates is not None else None
        reading = time.monotonic() - started
        index, probabilities, scored, seconds = self.score(job, loci, hairpins)
        seconds["gates"] += reading
        path.parent.mkdir(parents=True, exist_ok=True)
        write_scores(path, index, probabilities)
        return job.run.commit(
            path,
            {
                "tile": tile.index,
                "scored": scored,
                "hits": int(index.size),
                "seconds": seconds,
            },
        )

    def score(
        self, job: Job, loci: Loci | None, hairpins: Hairpins
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], int, Seconds]:
        """Score the hairpins that pass the gate.

        Batches select; whatever comes within ``SELECTION_MARGIN`` of the threshold or above is
        scored again one hairpin at a time, and that score decides.

        Args:
            job: the scan.
            loci: where the hairpins lie; needed where there are gates.
            hairpins: what was folded.

        Returns:
            Indices of the hairpins at or above the threshold and their canonical probabilities;
            how many were scored; seconds by stage.
        """
        started = time.monotonic()
        worth = np.arange(len(hairpins))
        if job.gates is not None and loci is not None:
            worth = np.flatnonzero(job.gates.after_folding(loci, hairpins))
        gated = time.monotonic()
        rough = batch_probabilities(self.network, hairpins.take(worth), device=self.device)
        selected = worth[rough >= job.min_prob - SELECTION_MARGIN]
        batched = time.monotonic()
        probabilities = canonical_probabilities(self.canonical, hairpins.take(selected))
        reported = probabilities >= job.min_prob
        seconds = {
            "gates": gated - started,
            "scoring": batched - gated,
            "canonical": time.monotonic() - batched,
        }
        return selected[reported], probabilities[reported], int(worth.size), seconds


def write_scores(path: Path, index: np.ndarray[Any, Any], prob: np.ndarray[Any, Any]) -> None:
    """Write which hairpins of a shard are hits, and their canonical probabilities."""
    with whole_file(path) as temporary:
        with temporary.open("wb") as handle:
            np.savez(handle, index=index.astype(np.int64), prob=prob.astype(np.float64))


def read_scores(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Read what :func:`write_scores` wrote: int64 indices and float64 probabilities."""
    with np.load(path, allow_pickle=False) as arrays:
        return arrays["index"], arrays["prob"]
