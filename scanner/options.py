"""Settings of a scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from premir.scanner.genome.parts import Part
from premir.scanner.run.rundir import Resume
from premir.scanner.score.store import ModelSpec


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """Settings of a scan; the command line's options bear the same names.

    Attributes:
        genome: FASTA file.
        out: BED file (``.gz``: bgzipped and indexed), ``-`` for stdout, None for none.
        candidates: BED6 file of candidate intervals, None for none.
        summary: JSON summary, None for none.
        model: shipped model or model directory.
        min_prob: reporting threshold.
        max_copies: hits whose arms recur more often are not reported; None for no limit.
        exhaustive: fold and score every candidate, without the model's gates.
        regions: regions to report, all where empty.
        preset: ``animal``, ``plant`` or ``virus``: what kind of hairpins to look for.
        extractor: ``stems`` or ``windows``.
        max_span: longest candidate, in nt; the preset's where None.
        folder: ``kernel`` or ``viennarna``.
        executor: ``local`` or ``ray``.
        ray_address: Ray cluster to use; a private instance where None.
        threads: local threads (and CPUs of a private Ray instance).
        device: ``auto``, ``cpu`` or ``cuda``.
        ray_timeout: seconds to wait for a private Ray instance to start, for the nodes of a
            cluster and for a first CPU or GPU.
        tile_size: nucleotides in a tile's core.
        work_dir: run directory; beside the output where None.
        resume: ``auto``, ``never`` (discard an earlier run) or ``require`` (fail without one).
        part: part of the tiles to work on, without writing output; None for all of them.
        finalise: write the output of tiles that parts have worked on.
        keep_work: keep the run directory after success.
        quiet: no progress bar.
    """

    genome: Path
    out: Path | None
    candidates: Path | None
    summary: Path | None
    model: ModelSpec
    min_prob: float
    max_copies: int | None
    exhaustive: bool
    regions: Sequence[str]
    preset: str
    extractor: str
    max_span: int | None
    folder: str
    executor: str
    ray_address: str | None
    threads: int
    device: str
    ray_timeout: float
    tile_size: int
    work_dir: Path | None
    resume: Resume
    part: Part | None
    finalise: bool
    keep_work: bool
    quiet: bool

    @property
    def folds(self) -> bool:
        """Whether candidates are folded and scored, or only listed."""
        return self.out is not None
