"""What a scan settles before it begins: where it works, what its job is, whose run it is."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from premir.scanner.find.candidates import PRESETS
from premir.scanner.find.identity import identity_of
from premir.scanner.genome.letters import Genome
from premir.scanner.genome.regions import Intervals, grow
from premir.scanner.genome.tiles import Tile, plan_tiles
from premir.scanner.options import ScanOptions
from premir.scanner.outputs import beside
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.run.tasks import Job
from premir.scanner.score.gates import Gates, load_gates
from premir.scanner.scratch import scratch_folder

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
    gates, off = choose_gates(options)
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
        gates_off=off,
    )


def choose_gates(options: ScanOptions) -> tuple[Gates | None, str]:
    """Decide whether a scan uses its model's gates.

    Returns:
        The gates, or None and why there are none.
    """
    if not options.folds:
        return None, "nothing is folded"
    if options.exhaustive:
        return None, "--exhaustive"
    gates = load_gates(options.model)
    if gates is None:
        return None, "the model has none"
    built = gates.card
    if options.min_prob < built["min_prob"]:
        wanted, lowest = options.min_prob, built["min_prob"]
        return None, f"--min-prob {wanted:g} is below the {lowest:g} they were built for"
    if options.candidates is not None:
        return None, "--candidates asks for all candidates"
    kind = {"preset": options.preset, "extractor": options.extractor}
    for name, value in kind.items():
        if value != built[name]:
            return None, f"they were built for {name} {built[name]}"
    if options.max_span not in (None, built["max_span"]):
        return None, f"they were built for a span of {built['max_span']}"
    return gates, ""


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
        **identity_of(job.extractor, folds=job.folder is not None),
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
