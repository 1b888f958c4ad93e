"""The seal of a scan: merged hits and candidates are written once, when all tiles are done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from premir.kernels.pairing import FEATURE_SCHEMA
from premir.scanner import __version__
from premir.scanner.errors import printable
from premir.scanner.find import viennarna
from premir.scanner.find.folding import Folder
from premir.scanner.find.loci import Loci
from premir.scanner.find.shards import read_loci
from premir.scanner.genome.letters import Genome
from premir.scanner.genome.regions import Intervals
from premir.scanner.genome.tiles import Tile, place
from premir.scanner.options import ScanOptions, Search
from premir.scanner.outputs import writing
from premir.scanner.report.evidence.copies import count_copies
from premir.scanner.report.hits import describe_hits, write_bed
from premir.scanner.report.merging import Scored, groups_of_contigs, inside, merge, read_scored
from premir.scanner.run.engine import Tally
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.run.tasks import Job
from premir.scanner.score.model import Model
from premir.scanner.score.refolding import Refolder
from premir.scanner.streams import is_stream


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


def merged_hits(genome: Genome, job: Job, done: Done) -> Iterator[tuple[Scored, Any]]:
    """Merged hits of one group of contigs after another."""
    for group in groups_of_contigs(done.tiles):
        scored = read_scored(job.run, group, job.score_key)
        yield merge(scored, genome.contigs, longest=job.extractor.longest, scanned=done.scanned)


def write_hits(
    options: ScanOptions,
    genome: Genome,
    regions: Intervals | None,
    job: Job,
    done: Done,
    second: Folder | None,
) -> int:
    """Write the BED file and return the number of hits; ``second`` gives a second opinion."""
    search = options.search
    if options.outputs.out is None or search.model is None:
        return 0

    chosen = Scored.concatenate(
        [
            merged.take(inside(merged.loci, regions)) if regions else merged
            for merged, _ in merged_hits(genome, job, done)
        ]
    )
    started = time.monotonic()
    copies = count_copies(chosen, genome, job.run, done.tiles, threads=options.execution.threads)
    done.tally.seconds["copies"] = time.monotonic() - started
    if search.max_copies is not None:
        few = copies <= search.max_copies
        chosen, copies = chosen.take(few), copies[few]
        done.tally.counts["over_max_copies"] = int((~few).sum())
    provenance = _provenance(search, search.model, job)
    for tile, _ in done.tally.quarantined:
        provenance.append(f"incomplete: {printable(place(tile, genome.contigs))} is missing")
    refolder = Refolder(second, search.model) if second is not None else None
    hits = describe_hits(chosen, copies, genome, job.run, done.tiles, refolder)
    with writing(options.outputs.out, longest_contig=genome.longest) as handle:
        count = write_bed(handle, hits, provenance)
    if refolder is not None:
        done.tally.counts["refolded"] = refolder.refolded
        done.tally.counts["fold_disagreements"] = refolder.disagreements
    return count


def write_candidates(
    options: ScanOptions,
    genome: Genome,
    regions: Intervals | None,
    run: RunDirectory,
    tiles: Sequence[Tile],
) -> None:
    """Write candidate intervals as BED6; the score is minus the stem energy in centibits."""
    if options.outputs.candidates is None:
        return
    with writing(options.outputs.candidates, longest_contig=genome.longest) as handle:
        for group in groups_of_contigs(tiles):
            loci = Loci.concatenate([read_loci(run.shard(tile)) for tile in group])
            order = np.lexsort((-loci.strand, loci.end, loci.start, loci.contig))
            loci = loci.take(order)
            if regions:
                loci = loci.take(inside(loci, regions))
            for n in range(len(loci)):
                name = genome.contigs.names[loci.contig[n]]
                start, end = int(loci.start[n]), int(loci.end[n])
                strand = "+" if loci.strand[n] > 0 else "-"
                place = f"{name}:{start + 1}-{end}({strand})"
                score = -int(loci.stem_energy[n])
                handle.write(f"{name}\t{start}\t{end}\t{place}\t{score}\t{strand}\n")


def _provenance(search: Search, model: Model, job: Job) -> list[str]:
    """Header lines: whatever the hits depend on, and nothing that they do not."""
    limit = "" if search.max_copies is None else f" max_copies {search.max_copies}"
    return [
        f"premir {__version__}, ViennaRNA {viennarna.version()}, {FEATURE_SCHEMA}",
        # What the shell calls a pipe (63, stdin) says nothing about the genome.
        f"genome {'-' if is_stream(search.genome) else printable(search.genome.name)}",
        f"model {printable(model.name)} sha256 {model.digest}",
        f"gates {f'sha256 {job.gates.digest}' if job.gates else 'none'}",
        f"preset {search.preset} extractor {search.extractor} "
        f"max_span {job.extractor.max_span} min_prob {search.min_prob:g}{limit}",
    ]
