"""A scan from FASTA to BED: plan, do, seal."""

from __future__ import annotations

import hashlib
import logging
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from premir.kernels.energies import current_parameters
from premir.kernels.pairing import FEATURE_SCHEMA
from premir.scanner import __version__, viennarna
from premir.scanner.candidates import Extractor
from premir.scanner.engine import Tally, run_tiles
from premir.scanner.executors import Executor
from premir.scanner.files import whole_file, write_json
from premir.scanner.folding import make_folder
from premir.scanner.genome import Genome, read_genome
from premir.scanner.hits import Hit, check_writable, describe_hits, write_bed, write_bed_file
from premir.scanner.merging import Scored, groups_of_contigs, inside, merge, read_scored
from premir.scanner.model_store import ModelSpec, load_network
from premir.scanner.progress import Progress
from premir.scanner.refolding import Refolder
from premir.scanner.regions import Intervals, grow, parse_regions, subtract
from premir.scanner.rundir import RunDirectory, open_run_directory
from premir.scanner.shards import Loci, read_loci
from premir.scanner.tasks import Job
from premir.scanner.tiles import Tile, plan_tiles, whole

_log = logging.getLogger(__name__)

_FIRST_MARGIN, _MARGIN_GROWTH = 8, 4
"""A region is first scanned with a margin of 8 candidate lengths, then 32, 128, ..."""


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """Settings of a scan; the command line's options bear the same names.

    Attributes:
        genome: FASTA file.
        out: BED file (``.gz``: bgzipped and indexed), ``-`` for stdout, None for none.
        candidates: BED6 file of candidate intervals, None for none.
        summary: JSON summary, None for none.
        model: shipped model or model directory.
        min_prob: reporting threshold.
        regions: regions to report, all where empty.
        extractor: ``stems`` or ``windows``.
        max_span: longest candidate, in nt.
        folder: ``kernel`` or ``viennarna``.
        executor: ``local`` or ``ray``.
        ray_address: Ray cluster to use; a private instance where None.
        threads: local threads (and CPUs of a private Ray instance).
        device: ``auto``, ``cpu`` or ``cuda``.
        tile_size: nucleotides in a tile's core.
        work_dir: run directory; beside the output where None.
        keep_work: keep the run directory after success.
        quiet: no progress bar.
    """

    genome: Path
    out: Path | None
    candidates: Path | None
    summary: Path | None
    model: ModelSpec
    min_prob: float
    regions: Sequence[str]
    extractor: str
    max_span: int
    folder: str
    executor: str
    ray_address: str | None
    threads: int
    device: str
    tile_size: int
    work_dir: Path | None
    keep_work: bool
    quiet: bool


def scan(options: ScanOptions) -> int:
    """Scan a genome and write what was asked for.

    Returns:
        Exit code: 0, or 3 where tiles had to be left out.

    Raises:
        PremirError: anything that a user can act on.
    """
    started = time.monotonic()
    for path in (options.out, options.candidates, options.summary):
        if path is not None and str(path) != "-":
            check_writable(path)
    with _work_directory(options) as work, open_run_directory(work) as run:
        genome = read_genome(options.genome, run.store)
        megabases = genome.length / 1e6
        _log.info("%s: %d contigs, %.3f Mb", genome.source, len(genome.contigs), megabases)
        regions = parse_regions(options.regions, genome.contigs) if options.regions else None
        job = _job(options, run)
        if run.bind(_identity(options, genome, job)):
            _log.info("resuming in %s", work)
        done = Done()
        with _executor(options, job) as executor, Progress(quiet=options.quiet) as progress:
            _scan_tiles(options, genome, regions, job, executor, progress, done)
        sealing = time.monotonic()
        count = _write_hits(options, genome, regions, job, done)
        if options.candidates is not None:
            _write_candidates(options.candidates, genome, regions, run, done.tiles)
        done.tally.seconds["output"] = time.monotonic() - sealing
        if options.summary is not None:
            write_json(options.summary, _summary(options, genome, done, count, started))
        if done.tally.quarantined:
            _log.error(
                "%d tiles failed and are missing from the output; run the same command again",
                len(done.tally.quarantined),
            )
            return 3
        if not options.keep_work:
            run.remove()
    found = f"{count} hits" if options.out else f"{done.tally.counts['candidates']} candidates"
    _log.info("%s in %.1f s", found, time.monotonic() - started)
    return 0


@dataclass
class Done:
    """What a scan has finished.

    Attributes:
        tiles: those whose files are committed.
        scanned: intervals they cover; None for the whole genome.
        tally: counts and seconds.
    """

    tiles: list[Tile] = field(default_factory=list)
    scanned: Intervals | None = None
    tally: Tally = field(default_factory=Tally)


def _scan_tiles(
    options: ScanOptions,
    genome: Genome,
    regions: Intervals | None,
    job: Job,
    executor: Executor,
    progress: Progress,
    done: Done,
) -> None:
    """Run all tiles, in rounds where regions were asked for.

    A hit may be displaced by a better candidate beside it, and that one by another. Regions are
    scanned with a margin, which grows until no hit inside depends on what lies beyond.
    """
    wanted = whole(genome.contigs) if regions is None else regions
    covered: Intervals = {}
    margin = _FIRST_MARGIN * job.extractor.longest
    planned = 0
    while True:
        target = wanted if regions is None else grow(wanted, margin, genome.contigs)
        tiles = plan_tiles(
            subtract(target, covered),
            genome.contigs,
            tile_size=options.tile_size,
            first_index=planned,
        )
        planned += len(tiles)
        progress.grow(sum(tile.length for tile in tiles))
        run_tiles(executor, tiles, done.tally, progress, score=job.model is not None)
        done.tiles = sorted(done.tally.done, key=lambda tile: tile.index)
        if regions is None or job.model is None:
            return
        covered = done.scanned = target
        margin *= _MARGIN_GROWTH
        if done.tally.quarantined or all(
            certain[inside(hits.loci, regions)].all()
            for hits, certain in _merged(genome, job, done)
        ):
            return


def _merged(genome: Genome, job: Job, done: Done) -> Iterator[tuple[Scored, Any]]:
    """Merged hits of one group of contigs after another."""
    for group in groups_of_contigs(done.tiles):
        scored = read_scored(job.run, group, job.score_key)
        yield merge(scored, genome.contigs, longest=job.extractor.longest, scanned=done.scanned)


def _write_hits(
    options: ScanOptions, genome: Genome, regions: Intervals | None, job: Job, done: Done
) -> int:
    """Write the BED file and return the number of hits."""
    if options.out is None:
        return 0

    def hits(refolder: Refolder | None) -> Iterator[Hit]:
        for merged, _ in _merged(genome, job, done):
            chosen = merged.take(inside(merged.loci, regions)) if regions else merged
            yield from describe_hits(chosen, genome, job.run, done.tiles, refolder)

    provenance = _provenance(options)
    with _refolder(options) as refolder:
        if str(options.out) == "-":
            count = write_bed(sys.stdout, hits(refolder), provenance)
        else:
            longest = max(contig.length for contig in genome.contigs)
            count = write_bed_file(options.out, hits(refolder), provenance, longest_contig=longest)
        if refolder is not None:
            done.tally.counts["refolded"] = refolder.refolded
            done.tally.counts["fold_disagreements"] = refolder.disagreements
    return count


@contextmanager
def _refolder(options: ScanOptions) -> Iterator[Refolder | None]:
    """The second opinion on the kernel's folds; none where the bindings did the folding."""
    if options.folder == "viennarna":
        yield None
        return
    folder = make_folder("viennarna", processes=options.threads)
    try:
        yield Refolder(folder, load_network(options.model, dtype=torch.float64))
    finally:
        folder.close()


def _write_candidates(
    path: Path, genome: Genome, regions: Intervals | None, run: RunDirectory, tiles: Sequence[Tile]
) -> None:
    """Write candidate intervals as BED6; the score is minus the stem energy in dcal/mol."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as handle:
        for group in groups_of_contigs(tiles):
            loci = Loci.concatenate([read_loci(run.shard(tile)) for tile in group])
            order = np.lexsort((-loci.strand, loci.end, loci.start, loci.contig))
            loci = loci.take(order)
            if regions:
                loci = loci.take(inside(loci, regions))
            for n in range(len(loci)):
                name = genome.contigs[loci.contig[n]].name
                start, end = int(loci.start[n]), int(loci.end[n])
                strand = "+" if loci.strand[n] > 0 else "-"
                place = f"{name}:{start + 1}-{end}({strand})"
                score = -int(loci.stem_energy[n])
                handle.write(f"{name}\t{start}\t{end}\t{place}\t{score}\t{strand}\n")


@contextmanager
def _work_directory(options: ScanOptions) -> Iterator[Path]:
    """Choose the run directory: given, beside the output, or a temporary one for stdout."""
    beside = options.out or options.candidates
    if options.work_dir is not None:
        yield options.work_dir
    elif beside is not None and str(beside) != "-":
        yield beside.with_name(f"{beside.name}.premir-work")
    else:
        with tempfile.TemporaryDirectory(prefix="premir-") as folder:
            yield Path(folder)


def _job(options: ScanOptions, run: RunDirectory) -> Job:
    fold = options.out is not None
    extractor = Extractor(
        kind=options.extractor, max_span=options.max_span, context_nt=options.model.context_nt
    )
    key = f"{options.model.digest} {options.min_prob!r}"
    return Job(
        run=run,
        extractor=extractor,
        folder=options.folder if fold else None,
        model=options.model if fold else None,
        min_prob=options.min_prob,
        device=options.device,
        score_key=hashlib.sha256(key.encode()).hexdigest()[:16],
    )


def _identity(options: ScanOptions, genome: Genome, job: Job) -> dict[str, Any]:
    """Everything that shards depend on; the model stands apart, so that folds can be reused."""
    return {
        "premir": __version__,
        "viennarna": viennarna.version() if job.folder else None,
        "energy_parameters": current_parameters().digest if job.folder else None,
        "feature_schema": FEATURE_SCHEMA,
        "genome": genome.digest(),
        "extractor": asdict(job.extractor),
        "tile_size": options.tile_size,
        "regions": sorted(options.regions),
    }


@contextmanager
def _executor(options: ScanOptions, job: Job) -> Iterator[Executor]:
    executor: Executor
    if options.executor == "ray":
        from premir.scanner.executors.ray_cluster import RayExecutor

        executor = RayExecutor(job, threads=options.threads, address=options.ray_address)
    else:
        from premir.scanner.executors.local import LocalExecutor

        executor = LocalExecutor(job, threads=options.threads)
    try:
        yield executor
    finally:
        executor.close()


def _provenance(options: ScanOptions) -> list[str]:
    """Header lines: whatever the hits depend on, and nothing that they do not."""
    return [
        f"premir {__version__}, ViennaRNA {viennarna.version()}, {FEATURE_SCHEMA}",
        f"genome {options.genome.name}",
        f"model {options.model.name} sha256 {options.model.digest}",
        f"extractor {options.extractor} max_span {options.max_span} min_prob {options.min_prob:g}",
    ]


def _summary(
    options: ScanOptions, genome: Genome, done: Done, count: int, started: float
) -> dict[str, Any]:
    tally, seconds = done.tally, time.monotonic() - started
    scanned = sum(tile.length for tile in done.tiles)
    return {
        "genome": str(options.genome),
        "genome_sha256": genome.digest(),
        "contigs": len(genome.contigs),
        "megabases": genome.length / 1e6,
        "megabases_scanned": scanned / 1e6,
        "regions": list(options.regions),
        "model": options.model.name if options.out else None,
        "model_sha256": options.model.digest if options.out else None,
        "min_prob": options.min_prob,
        "extractor": options.extractor,
        "max_span": options.max_span,
        "folder": options.folder,
        "executor": options.executor,
        "threads": options.threads,
        "tiles_total": len(done.tiles) + len(tally.quarantined),
        "tiles_reused": tally.reused,
        "tiles_quarantined": tally.quarantined,
        "candidates": tally.counts.get("candidates", 0),
        "scored": tally.counts.get("scored", 0),
        "above_threshold": tally.counts.get("hits", 0),
        "hits": count if options.out else None,
        "refolded": tally.counts.get("refolded"),
        "fold_disagreements": tally.counts.get("fold_disagreements"),
        "seconds": round(seconds, 3),
        "seconds_by_stage": {name: round(value, 3) for name, value in tally.seconds.items()},
        "mb_per_min": round(scanned / 1e6 / seconds * 60, 3),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "versions": {
            "premir": __version__,
            "viennarna": viennarna.version(),
            "python": platform.python_version(),
        },
    }
