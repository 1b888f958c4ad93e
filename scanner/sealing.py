"""The seal of a scan: merged hits and candidates are written once, when all tiles are done."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from premir.kernels.pairing import FEATURE_SCHEMA
from premir.scanner import __version__, viennarna
from premir.scanner.engine import Tally
from premir.scanner.files import whole_file
from premir.scanner.folding import make_folder
from premir.scanner.genome import Genome
from premir.scanner.hits import Hit, describe_hits, write_bed, write_bed_file
from premir.scanner.merging import Scored, groups_of_contigs, inside, merge, read_scored
from premir.scanner.model_store import load_network
from premir.scanner.options import ScanOptions
from premir.scanner.refolding import Refolder
from premir.scanner.regions import Intervals
from premir.scanner.rundir import RunDirectory
from premir.scanner.shards import Loci, read_loci
from premir.scanner.tasks import Job
from premir.scanner.tiles import Tile


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
    options: ScanOptions, genome: Genome, regions: Intervals | None, job: Job, done: Done
) -> int:
    """Write the BED file and return the number of hits."""
    if options.out is None:
        return 0

    def hits(refolder: Refolder | None) -> Iterator[Hit]:
        for merged, _ in merged_hits(genome, job, done):
            chosen = merged.take(inside(merged.loci, regions)) if regions else merged
            yield from describe_hits(chosen, genome, job.run, done.tiles, refolder)

    provenance = _provenance(options, job)
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


def write_candidates(
    path: Path, genome: Genome, regions: Intervals | None, run: RunDirectory, tiles: Sequence[Tile]
) -> None:
    """Write candidate intervals as BED6; the score is minus the stem energy in centibits."""
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


def _provenance(options: ScanOptions, job: Job) -> list[str]:
    """Header lines: whatever the hits depend on, and nothing that they do not."""
    return [
        f"premir {__version__}, ViennaRNA {viennarna.version()}, {FEATURE_SCHEMA}",
        f"genome {options.genome.name}",
        f"model {options.model.name} sha256 {options.model.digest}",
        f"preset {options.preset} extractor {options.extractor} "
        f"max_span {job.extractor.max_span} min_prob {options.min_prob:g}",
    ]
