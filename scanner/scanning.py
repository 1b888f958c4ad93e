"""A scan from FASTA to BED: plan, do, seal."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import nullcontext

from premir.scanner.compiling import prepare_kernels
from premir.scanner.errors import MissingTilesError
from premir.scanner.files import as_json
from premir.scanner.genome.circular import Circles, some
from premir.scanner.genome.letters import Genome, read_genome, soft_masked
from premir.scanner.genome.regions import Intervals, grow, parse_regions, subtract
from premir.scanner.genome.tiles import Tile, place, plan_tiles
from premir.scanner.options import Outputs, ScanOptions
from premir.scanner.outputs import check_writable, sweep_output, writing
from premir.scanner.preparing import (
    FIRST_MARGIN,
    circles_of,
    decoy_tiles,
    has_decoys,
    identity,
    make_job,
    work_directory,
)
from premir.scanner.report import multiqc
from premir.scanner.report.evidence.reads.counting import commit_libraries
from premir.scanner.report.evidence.reads.library import check_contigs, check_library
from premir.scanner.report.merging import inside, merged_groups
from premir.scanner.report.sealing import Done, seal
from premir.scanner.report.summary import Summary, summarise
from premir.scanner.run.engine import Tally, run_tiles
from premir.scanner.run.executors import Executor
from premir.scanner.run.rundir import OpenRun, RunDirectory, open_run_directory
from premir.scanner.run.session import Session, open_session
from premir.scanner.run.tasks import Job, folded, scored

_log = logging.getLogger(__name__)

_MARGIN_GROWTH = 4
"""The margin of a region grows so many times in each round."""
_NAMED = 20
"""So many missing tiles are named in one message."""


def scan(options: ScanOptions, session: Session | None = None) -> int:
    """Scan a genome and write what was asked for.

    Args:
        options: what, and how.
        session: workers shared with other scans, which speaks for all of them; without one they
            are started and ended here.

    Returns:
        Exit code: 0, or 3 where tiles had to be left out.

    Raises:
        PremirError: anything that a user can act on.
    """
    started = time.monotonic()
    say = logging.INFO if session is None else logging.DEBUG
    search, execution = options.search, options.execution
    files = options.outputs
    outputs = [
        path
        for path in (*files.out, files.candidates, files.summary, files.report, files.multiqc)
        if path is not None and execution.part is None
    ]
    for path in outputs:
        check_writable(path)
    for path in search.reads:
        check_library(path)
    resume = "require" if execution.finalise else execution.resume
    with (
        work_directory(options) as work,
        open_run_directory(work, part=execution.part, resume=resume) as opened,
        nullcontext(session) if session else open_session(search, execution) as shared,
    ):
        executor = shared.executor
        if session is None and executor is not None:
            executor.check(opened.run.path)
        for path in outputs:
            sweep_output(path)
        run = opened.run
        genome, regions, job = _bind(options, opened, say)
        if executor is not None:
            prepare_kernels(options, job, decoys=has_decoys(search))
        with opened.lock.exclusive():
            commit_libraries(run, search.reads, genome.contigs)
        done = Done()
        _do_tiles(options, genome, regions, job, shared, done)
        _note_quarantined(run, genome, done)
        if execution.part is not None:
            _log.info(
                "part %s: %d tiles done in %.1f s; when all parts are done, run the command with "
                "--finalise in place of --part",
                execution.part,
                len(done.tiles) + len(done.decoys),
                time.monotonic() - started,
            )
            return 3 if done.quarantined else 0
        count, belief = seal(options, genome, regions, job, done, shared.second)
        told = summarise(options, genome, job, done, count, belief, started)
        _write_summary(files, told)
        if done.quarantined:
            return 3
        opened.finished = not execution.keep_work
    found = f"{count} hits" if search.model else f"{done.tally.counts['candidates']} candidates"
    _log.log(say, "%s in %.1f s", found, time.monotonic() - started)
    for line in [*done.remarks, *filter(None, [belief])]:
        _log.log(say, "%s", line)
    for remark in belief.remarks() if belief is not None else ():
        _log.warning("%s: %s", genome.source, remark)
    return 0


def _write_summary(files: Outputs, told: Summary) -> None:
    if files.summary is not None:
        with writing(files.summary) as handle:
            handle.write(as_json(told))
    if files.multiqc is not None and files.first is not None:
        with writing(files.multiqc) as handle:
            handle.write(multiqc.section({multiqc.sample_name(files.first): told}))


def _bind(options: ScanOptions, opened: OpenRun, say: int) -> tuple[Genome, Intervals | None, Job]:
    """Read the genome and tie the run directory to this scan of it."""
    run = opened.run
    circles = circles_of(options.search)
    genome = fresh = read_genome(options.search.genome, run.store, circles)
    try:
        megabases = genome.length / 1e6
        _log.log(say, "%s: %d contigs, %.3f Mb", genome.source, len(genome.contigs), megabases)
        regions = (
            parse_regions(options.search.regions, genome.contigs)
            if options.search.regions
            else None
        )
        for path in options.search.reads:
            check_contigs(path, genome.contigs)
        if options.execution.part is None:
            _warn_of_limits(options, genome, circles)
        job = make_job(options, run, say=say)
        with opened.lock.exclusive():
            if options.execution.resume == "never":
                run.discard()
            if run.bind(identity(options, genome, job)):
                _log.info("resuming in %s", run.path)
            genome = run.adopt(genome)
    finally:
        if fresh.store != run.store:
            fresh.store.unlink(missing_ok=True)
    return genome, regions, job


def _warn_of_limits(options: ScanOptions, genome: Genome, circles: Circles) -> None:
    """Warn of what was asked for and has little or nothing to look at in this genome."""
    search, contigs = options.search, genome.contigs
    joined = zip(contigs.names, contigs.circular.tolist(), strict=True)
    if linear := [name for name, circular in joined if circles.asked(name) and not circular]:
        _log.warning(
            "%s: %d contigs are shorter than %d nt, the longest hairpin with its context, and "
            "stay linear in spite of --circular: %s",
            genome.source, len(linear), circles.least, some(linear),
        )  # fmt: skip
    for features in (*search.exclude, *search.mark):
        features.compare(contigs)
    if "masked_fraction" in search.limits and not soft_masked(genome):
        _log.warning(
            "%s: nothing is soft-masked, no letter is in lower case: --max-masked leaves out "
            "nothing",
            genome.source,
        )


def _do_tiles(
    options: ScanOptions,
    genome: Genome,
    regions: Intervals | None,
    job: Job,
    session: Session,
    done: Done,
) -> None:
    """Run all tiles and decoys, or take up those that others have run."""
    decoys = decoy_tiles(options, genome)
    if session.executor is None:
        tiles = plan_tiles(None, genome.contigs, tile_size=options.execution.tile_size)
        _take_up(genome, job, tiles, decoys, done)
        return
    session.progress.grow(sum(tile.length for tile in decoys))
    _scan_tiles(options, genome, regions, job, session.executor, session, done)
    done.decoys = _run(decoys, genome, job, session.executor, session, done.decoy_tally)


def _scan_tiles(
    options: ScanOptions,
    genome: Genome,
    regions: Intervals | None,
    job: Job,
    executor: Executor,
    session: Session,
    done: Done,
) -> None:
    """Run all tiles, in rounds where regions were asked for.

    A hit may be displaced by a better candidate beside it, and that one by another. Regions are
    scanned with a margin, which grows until no hit inside, nor one that may overlap it, depends on
    what lies beyond.
    """
    covered: Intervals = {}
    margin = FIRST_MARGIN * job.extractor.longest
    planned = 0
    while True:
        target = grow(regions, margin, genome.contigs) if regions is not None else None
        tiles = plan_tiles(
            subtract(target, covered) if target is not None else None,
            genome.contigs,
            tile_size=options.execution.tile_size,
            first_index=planned,
        )
        planned += len(tiles)
        if options.execution.part is not None:
            tiles = options.execution.part.choose(tiles)
        session.progress.grow(sum(tile.length for tile in tiles))
        done.tiles = _run(tiles, genome, job, executor, session, done.tally)
        if regions is None or target is None or job.model is None:
            return
        covered = done.scanned = target
        margin *= _MARGIN_GROWTH
        near = grow(regions, job.extractor.longest, genome.contigs)
        if done.tally.quarantined or all(
            certain[inside(hits.loci, near)].all()
            for hits, certain in merged_groups(job, done.tiles, genome.contigs, done.scanned)
        ):
            return


def _run(
    tiles: Sequence[Tile],
    genome: Genome,
    job: Job,
    executor: Executor,
    session: Session,
    tally: Tally,
) -> list[Tile]:
    """Run tiles, and return all that the tally has so far, in the order of their plan."""
    run_tiles(
        executor,
        job,
        tiles,
        tally,
        session.progress,
        check_stop=session.check_stop,
        name=lambda tile: place(tile, genome.contigs),
    )
    return sorted(tally.done, key=lambda tile: tile.index)


def _take_up(
    genome: Genome, job: Job, tiles: Sequence[Tile], decoys: Sequence[Tile], done: Done
) -> None:
    """Check that all tiles are done, by whomever, and count them.

    Raises:
        MissingTilesError: some are not; names them.
    """
    run = job.run
    missing: list[tuple[Tile, str]] = []
    for tile in (*tiles, *decoys):
        of_shard = folded(job, tile)
        of_scores = scored(job, tile) if job.model else None
        if of_shard is None or (job.model and of_scores is None):
            reason = "its shard was not kept" if of_scores is not None else "not done"
            missing.append((tile, run.why_set_aside(tile) or reason))
            continue
        own = (done.decoys, done.decoy_tally) if tile.is_decoy else (done.tiles, done.tally)
        own[0].append(tile)
        own[1].add("fold", of_shard)
        if of_scores is not None:
            own[1].add("score", of_scores)
    if missing:
        total = len(tiles) + len(decoys)
        raise MissingTilesError(
            f"{run.path}: {len(missing)} of {total} tiles are missing; run their parts again: "
            + _list(missing, genome, run.parts_started())
        )


def _note_quarantined(run: RunDirectory, genome: Genome, done: Done) -> None:
    for tile in (*done.tiles, *done.decoys):
        run.take_back(tile)
    for tile, reason in done.quarantined:
        run.set_aside(tile, place(tile, genome.contigs), reason)
    if done.quarantined:
        _log.error(
            "%d tiles failed and are missing from the output; run the same command again: %s",
            len(done.quarantined),
            _list(done.quarantined, genome),
        )


def _list(tiles: list[tuple[Tile, str]], genome: Genome, parts: int | None = None) -> str:
    """Name tiles with the reasons why they are missing, and their parts where there are some."""
    named = [
        (f"part {tile.index % parts + 1}/{parts}, " if parts else "")
        + f"{place(tile, genome.contigs)} ({reason})"
        for tile, reason in tiles[:_NAMED]
    ]
    if len(tiles) > _NAMED:
        named.append(f"and {len(tiles) - _NAMED} more")
    return "; ".join(named)
