"""The summary of a scan: counts, seconds, versions."""

from __future__ import annotations

import math
import platform
import resource
import time
from dataclasses import asdict
from typing import Any, TypedDict

from premir.kernels._jit import COMPILATION
from premir.scanner import __version__
from premir.scanner.find import viennarna
from premir.scanner.genome.letters import Genome
from premir.scanner.genome.tiles import place
from premir.scanner.options import ScanOptions
from premir.scanner.report.belief import Belief, DecoyBelief
from premir.scanner.report.sealing import Done
from premir.scanner.run.tasks import Job


class Quarantined(TypedDict):
    """A tile that failed, where it lies, and why."""

    tile: int
    place: str
    reason: str


class Summary(TypedDict):
    """What OUT.summary.json holds; docs/formats.md explains it."""

    genome: str
    genome_sha256: str
    contigs: int
    input_accepted: dict[str, int]
    megabases: float
    megabases_scanned: float
    circular: list[str]
    regions: list[str]
    model: str | None
    model_sha256: str | None
    min_prob: float
    max_copies: float | None
    known: str | None
    known_sha256: str | None
    kin: str
    extractor: str
    preset: str
    max_span: int
    folder: str
    executor: str
    threads: int
    tiles_total: int
    tiles_new: int
    tiles_reused: int
    tiles_redone: int
    tiles_quarantined: int
    quarantined: list[Quarantined]
    scores_new: int
    scores_reused: int
    scores_redone: int
    candidates: int
    folded: int
    scored: int
    gates: dict[str, Any]
    passed_over: dict[str, int]
    above_threshold: int
    over_max_copies: int
    max_q: float | None
    over_max_q: int
    max_masked: float | None
    over_max_masked: int
    strand: str
    worse_strand: int
    exclude: list[str]
    excluded: int
    mark: list[str]
    hits: int | None
    hits_short_of_context: int | None
    expected_false: dict[str, float | None] | None
    decoys: dict[str, float] | None
    reads: list[str]
    read_verdicts: dict[str, int] | None
    refolded: int | None
    fold_disagreements: int | None
    seconds: float
    seconds_by_stage: dict[str, float]
    cpu_seconds: float
    kernels_compiled: int
    compile_seconds: float
    mb_per_min: float
    peak_memory_mb: float
    versions: dict[str, str]


def summarise(
    options: ScanOptions,
    genome: Genome,
    job: Job,
    done: Done,
    count: int,
    belief: Belief | DecoyBelief | None,
    started: float,
) -> Summary:
    """Return what OUT.summary.json holds.

    Args:
        options: settings of the scan.
        genome: what was scanned.
        job: how.
        done: tiles, counts and seconds.
        count: hits written.
        belief: how many of them to expect to be false.
        started: ``time.monotonic()`` when the scan began.
    """
    search, execution = options.search, options.execution
    model = search.model
    folds, scores = done.tally.states["fold"], done.tally.states["score"]
    tally, seconds = done.tally, time.monotonic() - started
    return {
        "genome": str(search.genome),
        "genome_sha256": genome.digest(),
        "contigs": len(genome.contigs),
        "input_accepted": asdict(genome.accepted),
        "megabases": genome.length / 1e6,
        "megabases_scanned": done.megabases,
        "circular": list(search.circular),
        "regions": list(search.regions),
        "model": model.name if model is not None else None,
        "model_sha256": model.digest if model is not None else None,
        "min_prob": search.min_prob,
        "max_copies": search.limits.get("copies"),
        "known": search.known.name if search.known is not None else None,
        "known_sha256": search.known.digest if search.known is not None else None,
        "kin": "weigh" if search.kin else "none",
        "extractor": search.extractor,
        "preset": search.preset,
        "max_span": job.extractor.max_span,
        "folder": search.folder,
        "executor": execution.executor,
        "threads": execution.threads,
        "tiles_total": len(done.tiles) + len(tally.quarantined),
        "tiles_new": folds["new"],
        "tiles_reused": folds["reused"],
        "tiles_redone": folds["redone"],
        "tiles_quarantined": len(done.quarantined),
        "quarantined": [
            {"tile": tile.index, "place": place(tile, genome.contigs), "reason": reason}
            for tile, reason in done.quarantined
        ],
        "scores_new": scores["new"],
        "scores_reused": scores["reused"],
        "scores_redone": scores["redone"],
        "candidates": tally.counts.get("candidates", 0),
        "folded": tally.counts.get("folded", 0),
        "scored": tally.counts.get("scored", 0),
        "gates": _gates(job),
        "passed_over": dict(tally.passed_over),
        "above_threshold": tally.counts.get("hits", 0),
        "over_max_copies": tally.counts.get("over_max_copies", 0),
        "max_q": search.limits.get("q_value"),
        "over_max_q": tally.counts.get("over_max_q_value", 0),
        "max_masked": search.limits.get("masked_fraction"),
        "over_max_masked": tally.counts.get("over_max_masked_fraction", 0),
        "strand": search.strand,
        "worse_strand": tally.counts.get("worse_strand", 0),
        "exclude": [str(each.path) for each in search.exclude],
        "excluded": tally.counts.get("over_max_excluded_fraction", 0),
        "mark": [str(each.path) for each in search.mark],
        "hits": count if model is not None else None,
        "hits_short_of_context": tally.counts.get("short_of_context"),
        "expected_false": belief.as_json() if belief is not None else None,
        "reads": list(map(str, search.reads)),
        "read_verdicts": done.verdicts,
        "decoys": _decoys(done) if done.decoys else None,
        "refolded": tally.counts.get("refolded"),
        "fold_disagreements": tally.counts.get("fold_disagreements"),
        "seconds": round(seconds, 3),
        "seconds_by_stage": {name: round(value, 3) for name, value in tally.seconds.items()},
        "cpu_seconds": round(time.process_time(), 3),
        "kernels_compiled": COMPILATION.kernels,
        "compile_seconds": round(COMPILATION.seconds, 3),
        "mb_per_min": round(tally.fresh / 1e6 / seconds * 60, 3),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "versions": {
            "premir": __version__,
            "viennarna": viennarna.version(),
            "python": platform.python_version(),
        },
    }


def _decoys(done: Done) -> dict[str, float]:
    """Say how much of the genome was scanned shuffled, what was called there, and what it took."""
    tally = done.decoy_tally
    return {
        "megabases": done.decoy_megabases,
        "tiles": len(done.decoys),
        **{name: tally.counts.get(name, 0) for name in ("candidates", "folded", "scored")},
        "above_threshold": tally.counts.get("hits", 0),
        "seconds": round(sum(tally.seconds.values()), 3),
    }


def _gates(job: Job) -> dict[str, Any]:
    """Say which gates there were and what they lose, or why there were none."""
    if job.gates is None:
        return {"off": job.gates_off}
    gates: dict[str, Any] = {"sha256": job.gates.digest, "judged": job.gates.judged}
    if job.gates.strict:
        gates["alone"] = [job.gates.stem.alone, job.gates.fold.alone]
    if job.floor > -math.inf:
        gates["floor"] = job.floor
    return gates
