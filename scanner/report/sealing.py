"""The seal of a scan: merged hits and candidates are written once, when all tiles are done."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from premir.scanner import __version__
from premir.scanner.errors import printable
from premir.scanner.find import viennarna
from premir.scanner.find.folding import Folder
from premir.scanner.find.loci import Loci
from premir.scanner.find.shards import read_loci
from premir.scanner.genome.letters import Genome
from premir.scanner.genome.regions import Intervals, grow
from premir.scanner.genome.tiles import Tile, megabases_of, place
from premir.scanner.options import ScanOptions
from premir.scanner.outputs import Tabix, writing
from premir.scanner.report.belief import Belief, DecoyBelief, by_decoys, expected
from premir.scanner.report.evidence import mirror, rates_of, tracks_for
from premir.scanner.report.evidence.known.library import Library
from premir.scanner.report.evidence.reads import ranking
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
from premir.scanner.report.origin import from_the_cut, table_from_the_cut
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
        verdicts: how many hits have which verdict by their reads; None where there are no reads.
        remarks: lines about the hits, for people.
        decoys: tiles of shuffled letters whose files are committed.
        decoy_tally: their counts and seconds.
        belief: how many hits to expect to be false, by decoys; None where there are none.
    """

    tiles: list[Tile] = field(default_factory=list)
    scanned: Intervals | None = None
    tally: Tally = field(default_factory=Tally)
    verdicts: dict[str, int] | None = None
    remarks: list[str] = field(default_factory=list)
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
        return megabases_of(self.tiles)

    @property
    def decoy_megabases(self) -> float:
        """Length of its decoys."""
        return megabases_of(self.decoys)


def seal(
    options: ScanOptions,
    genome: Genome,
    regions: Intervals | None,
    job: Job,
    done: Done,
    second: Folder | None,
) -> tuple[int, Belief | DecoyBelief | None]:
    """Write what a scan found.

    Args:
        options: of the scan: what is written, in which order and within which limits.
        genome: what was scanned.
        regions: what is reported of it, None for all.
        job: the scan.
        done: its tiles; counts and seconds are added.
        second: gives a second opinion on folds; None where it would be the first.

    Returns:
        The number of hits, and how many of them to expect to be false, where that is known.
    """
    outputs, search = options.outputs, options.search
    started, seconds = time.monotonic(), done.tally.seconds
    before, count, belief = sum(seconds.values()), 0, None
    if outputs.out and job.model is not None:
        refolder = Refolder(second, job.model) if second is not None else None
        threads, curve = options.execution.threads, rates_of(search)
        material = Material(genome, job.run, job.score_key, done.tiles, search, threads, curve)
        table, material = reported_hits(material, regions, job, done, refolder)
        count = len(table)
        done.tally.counts["short_of_context"] = int((table.columns["missing_context"] > 0).sum())
        belief = done.belief or expected(curve, job.min_prob, done.megabases, count)
        if search.reads:
            done.verdicts = ranking.verdicts(table)
            done.remarks += ranking.told(table, genome.contigs)
        header = _provenance(options, genome, job, job.model, done)
        with sorted_hits(table, material, outputs.sort) as (table, material):
            columns = columns_with(tracks_for(search), decoys=done.belief is not None)
            hits = Hits(columns, table, material, header, outputs.sort)
            for path in outputs.out:
                write_hits(path, hits, outputs.format)
            if outputs.report is not None:
                from premir.scanner.report.page.report import Scanned, write_report

                scanned = Scanned(options, job, done.tally, done.megabases, belief)
                write_report(outputs.report, hits, scanned)
    if outputs.candidates is not None:
        _write_candidates(outputs.candidates, genome, regions, job.run, done.tiles)
    tracks = sum(seconds.values()) - before
    seconds["output"] = time.monotonic() - started - tracks
    return count, belief


def reported_hits(
    material: Material,
    regions: Intervals | None,
    job: Job,
    done: Done,
    refolder: SecondOpinion | None,
) -> tuple[HitTable, Material]:
    """Return the hits that are written, and material with the folds that are reported of them.

    The order of the steps is what a hit is: candidates contest each other once; evidence of all
    that remain may move ranks before the threshold; what is dear is computed of what may be
    written, of the folds that are reported.
    """
    tally, search = done.tally, material.search
    tracks = tracks_for(search)
    table = _merged(material.genome, job, done)
    early = [track for track in tracks if not track.late]
    table = add_tracks(early, table, material, tally.seconds)
    if done.decoys and job.model is not None:
        table, material = _told_by_decoys(table, material, regions, job, job.model, done)
    table = at_least(table, job.min_prob, early)
    if regions:  # what overlaps hits inside is evidence too
        near = grow(regions, job.extractor.longest, material.genome.contigs)
        table = table.take(inside(table.loci, near))
    if refolder is not None:
        table, material = refold(table, material, refolder)
        tally.counts["refolded"] = refolder.refolded
        tally.counts["fold_disagreements"] = refolder.disagreements
    table = add_tracks([t for t in tracks if t.late], table, material, tally.seconds)
    worse = np.zeros(len(table), np.bool_)
    if search.strand == "best":  # of what lies beyond a region's end, too
        worse = mirror.worse(table, material.genome.contigs)
    if regions:
        here = inside(table.loci, regions)
        table, worse = table.take(here), worse[here]
    tally.counts["worse_strand"] = int(worse.sum())
    table = within(table.take(~worse), search.limits, tally.counts)
    columns = [column for track in tracks for column in track.columns]
    return table_from_the_cut(table, material.genome.contigs, columns), material


def _told_by_decoys(
    table: HitTable,
    material: Material,
    regions: Intervals | None,
    job: Job,
    model: Model,
    done: Done,
) -> tuple[HitTable, Material]:
    """Return hits with q-values, and material with the rates of this genome."""
    megabases = _length(regions) / 1e6 if regions is not None else done.megabases
    here = inside(table.loci, regions) if regions else np.ones(len(table), np.bool_)
    own = table.take(here)
    rates = _decoy_rates(own, megabases, material, job, model, done)
    values = np.full(len(table), np.nan)
    values[here] = q_values(own.ranked, rates, megabases)
    hits = here & (probabilities(table.total) >= job.min_prob)
    done.belief = by_decoys(rates, job.min_prob, megabases, values[hits])
    table = replace(table, columns={**table.columns, Q_VALUE.name: values})
    return table, replace(material, false_calls=rates)


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
        done.decoy_megabases,
        low=int(((hits.ranked >= OWN[0]) & (hits.ranked < OWN[1])).sum()),
        searched=megabases,
        inflation=inflation or NONE,
        curve=rates_of(material.search) if inflation is not None else None,
    )


def _length(intervals: Intervals) -> int:
    return sum(end - start for parts in intervals.values() for start, end in parts)


def _merged(genome: Genome, job: Job, done: Done) -> HitTable:
    groups = merged_groups(job, done.tiles, genome.contigs, done.scanned)
    return HitTable.concatenate([hits for hits, _ in groups])


def _write_candidates(
    path: Path,
    genome: Genome,
    regions: Intervals | None,
    run: RunDirectory,
    tiles: Sequence[Tile],
) -> None:
    with writing(path, tabix=Tabix("bed", genome.longest)) as handle:
        for group in groups_of_contigs(tiles):
            loci = Loci.concatenate([read_loci(run.shard(tile)) for tile in group])
            if regions:
                loci = loci.take(inside(loci, regions))
            write_candidates(handle, from_the_cut(loci, genome.contigs), genome.contigs)


def _provenance(
    options: ScanOptions, genome: Genome, job: Job, model: Model, done: Done
) -> list[str]:
    """Header lines: whatever the hits depend on, and nothing that they do not."""
    extractor, search = job.extractor, options.search
    floor = f" floor {job.floor:g}" if job.floor > -math.inf else ""
    limit = "".join(f" max_{name} {value}" for name, value in search.limits.items())
    unknown = extractor.unknown_letters
    return [
        f"premir {__version__}, ViennaRNA {viennarna.version()}, {model.card['feature_schema']}",
        # What the shell calls a pipe (63, stdin) says nothing about the genome.
        f"genome {'-' if is_stream(genome.source) else printable(genome.source.name)}",
        f"model {printable(model.name)} sha256 {model.digest}",
        f"gates {job.gates or 'none'}{floor}",
        f"preset {search.preset} extractor {extractor.kind} "
        f"max_span {extractor.max_span} min_prob {job.min_prob:g}{limit}",
        *([f"unknown_letters {unknown:g}"] if unknown else []),
        f"known {_known(search.known)}",
        f"kin {'weigh' if search.kin else 'none'}",
        *([f"circular {printable(','.join(sorted(search.circular)))}"] if search.circular else []),
        *(["strand best"] if search.strand == "best" else []),
        *(f"exclude {each.identity()}" for each in search.exclude),
        *(f"mark {each.identity()}" for each in search.mark),
        *([f"decoys {done.decoy_megabases:g} Mb"] if done.decoys else []),
        f"sort {options.outputs.sort}",
        *(
            f"incomplete: {printable(place(tile, genome.contigs))} is missing"
            for tile, _ in done.quarantined
        ),
    ]


def _known(library: Library | None) -> str:
    return f"{printable(library.name)} sha256 {library.digest}" if library is not None else "none"
