"""``--plan``: what a scan would do, how long it would take and what it would reuse."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import torch

from premir.scanner.errors import printable
from premir.scanner.find.candidates import candidates_of
from premir.scanner.find.folding import Folder, make_folder
from premir.scanner.find.shards import Scores, shard_bytes
from premir.scanner.genome.letters import Contigs, Genome, OpenGenome, read_contigs
from premir.scanner.genome.regions import parse_regions
from premir.scanner.genome.tiles import Tile, megabases_of
from premir.scanner.options import Execution, ScanOptions
from premir.scanner.preparing import (
    circles_of,
    decoy_tiles,
    first_tiles,
    identity,
    make_job,
    run_directory_path,
)
from premir.scanner.report.evidence.reads.counting import Estimate, estimate
from premir.scanner.report.evidence.reads.library import check_contigs, check_library
from premir.scanner.report.evidence.reads.verdict import ENOUGH
from premir.scanner.run.rundir import RunDirectory, check_ours
from premir.scanner.run.tasks import Job, find_job_hits, folded, scored
from premir.scanner.score.crossfit import Places
from premir.scanner.score.feeding import FEEDING
from premir.scanner.score.inference import choose_device, one_thread
from premir.scanner.score.refolding import Refolder

_SECONDS = 3.0
"""How much CPU time is measured."""
_UNIT = 1 << 15
"""Nucleotides of a piece of the sample."""
_UNITS = 64
"""Most pieces of the sample: 2 Mb, however large the genome."""
_IN_FLIGHT = 4
"""Most tasks for each thread whose tiles are folded and not yet scored."""


class Sample:
    """Evenly spaced pieces of a genome whose length is not known beforehand."""

    def __init__(self) -> None:
        self.units: list[list[bytes]] = []
        self._every = 1
        self._seen = 0
        self._open: list[bytes] = []
        self._size = 0

    def take(self, letters: bytes) -> None:
        """Look at the next letters: a whole small contig or a piece of a large one."""
        self._open.append(letters[: _UNIT - self._size])
        self._size += len(letters)
        if self._size >= _UNIT:
            self.close()

    def close(self) -> None:
        """End a unit; keep every so many-th, and fewer as the genome turns out to be larger."""
        if self._open and self._seen % self._every == 0:
            self.units.append(self._open)
            if len(self.units) > _UNITS:
                del self.units[1::2]
                self._every *= 2
        self._seen += 1
        self._open, self._size = [], 0


@dataclass
class Measured:
    """What work on a sample took.

    Attributes:
        nucleotides: worked on.
        shard_bytes: written of what was folded, had it been written.
        score_bytes: likewise, of what may be a hit.
        seconds: of CPU, by stage.
    """

    nucleotides: int = 0
    shard_bytes: int = 0
    score_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def per_megabase(self) -> float:
        """Seconds per megabase on one core."""
        return sum(self.seconds.values()) / self.nucleotides * 1e6


def plan(options: ScanOptions, stream: TextIO) -> int:
    """Say what a scan would do. Nothing is written, not even the run directory.

    Args:
        options: settings of the scan.
        stream: gets one line for each fact: its name, a tab, and the fact.

    Returns:
        Exit code 0.

    Raises:
        PremirError: the scan would not begin.
    """
    start = time.process_time()  # what imports took, which a scan has too
    search, execution = options.search, options.execution
    path = run_directory_path(options)
    run = RunDirectory(path or Path())
    if path is not None:
        check_ours(run)
    for library in search.reads:
        check_library(library)
    sample = Sample()
    begun = time.thread_time()
    contigs = read_contigs(search.genome, sample.take, circles=circles_of(search))
    genome = Genome(search.genome, run.store, contigs)
    sample.close()
    reading = time.thread_time() - begun
    regions = parse_regions(search.regions, genome.contigs) if search.regions else None
    for library in search.reads:
        check_contigs(library, genome.contigs)
    job = make_job(options, run)
    tiles = first_tiles(options, genome, regions, job)
    decoys = decoy_tiles(options, genome)
    if execution.part is not None:
        tiles = execution.part.choose(tiles)
    state, left = _reuse(options, genome, job, [*tiles, *decoys], path)
    with one_thread():
        measured = measure(job, sample, execution.device)
    libraries = [estimate(library, genome.contigs) for library in search.reads]
    megabases = megabases_of(left)
    seconds = start + reading + measured.per_megabase * megabases / execution.threads
    stages = ", ".join(
        f"{name} {1e6 * value / measured.nucleotides:.2f}"
        for name, value in measured.seconds.items()
    )
    for name, fact in {
        "genome": _describe(search.genome, genome.contigs),
        "tiles": f"{len(tiles)} of up to {execution.tile_size / 1e6:g} Mb, "
        f"{megabases_of(tiles):.3f} Mb in all",
        "decoys": _decoys(decoys, left, measured, execution),
        "run_directory": str(path) if path is not None else "a temporary one",
        "reuse": state,
        "time": f"about {_duration(seconds)} on {execution.threads} threads of this machine",
        "seconds_per_mb": f"{measured.per_megabase:.2f} on one core ({stages}), measured on "
        f"{measured.nucleotides / 1e6:.3f} Mb of this genome",
        **_reads(libraries),
        "disk": _disk(path, genome, measured, megabases, job, execution, libraries),
        "device": _device(execution),
    }.items():
        stream.write(f"{name}\t{printable(fact)}\n")
    return 0


def measure(job: Job, sample: Sample, device_name: str) -> Measured:
    """Do everything that a scan does, on pieces from all over the genome.

    There are twice as many pieces in each turn, until enough was measured; the largest turn counts,
    as shards and batches of few hairpins cost more.
    """
    largest = Measured()
    folder = make_folder(job.folder, processes=0) if job.folder else None
    device = choose_device(device_name)
    refolder = None
    if job.model is not None and job.folder == "kernel":
        refolder = Refolder(make_folder("viennarna", processes=0), job.model)
    # Pieces far from each other come first, so that the measurement may end at any time.
    order = sorted(range(len(sample.units)), key=lambda n: f"{n:06b}"[::-1])
    turns = itertools.chain([order[:1]], _doubling(order))  # the first only loads what is compiled
    _measure_pieces(job, sample, next(turns), folder, device, refolder)
    begun = time.thread_time()
    for turn in turns:
        if time.thread_time() - begun > _SECONDS:
            break
        measured = _measure_pieces(job, sample, turn, folder, device, refolder)
        if measured.nucleotides >= largest.nucleotides:
            largest = measured
    return largest


def _doubling(order: list[int]) -> Iterator[list[int]]:
    """Split into lists of one, two, four ... numbers."""
    size = 1
    while order:
        yield order[:size]
        order, size = order[size:], 2 * size


def _measure_pieces(
    job: Job,
    sample: Sample,
    numbers: Sequence[int],
    folder: Folder | None,
    device: torch.device,
    refolder: Refolder | None,
) -> Measured:
    """Do what a scan does with some pieces of a sample, as if they were one small genome."""
    letters = [each for number in numbers for each in sample.units[number]]
    pieces = OpenGenome.of({str(n): each for n, each in enumerate(letters)})
    keep = job.gates.before_folding if job.gates is not None else None
    measured = Measured(int(pieces.contigs.lengths.sum()))
    for found in candidates_of(pieces, job.extractor, folder, keep):
        loci, hairpins, spent = found.loci, found.hairpins, found.seconds
        written = time.thread_time()
        measured.shard_bytes += len(shard_bytes(hairpins=hairpins, loci=loci))
        spent["shards"] = time.thread_time() - written
        if job.model is not None and hairpins is not None:
            places = Places.of(loci, pieces.contigs.lengths)
            hits = find_job_hits(job, job.model, hairpins, loci, places, device)
            for stage, seconds in hits.seconds.items():
                spent[stage] = spent.get(stage, 0.0) + seconds
            likely, log_odds = hairpins.take(hits.index), hits.log_odds
            written = time.thread_time()
            measured.score_bytes += len(
                shard_bytes(
                    hairpins=likely,
                    loci=loci.take(hits.index),
                    scores=Scores(hits.index, log_odds),
                )
            )
            spent["shards"] += time.thread_time() - written
            if refolder is not None:
                again = time.thread_time()
                refolder.check(likely, log_odds, places.take(hits.index), total=log_odds)
                spent["output"] = time.thread_time() - again
        for stage, value in spent.items():
            measured.seconds[stage] = measured.seconds.get(stage, 0.0) + value
    return measured


def _reuse(
    options: ScanOptions, genome: Genome, job: Job, tiles: list[Tile], path: Path | None
) -> tuple[str, list[Tile]]:
    """Say what of the run directory could be used, and return the tiles that are left to do."""
    run = job.run
    if path is None or not run.identity.exists():
        return "nothing: there is no run yet", tiles
    if options.execution.resume == "never":
        return "nothing: the run there would be discarded", tiles
    if different := run.difference(identity(options, genome, job)):
        return f"refused: the run directory belongs to another run: {different}", tiles
    there = [tile for tile in tiles if folded(job, tile)]
    finished = [tile for tile in there if job.model is None or scored(job, tile)]
    names = {tile.name for tile in finished}
    left = [tile for tile in tiles if tile.name not in names]
    text = f"{len(there)} of {len(tiles)} tiles are folded"
    return text + (f", {len(finished)} scored" if job.model else ""), left


def _decoys(
    decoys: Sequence[Tile], left: Sequence[Tile], measured: Measured, execution: Execution
) -> str:
    """Say how many decoys there are, and what they cost of the time."""
    if not decoys:
        return "none"
    own = megabases_of([tile for tile in left if tile.is_decoy])
    seconds = own * measured.per_megabase / execution.threads
    return (
        f"{megabases_of(decoys):.3f} Mb of this genome shuffled, {_duration(seconds)} of the time"
    )


def _reads(libraries: Sequence[Estimate | None]) -> dict[str, str]:
    """Say what reads cost beside the scan itself."""
    if not libraries:
        return {}
    known = [each.seconds for each in libraries if each is not None]
    all_known = len(known) == len(libraries)
    took = f"in about {_duration(sum(known))} on one core" if all_known else "first"
    return {
        "reads": f"libraries: {len(libraries)}, counted before the tiles {took}; hairpins with "
        f"{ENOUGH} reads and more are folded and scored besides, which the time above leaves out"
    }


def _describe(source: Path, contigs: Contigs) -> str:
    longest = int(contigs.lengths.argmax())
    return (
        f"{source}: {len(contigs)} contigs, {contigs.lengths.sum() / 1e6:.3f} Mb, the longest "
        f"{contigs.names[longest]} with {contigs.lengths[longest] / 1e6:.3f} Mb"
    )


def _disk(
    path: Path | None,
    genome: Genome,
    measured: Measured,
    megabases: float,
    job: Job,
    execution: Execution,
    libraries: Sequence[Estimate | None],
) -> str:
    """Room for letters, shards, scores and reads, and how much there is."""
    folder = path.absolute() if path is not None else Path().absolute()
    while not folder.is_dir():
        folder = folder.parent
    at_once = megabases
    if not job.keep_shards and execution.ray_address is None:  # a cluster may be of any size
        tiles = _IN_FLIGHT * execution.threads * FEEDING[choose_device(execution.device).type].tiles
        at_once = min(at_once, tiles * execution.tile_size / 1e6)
    letters = genome.contigs.stored / 1e6
    shards, scores = (
        bytes_ / measured.nucleotides * held
        for bytes_, held in ((measured.shard_bytes, at_once), (measured.score_bytes, megabases))
    )
    reads = sum(each.stored for each in libraries if each is not None) / 1e6
    needed = letters + shards + scores + reads
    free = shutil.disk_usage(folder).free / 1e6
    warning = "; that is not enough" if needed > free else ""
    return (
        f"about {needed:.1f} MB while it runs: letters {letters:.1f} MB, shards {shards:.1f} MB "
        f"(of up to {at_once:g} Mb at once), likely hits {scores:.1f} MB"
        f"{f', reads {reads:.1f} MB' if libraries else ''}"
        f"{', CRAM files not counted' if None in libraries else ''}; {free:.0f} MB free{warning}"
    )


def _device(execution: Execution) -> str:
    if execution.executor == "ray":
        return f"{execution.device}, on Ray ({execution.ray_address or 'a private instance'})"
    device = choose_device(execution.device)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
