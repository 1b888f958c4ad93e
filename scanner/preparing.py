"""What a scan settles before it begins: where it works, what its job is, whose run it is."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from premir.scanner.errors import InputError
from premir.scanner.files import sha256
from premir.scanner.find.candidates import PRESETS, Extractor
from premir.scanner.find.identity import identity_of
from premir.scanner.genome.circular import Circles
from premir.scanner.genome.decoys import plan_decoys
from premir.scanner.genome.letters import Contigs, Genome
from premir.scanner.genome.regions import Intervals, grow
from premir.scanner.genome.tiles import Tile, plan_tiles
from premir.scanner.options import ScanOptions, Search
from premir.scanner.outputs import Named, beside, indices
from premir.scanner.report import multiqc
from premir.scanner.report.evidence import lift_of, lowest_past_gates, lowest_prob, rates_of
from premir.scanner.report.evidence.reads.places import ReadPlaces
from premir.scanner.report.formats import check_format
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.run.tasks import Job
from premir.scanner.score.gating import Gates
from premir.scanner.score.inflation import OWN
from premir.scanner.score.lift import Lift
from premir.scanner.score.model import Model, probabilities
from premir.scanner.score.suitability import doubts, threshold
from premir.scanner.scratch import scratch_folder

FIRST_MARGIN = 8
"""A region is first scanned with a margin of so many candidate lengths."""

_FEWEST_DECOYS = 2_000_000
_MOST_DECOYS = 20_000_000
"""Unless another number is asked for, there is as much decoy as genome within these limits: less
says little, and more than a genome has would make a small one wait."""

_log = logging.getLogger(__name__)


def with_threshold(search: Search, min_prob: float | None, max_fp: float | None) -> Search:
    """Return a search that reports what it was asked to.

    Args:
        search: what is scanned, and for what.
        min_prob: reporting threshold; the model's by default.
        max_fp: in place of it: most false calls per Mb, by model and evidence together, of what
            scores as a hit does.

    Raises:
        InputError: both are given, or the model's card does not know where there are so few.
    """
    if search.model is None:
        return search
    return replace(search, min_prob=threshold(search.model, min_prob, max_fp, rates_of(search)))


def run_directory_path(options: ScanOptions) -> Path | None:
    """Return the run directory: given, beside the output, or None for a temporary one."""
    output = options.outputs.first
    if options.execution.work_dir is not None or output is None:
        return options.execution.work_dir
    return beside(output, ".premir-work")


def files_of(options: ScanOptions) -> tuple[list[Named], list[Named], list[Named]]:
    """Return inputs, outputs and the run directory of a scan, for the check of names.

    Raises:
        InputError: a format is asked for that no file would have, or MultiQC would not find its.
    """
    check_format(options.outputs)
    inputs = [("GENOME", options.search.genome)]
    if options.search.model is not None:
        inputs += [("--model", path) for path in options.search.model.files]
    if options.search.known is not None:
        inputs += [("--known", path) for path in options.search.known.files]
    inputs += [("--reads", path) for path in options.search.reads]
    inputs += [("--exclude", each.path) for each in options.search.exclude]
    inputs += [("--mark", each.path) for each in options.search.mark]
    files = options.outputs
    outputs: list[Named] = []
    hits = [("--out", out) for out in files.out]
    candidates = [("--candidates", files.candidates)] if files.candidates is not None else []
    for option, out in (*hits, *candidates):
        outputs += [(option, out), *((f"the index of {option}", i) for i in indices(out))]
    for option, file in (
        ("--summary", files.summary), ("--report", files.report), ("--multiqc", files.multiqc),
    ):  # fmt: skip
        if file is not None:
            outputs.append((option, file))
    if files.multiqc is not None:
        multiqc.check_name(files.multiqc)
    work = run_directory_path(options)
    return inputs, outputs, [("--work-dir", work)] if work is not None else []


@contextmanager
def work_directory(options: ScanOptions) -> Iterator[Path]:
    """Give the path of the run directory; a temporary one lasts as long as the context."""
    path = run_directory_path(options)
    if path is not None:
        yield path
        return
    with scratch_folder() as folder:
        yield folder / "run"


def extractor_of(search: Search) -> Extractor:
    """Return how a scan finds candidates."""
    preset = PRESETS[search.preset]
    extractor = replace(preset, kind=search.extractor, max_span=search.max_span or preset.max_span)
    return search.model.reading(extractor) if search.model is not None else extractor


def circles_of(search: Search) -> Circles:
    """Return which contigs a scan takes as circular: in no hairpin is a letter twice."""
    extractor = extractor_of(search)
    return Circles(frozenset(search.circular), extractor.longest + 2 * extractor.context_nt)


def make_job(options: ScanOptions, run: RunDirectory, *, say: int = logging.INFO) -> Job:
    """Return what all tiles of a scan have in common; remarks are logged at level ``say``.

    Raises:
        InputError: the model cannot read hairpins that long.
    """
    search, model = options.search, options.search.model
    extractor = extractor_of(search)
    if model is not None:
        _check_longest(model, extractor.longest)
        _check_decoys(search, model)
    decoys, lift = _lowest_of_decoys(search), lift_of(search)
    lowest = min(lowest_prob(search), decoys)
    if decoys < search.min_prob:  # what no evidence lifts tells rates as well
        lift = None
    gates, off = choose_gates(
        search,
        min(lowest_past_gates(search), decoys),
        lift,
        all_candidates=options.outputs.candidates is not None,
    )
    if off and model is not None and model.card.get("gates"):
        _log.log(say, "gates are off: %s", off)
    if model is not None and say >= logging.INFO:
        for doubt in doubts(model, search.preset):
            _log.warning("%s", doubt)
    spare = None
    if search.reads:
        spare = ReadPlaces([run.stacks(n) for n in range(len(search.reads))])
    floor = model.floor(lowest) if model is not None and gates is not None else -math.inf
    key = f"hits {model and model.key} {lowest!r} {gates and gates.key}"
    if floor > -math.inf:
        key += f" floor {floor!r}"
    if lift is not None:
        key += f" {search.min_prob!r} {lift.digest}"
    if spare is not None:
        key += f" spared {spare.min_prob!r}"
    return Job(
        run=run,
        extractor=extractor,
        folder=search.folder if model is not None else None,
        model=model,
        min_prob=search.min_prob,
        lowest=lowest,
        score_key=hashlib.sha256(key.encode()).hexdigest()[:16],
        gates=gates,
        gates_off=off,
        floor=floor,
        lift=lift,
        spare=spare,
        keep_shards=options.execution.keep_work or options.outputs.candidates is not None,
    )


def _check_longest(model: Model, span: int) -> None:
    most = model.longest - 2 * model.context_nt
    if span > most:
        raise InputError(
            f"--max-span: candidates have up to {span} nt, and {model.name} reads up to {most}; "
            f"give --max-span {most} or another --model"
        )


def _lowest_of_decoys(search: Search) -> float:
    """Return the least probability of calls that tell rates of false calls; 1 without decoys."""
    if not has_decoys(search) or search.model is None or search.model.inflation is None:
        return 1.0
    return float(probabilities(np.array(OWN[0])))


def _check_decoys(search: Search, model: Model) -> None:
    if "q_value" in search.limits and not has_decoys(search):
        why = (
            "--regions has none"
            if search.regions
            else f"the card of {model.name} does not know what they miss"
        )
        reason = f", and {why}" if search.decoys == "auto" else ""
        raise InputError(f"--max-q needs decoys{reason}: give --decoys MB")
    if search.decoys != "auto" and has_decoys(search) and model.inflation is None:
        _log.warning(
            "the card of %s does not know what decoys miss: fp_per_mb and q_value are of decoys "
            "alone, and too low",
            model.name,
        )


def choose_gates(
    search: Search, lowest: float, lift: Lift | None, *, all_candidates: bool
) -> tuple[Gates | None, str]:
    """Decide whether a scan uses its model's gates.

    Args:
        search: what is scanned, and for what.
        lowest: least probability by the model of what gates may not reject.
        lift: says what evidence lifts to a hit; None where nothing says it before the end.
        all_candidates: whether candidates are asked for that gates would reject.

    Returns:
        The gates, or None and why there are none.
    """
    if search.model is None:
        return None, "nothing is folded"
    if search.exhaustive:
        return None, "--exhaustive"
    gates = search.model.gates()
    if gates is None:
        return None, "the model has none"
    built = gates.card
    if lowest < built["min_prob"]:
        what = "--min-prob" if lowest == search.min_prob else "what evidence or decoys ask for,"
        return None, f"{what} {lowest:g} is below the {built['min_prob']:g} they were built for"
    if all_candidates:
        return None, "--candidates asks for all candidates"
    if search.preset != built["preset"]:
        return None, f"they were built for preset {built['preset']}"
    if search.extractor != built["extractor"]:
        return None, f"they were built for extractor {built['extractor']}"
    if search.max_span not in (None, built["max_span"]):
        return None, f"they were built for a span of {built['max_span']}"
    if lowest_prob(search) >= built["min_prob"]:  # nothing lifts
        return gates.stricter(None), ""
    return gates if lift is None else gates.stricter(lift), ""


def has_decoys(search: Search) -> bool:
    """Whether decoys of the genome are scanned as well.

    Unless they are asked for, there are none where the model's card does not know what they miss,
    nor where regions stand for a piece of work that is small beside the genome.
    """
    if search.model is None:
        return False
    if search.decoys == "auto":
        return search.model.inflation is not None and not search.regions
    return search.decoys > 0


def decoy_length(search: Search, contigs: Contigs) -> int:
    """Return how many nucleotides of decoys a scan has: of the whole genome, regions or not."""
    if not has_decoys(search):
        return 0
    if search.decoys == "auto":
        return min(max(int(contigs.lengths.sum()), _FEWEST_DECOYS), _MOST_DECOYS)
    return round(search.decoys * 1e6)


def first_tiles(
    options: ScanOptions, genome: Genome, regions: Intervals | None, job: Job
) -> list[Tile]:
    """Return the tiles of a scan; with regions, those of its first round."""
    target = None
    if regions is not None:
        target = grow(regions, FIRST_MARGIN * job.extractor.longest, genome.contigs)
    return plan_tiles(target, genome.contigs, tile_size=options.execution.tile_size)


def decoy_tiles(options: ScanOptions, genome: Genome) -> list[Tile]:
    """Return the tiles of a scan's decoys; of a part, those that are its own."""
    execution = options.execution
    length = decoy_length(options.search, genome.contigs)
    tiles = plan_decoys(genome.contigs, length, tile_size=execution.tile_size)
    return tiles if execution.part is None else execution.part.choose(tiles)


def settings(options: ScanOptions, job: Job) -> dict[str, Any]:
    """Everything but the genome that candidates and folds depend on."""
    return {
        **identity_of(job.extractor, folds=job.folder is not None),
        "gates": str(job.gates) if job.gates else None,
        **({"known": job.gates.lift.digest} if job.gates and job.gates.lift else {}),
        "regions": sorted(options.search.regions),
        **({"circular": sorted(options.search.circular)} if options.search.circular else {}),
    }


def identity(options: ScanOptions, genome: Genome, job: Job) -> dict[str, Any]:
    """Everything that shards depend on; the model stands apart, so that folds can be reused."""
    reads = [sha256(path) for path in options.search.reads]
    return {
        **settings(options, job),
        **({"reads": reads} if reads else {}),
        "genome": genome.digest(),
        "decoys": decoy_length(options.search, genome.contigs),
        "tile_size": options.execution.tile_size,
    }
