"""A scan from FASTA to BED: plan, do, seal."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from premir.kernels.energies import current_parameters
from premir.kernels.pairing import FEATURE_SCHEMA
from premir.scanner import __version__, viennarna
from premir.scanner.candidates import PRESETS
from premir.scanner.engine import run_tiles
from premir.scanner.executors import Executor
from premir.scanner.files import write_json
from premir.scanner.genome import Genome, read_genome
from premir.scanner.hits import check_writable
from premir.scanner.merging import inside
from premir.scanner.options import ScanOptions
from premir.scanner.progress import Progress
from premir.scanner.regions import Intervals, grow, parse_regions, subtract
from premir.scanner.rundir import RunDirectory, open_run_directory
from premir.scanner.sealing import Done, merged_hits, write_candidates, write_hits
from premir.scanner.summary import summarise
from premir.scanner.tasks import Job
from premir.scanner.tiles import plan_tiles, whole

_log = logging.getLogger(__name__)

_FIRST_MARGIN, _MARGIN_GROWTH = 8, 4
"""A region is first scanned with a margin of 8 candidate lengths, then 32, 128, ..."""


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
        count = write_hits(options, genome, regions, job, done)
        if options.candidates is not None:
            write_candidates(options.candidates, genome, regions, run, done.tiles)
        done.tally.seconds["output"] = time.monotonic() - sealing
        if options.summary is not None:
            write_json(options.summary, summarise(options, genome, job, done, count, started))
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
            for hits, certain in merged_hits(genome, job, done)
        ):
            return


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
    preset = PRESETS[options.preset]
    extractor = replace(
        preset,
        kind=options.extractor,
        max_span=options.max_span or preset.max_span,
        context_nt=options.model.context_nt,
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
