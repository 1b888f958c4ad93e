"""The seal of a scan: merged hits and candidates are written once, when all tiles are done."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

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
from premir.scanner.options import Order, Search
from premir.scanner.outputs import writing
from premir.scanner.report.belief import DecoyBelief, by_decoys
from premir.scanner.report.evidence import tracks_for
from premir.scanner.report.evidence.track import add_tracks
from premir.scanner.report.filtering import at_least, within
from premir.scanner.report.formats import write_hits
from premir.scanner.report.formats.candidates import write_candidates
from premir.scanner.report.hits import Q_VALUE, Hits, columns_with
from premir.scanner.report.material import Material
from premir.scanner.report.merging import (
    groups_of_contigs,
    inside,
    merged_decoys,
    merged_groups,
)
from premir.scanner.report.ordering import sorted_hits
from premir.scanner.report.second_opinion import SecondOpinion, refold
from premir.scanner.report.table import HitTable
from premir.scanner.run.engine import Tally
from premir.scanner.run.rundir import RunDirectory
from premir.scanner.run.tasks import Job
from premir.scanner.score.decoy_rates import DecoyRates, q_values
from premir.scanner.score.inflation import NONE, OWN
from premir.scanner.score.model import Model, probabilities
from premir.scanner.score.refolding import Refolder
from premir.scanner.streams import is_stream


@dataclass
class Done:
    """What a scan has finished.

    Attributes:
        tiles: those whose files are committed.
        scanned: intervals they cover; None for the whole genome.
        tally: counts and seconds.
        decoys: tiles of shuffled letters whose files are committed.
        decoy_tally: their counts and seconds.
        belief: how many hits to expect to be false, by decoys; None where there are none.
    """

    tiles: list[Tile] = field(default_factory=list)
    scanned: Intervals | None = None
    tally: Tally = field(default_factory=Tally)
    decoys: list[Tile] = field(default_factory=list)
    decoy_tally: Tally = field(default_factory=Tally)
    belief: DecoyBelief | None = None

    @property
    def quarantined(self) -> list[tuple[Tile, str]]:
        """Tiles that failed twice, decoys among them, with the last error."""
        return self.tally.quarantined + self.decoy_tally.quarantined

    @property
    def megabases(self) -> float:
        """Length of its tiles."""
        return sum(tile.length for tile in self.tiles) / 1e6


def seal(
    genome: Genome,
    regions: Intervals | None,
    job: Job,
    done: Done,
    *,
    out: Path | None,
    candidates: Path | None,
    sort: Order,
    search: Search,
    threads: int,
    second: Folder | None,
) -> int:
    """Write what a scan found.

    Args:
        genome: what was scanned.
        regions: what is reported of it, None for all.
        job: the scan.
        done: its tiles; counts and seconds are added.
        out: where hits go, None for nowhere.
        candidates: where all candidates go, None for nowhere.
        sort: order of hits.
        search: what was asked for.
        threads: cores to use.
        second: gives a second opinion on folds; None where it would be the first.

    Returns:
        The number of hits.
    """
    started, seconds = time.monotonic(), done.tally.seconds
    before, count = sum(seconds.values()), 0
    if out is not None and job.model is not None:
        refolder = Refolder(second, job.model) if second is not None else None
        curve = job.model.false_calls
        material = Material(genome, job.run, done.tiles, search, threads, curve)
        table, material = reported_hits(material, regions, job, done, refolder)
        header = _provenance(genome, job, job.model, done, search, sort)
        columns = columns_with(tracks_for(search), decoys=done.belief is not None)
        with sorted_hits(table, material, sort) as (table, material):
            write_hits(out, Hits(columns, table, material, header))
        count = len(table)
    if candidates is not None:
        _write_candidates(candidates, genome, regions, job.run, done.tiles)
    tracks = sum(seconds.values()) - before
    seconds["output"] = time.monotonic() - started - tracks
    return count


def reported_hits(
    material: Material,
    regions: Intervals | None,
    job: Job,
    done: Done,
    refolder: SecondOpinion | None,
) -> tuple[HitTable, Material]:
    """Return the hits that are written, and material with the folds that are reported of them.

    The order of the steps is what a hit is: candidates contest each other once; evidence of all
    that remain may move ranks before the threshold; what is dear is computed of what is written.
    """
    tally, search = done.tally, material.search
    tracks = tracks_for(search)
    table = _merged(material.genome, regions, job, done)
    table = add_tracks([t for t in tracks if not t.late], table, material, tally.seconds)
    if done.decoys and job.model is not None:
        megabases = _length(regions) / 1e6 if regions is not None else done.megabases
        rates = _decoy_rates(table, megabases, material, job, job.model, done)
        values = q_values(table.ranked, rates, megabases)
        table = replace(table, columns={**table.columns, Q_VALUE.name: values})
        material = replace(material, false_calls=rates)
        hits = probabilities(table.total) >= job.min_prob
        done.belief = by_decoys(rates, job.min_prob, megabases, values[hits])
    table = at_least(table, job.min_prob)
    table = add_tracks([t for t in tracks if t.late], table, material, tally.seconds)
    table = within(table, search.limits, tally.counts)
    if refolder is not None:
        table, material = refold(table, material, refolder)
        tally.counts["refolded"] = refolder.refolded
        tally.counts["fold_disagreements"] = refolder.disagreements
    return table, material


def _decoy_rates(
    hits: HitTable, megabases: float, material: Material, job: Job, model: Model, done: Done
) -> DecoyRates:
    """Return what calls in decoys say of false calls; they have the evidence that hits have."""
    table = merged_decoys(job, done.decoys, material.genome.contigs)
    tracks = [
        track
        for track in tracks_for(material.search)
        if track.weigh is not None and track.in_decoys and not track.late
    ]
    of_decoys = replace(material, tiles=done.decoys)
    table = add_tracks(tracks, table, of_decoys, done.decoy_tally.seconds)
    inflation = model.inflation
    return DecoyRates.of_genome(
        np.sort(table.ranked),
        _decoy_megabases(done),
        low=int(((hits.ranked >= OWN[0]) & (hits.ranked < OWN[1])).sum()),
        searched=megabases,
        inflation=inflation or NONE,
        curve=model.false_calls if inflation is not None else None,
    )


def _decoy_megabases(done: Done) -> float:
    return sum(tile.length for tile in done.decoys) / 1e6


def _length(intervals: Intervals) -> int:
    return sum(end - start for parts in intervals.values() for start, end in parts)


def _merged(genome: Genome, regions: Intervals | None, job: Job, done: Done) -> HitTable:
    groups = merged_groups(job, done.tiles, genome.contigs, done.scanned)
    return HitTable.concatenate(
        [hits.take(inside(hits.loci, regions)) if regions else hits for hits, _ in groups]
    )


def _write_candidates(
    path: Path,
    genome: Genome,
    regions: Intervals | None,
    run: RunDirectory,
    tiles: Sequence[Tile],
) -> None:
    with writing(path, longest_contig=genome.longest) as handle:
        for group in groups_of_contigs(tiles):
            loci = Loci.concatenate([read_loci(run.shard(tile)) for tile in group])
            order = np.lexsort((-loci.strand, loci.end, loci.start, loci.contig))
            loci = loci.take(order)
            if regions:
                loci = loci.take(inside(loci, regions))
            write_candidates(handle, loci, genome.contigs.names)


def _provenance(
    genome: Genome,
    job: Job,
    model: Model,
    done: Done,
    search: Search,
    sort: Order,
) -> list[str]:
    """Header lines: whatever the hits depend on, and nothing that they do not."""
    extractor = job.extractor
    limit = "".join(f" max_{name} {value}" for name, value in search.limits.items())
    return [
        f"premir {__version__}, ViennaRNA {viennarna.version()}, {FEATURE_SCHEMA}",
        # What the shell calls a pipe (63, stdin) says nothing about the genome.
        f"genome {'-' if is_stream(genome.source) else printable(genome.source.name)}",
        f"model {printable(model.name)} sha256 {model.digest}",
        f"gates {f'sha256 {job.gates.digest}' if job.gates else 'none'}",
        f"preset {search.preset} extractor {extractor.kind} "
        f"max_span {extractor.max_span} min_prob {job.min_prob:g}{limit}",
        *([f"decoys {_decoy_megabases(done):g} Mb"] if done.decoys else []),
        f"sort {sort}",
        *(
            f"incomplete: {printable(place(tile, genome.contigs))} is missing"
            for tile, _ in done.quarantined
        ),
    ]
