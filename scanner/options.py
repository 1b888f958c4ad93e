"""Settings of a scan; the command line's options bear the same names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from premir.scanner.genome.parts import Part
    from premir.scanner.report.evidence.features.files import FeatureFile
    from premir.scanner.report.evidence.known.library import Library
    from premir.scanner.score.model import Model

Resume: TypeAlias = Literal["auto", "never", "require"]
HitFormat: TypeAlias = Literal["bed", "gff3", "tsv", "jsonl", "fasta", "vienna", "mature.fa"]
Strand: TypeAlias = Literal["both", "best"]
Order: TypeAlias = Literal["fasta", "coordinate"]


_MOST_EXCLUDED = 0.5
"""Hits of which excluded features cover a larger share are left out."""


def limits(
    max_copies: int | None, max_q: float | None, max_masked: float | None, *, exclude: bool
) -> dict[str, float]:
    """Return by column what a hit has at most, as far as it was asked for.

    Args:
        max_copies: how often its arms recur.
        max_q: its q-value.
        max_masked: share of its letters that are soft-masked.
        exclude: whether features leave out what lies in them.
    """
    asked = {
        "copies": max_copies,
        "q_value": max_q,
        "masked_fraction": max_masked,
        "excluded_fraction": _MOST_EXCLUDED if exclude else None,
    }
    return {column: limit for column, limit in asked.items() if limit is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is scanned, and for what: all that hits depend on.

    Attributes:
        genome: FASTA file.
        model: scores candidates; None where they are only listed.
        min_prob: reporting threshold.
        limits: by column: hits with more are not reported.
        circular: contigs whose ends are joined, by name, or ``all``; none where empty.
        regions: regions to report, all where empty.
        preset: ``animal``, ``plant`` or ``virus``: what kind of hairpins to look for.
        extractor: ``stems`` or ``windows``.
        max_span: longest candidate, in nt; the preset's where None.
        exhaustive: fold and score every candidate, without the model's gates.
        folder: what folds candidates, ``kernel`` or ``viennarna``.
        known: known hairpins that candidates are compared with; None for none.
        kin: take the places that resemble a hit from its log odds, where the model's card knows
            what they are worth.
        reads: libraries of small-RNA reads on the genome, BAM or CRAM.
        strand: ``best`` leaves out hits that have a better one on the other strand.
        exclude: features that leave out what lies in them.
        mark: features that hits are told of.
        decoys: Mb of shuffled genome to scan as well, to tell false calls by; ``auto`` for what
            suits genome and model, 0 for none.
    """

    genome: Path
    model: Model | None
    min_prob: float
    limits: Mapping[str, float] = field(default_factory=dict)
    circular: Sequence[str] = ()
    regions: Sequence[str] = ()
    preset: str = "animal"
    extractor: str = "stems"
    max_span: int | None = None
    exhaustive: bool = False
    folder: str = "kernel"
    known: Library | None = None
    kin: bool = True
    reads: Sequence[Path] = ()
    strand: Strand = "both"
    exclude: Sequence[FeatureFile] = ()
    mark: Sequence[FeatureFile] = ()
    decoys: float | Literal["auto"] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Where and how a scan runs; hits do not depend on it.

    Attributes:
        threads: local threads (and CPUs of a private Ray instance).
        executor: ``local`` or ``ray``.
        ray_address: Ray cluster to use; a private instance where None.
        ray_timeout: seconds to wait for a private Ray instance to start, for the nodes of a
            cluster and for a first CPU or GPU.
        device: ``auto``, ``cpu`` or ``cuda``.
        tile_size: nucleotides in a tile's core.
        work_dir: run directory; beside the output where None.
        resume: ``auto``, ``never`` (discard an earlier run) or ``require`` (fail without one).
        part: part of the tiles to work on, without writing output; None for all of them.
        finalise: write the output of tiles that parts have worked on.
        keep_work: keep the run directory after success, and in it the shards of scored tiles.
        quiet: no progress bar.
    """

    threads: int
    executor: str = "local"
    ray_address: str | None = None
    ray_timeout: float = 300.0
    device: str = "auto"
    tile_size: int = 1_000_000
    work_dir: Path | None = None
    resume: Resume = "auto"
    part: Part | None = None
    finalise: bool = False
    keep_work: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What is written; ``-`` is stdout.

    Attributes:
        out: files of the same hits, each of the format that its name ends in (``.gz``: bgzipped,
            BED and GFF3 also indexed); run directory and summary are named after the first.
        format: of files whose names tell none; BED where None.
        candidates: BED6 file of candidate intervals, None for none.
        summary: JSON summary, None for none.
        report: HTML page about the hits, None for none.
        multiqc: JSON section for MultiQC, None for none.
        sort: order of hits: of contigs in the FASTA file, or as other programs sort by coordinate.
    """

    out: Sequence[Path] = ()
    format: HitFormat | None = None
    candidates: Path | None = None
    summary: Path | None = None
    report: Path | None = None
    multiqc: Path | None = None
    sort: Order = "fasta"

    @property
    def first(self) -> Path | None:
        """What run directory and summary are named after."""
        return self.out[0] if self.out else self.candidates


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """All settings of a scan.

    Attributes:
        search: what is scanned, and for what.
        execution: where and how.
        outputs: what is written.
    """

    search: Search
    execution: Execution
    outputs: Outputs
