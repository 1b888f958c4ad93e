"""What a scan settles before it begins: where it works, what its job is, whose run it is."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from premir.kernels.energies import current_parameters
from premir.kernels.pairing import FEATURE_SCHEMA
from premir.scanner import __version__, viennarna
from premir.scanner.candidates import PRESETS
from premir.scanner.gates import choose_gates
from premir.scanner.genome import Genome
from premir.scanner.options import ScanOptions
from premir.scanner.outputs import beside
from premir.scanner.regions import Intervals, grow
from premir.scanner.rundir import RunDirectory
from premir.scanner.scratch import scratch_folder
from premir.scanner.tasks import Job
from premir.scanner.tiles import Tile, plan_tiles

FIRST_MARGIN = 8
"""A region is first scanned with a margin of so many candidate lengths."""

_log = logging.getLogger(__name__)


def run_directory_path(options: ScanOptions) -> Path | None:
    """Return the run directory: given, beside the output, or None for a temporary one."""
    output = options.out or options.candidates
    if options.work_dir is not None or output is None:
        return options.work_dir
    return beside(output, ".premir-work")


@contextmanager
def work_directory(options: ScanOptions) -> Iterator[Path]:
    """Give the path of the run directory; a temporary one lasts as long as the context."""
    path = run_directory_path(options)
    if path is not None:
        yield path
        return
    with scratch_folder() as folder:
        yield folder / "run"


def make_job(options: ScanOptions, run: RunDirectory, *, say: int = logging.INFO) -> Job:
    """Return what all tiles of a scan have in common; remarks are logged at level ``say``."""
    preset = PRESETS[options.preset]
    extractor = replace(
        preset,
        kind=options.extractor,
        max_span=options.max_span or preset.max_span,
        context_nt=options.model.context_nt,
    )
    gates, off = choose_gates(options) if options.folds else (None, "nothing is folded")
    if off and options.folds and options.model.card.get("gates"):
        _log.log(say, "gates are off: %s", off)
    key = f"{options.model.digest} {options.min_prob!r} {gates and gates.digest}"
    return Job(
        run=run,
        extractor=extractor,
        folder=options.folder if options.folds else None,
        model=options.model if options.folds else None,
        min_prob=options.min_prob,
        score_key=hashlib.sha256(key.encode()).hexdigest()[:16],
        gates=gates,
    )


def first_tiles(
    options: ScanOptions, genome: Genome, regions: Intervals | None, job: Job
) -> list[Tile]:
    """Return the tiles of a scan; with regions, those of its first round."""
    target = None
    if regions is not None:
        target = grow(regions, FIRST_MARGIN * job.extractor.longest, genome.contigs)
    return plan_tiles(target, genome.contigs, tile_size=options.tile_size)


def settings(options: ScanOptions, job: Job) -> dict[str, Any]:
    """Everything but the genome that candidates and folds depend on."""
    return {
        "premir": __version__,
        "viennarna": viennarna.version() if job.folder else None,
        "energy_parameters": current_parameters().digest if job.folder else None,
        "feature_schema": FEATURE_SCHEMA,
        "extractor": asdict(job.extractor),
        "gates": job.gates.digest if job.gates else None,
        "regions": sorted(options.regions),
    }


def identity(options: ScanOptions, genome: Genome, job: Job) -> dict[str, Any]:
    """Everything that shards depend on; the model stands apart, so that folds can be reused."""
    return {
        **settings(options, job),
        "genome": genome.digest(),
        "tile_size": options.tile_size,
    }
