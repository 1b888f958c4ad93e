"""What users of Python see: scan, look for candidates, fold, score, read what scans write."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from premir.kernels.codes import decode
from premir.kernels.pairing import dot_bracket
from premir.scanner.cores import available_cores, usable_threads
from premir.scanner.errors import InputError, MissingTilesError
from premir.scanner.errors import PremirError as PremirError
from premir.scanner.find.candidates import PRESETS, candidates_of
from premir.scanner.find.folding import fold as fold
from premir.scanner.find.folding import make_folder
from premir.scanner.find.hairpins import Hairpins as Hairpins
from premir.scanner.find.shards import Shard as Shard
from premir.scanner.find.shards import read_shard as read_shard
from premir.scanner.genome.circular import checked_names
from premir.scanner.genome.letters import OpenGenome, open_genome
from premir.scanner.genome.regions import regions_of_bed
from premir.scanner.options import (
    Execution,
    HitFormat,
    Order,
    Outputs,
    Resume,
    ScanOptions,
    Search,
    Strand,
    limits,
)
from premir.scanner.outputs import beside, check_apart
from premir.scanner.report.evidence.features.files import FeatureFile
from premir.scanner.report.evidence.known.reading import chosen_library
from premir.scanner.report.reading import read_hits as read_hits
from premir.scanner.report.summary import Summary as Summary
from premir.scanner.score.model import Model as Model
from premir.scanner.score.shipped import default_model
from premir.scanner.score.shipped import load_model as load_model

_Path = str | os.PathLike[str]


def scan(
    genome: _Path,
    out: _Path | Sequence[_Path],
    *,
    format: HitFormat | None = None,  # noqa: A002  # as the option
    model: str | Model | None = None,
    min_prob: float | None = None,
    max_fp: float | None = None,
    max_copies: int | None = None,
    max_masked: float | None = None,
    known: Literal["none"] | Sequence[_Path] = (),
    known_clade: Sequence[str] = (),
    kin: Literal["weigh", "none"] = "weigh",
    decoys: float | Literal["auto"] = 0,
    max_q: float | None = None,
    sort: Order = "fasta",
    circular: Literal["all"] | Sequence[str] = (),
    regions: Sequence[str] = (),
    regions_file: _Path | None = None,
    preset: Literal["animal", "plant", "virus"] = "animal",
    extractor: Literal["stems", "windows"] = "stems",
    max_span: int | None = None,
    exhaustive: bool = False,
    folder: Literal["kernel", "viennarna"] = "kernel",
    reads: Sequence[_Path] = (),
    strand: Strand = "both",
    exclude: Sequence[_Path] = (),
    mark: Sequence[_Path] = (),
    feature_types: Sequence[str] = (),
    candidates: _Path | None = None,
    summary: _Path | None = None,
    report: _Path | None = None,
    multiqc: _Path | None = None,
    threads: int | None = None,
    executor: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
    ray_timeout: float = 300.0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    tile_size: int = 1_000_000,
    work_dir: _Path | None = None,
    resume: Resume = "auto",
    keep_work: bool = False,
    progress: bool = False,
) -> Summary:
    """Scan a genome, as the command ``premir-scan GENOME --out OUT`` does.

    A scan that was interrupted goes on where it stopped when it is called again.

    Args:
        genome: FASTA file: plain, gzip, bgzip, bzip2, xz or zstd.
        out: file of hits, in the format that its name ends in: BED, or ``.gff3``, ``.tsv``,
            ``.jsonl``, ``.fasta``, ``.vienna`` or ``.mature.fa`` (``.gz`` or ``.bgz``: bgzipped,
            BED and GFF3 also indexed); or several such files of the same hits.
        format: of files whose names tell none; BED by default.
        model: shipped model, model directory, or one that is loaded; the preset's by default.
        min_prob: reporting threshold; the model's by default.
        max_fp: in place of ``min_prob``: most false calls per Mb, in genomes that the model never
            saw and by model and known families together, of what scores as a hit does.
        max_copies: leave out hits whose arms recur more often in the genome.
        max_masked: leave out hits with a larger share of soft-masked (lower-case) letters.
        known: FASTA files of precursors and matures that hits are compared with, or a library of
            ``premir-train known``; ``none`` for nothing; the families that premir ships by default.
        known_clade: clades (``Nematoda``) or organisms (``cel``) whose known hairpins alone hits
            are compared with; ``^`` before one leaves it out.
        kin: whether the places of the genome that resemble a hit, as they do repeats, are looked
            for and taken from its log odds.
        decoys: Mb of the genome to scan shuffled as well, to tell false calls by; ``auto`` for as
            much as the genome, from 2 to 20 Mb; 0 for none.
        max_q: leave out hits with a greater share of false ones among those that score as high.
        sort: order of hits: contigs as in the FASTA file, or sorted by name and start.
        circular: contigs whose ends are joined, by name; ``all`` for every one.
        regions: ``CONTIG`` or ``CONTIG:START-END`` (1-based inclusive): report hits there only.
        regions_file: BED file: likewise in its intervals.
        preset: hairpins of what length and kind to look for.
        extractor: how candidates are found.
        max_span: longest hairpin in nt, up to 1,000; the preset's by default.
        exhaustive: fold and score every candidate, without the model's gates.
        folder: what folds candidates.
        reads: BAM or CRAM files of small-RNA reads on this genome, sorted and indexed.
        strand: ``best`` leaves out hits that have a better one on the other strand.
        exclude: BED or GFF files: leave out hits of which their features cover more than half.
        mark: BED or GFF files: say which of their features share letters with hits.
        feature_types: of features of GFF that count; by default all but those that stand for a
            whole sequence.
        candidates: BED6 file for all candidate intervals.
        summary: JSON file; ``OUT.summary.json`` by default, after the first ``out``.
        report: HTML page about the hits.
        multiqc: section for MultiQC, a file whose name ends in ``_mqc.json``.
        threads: cores to use; all that this process may use by default.
        executor: where the scan runs.
        ray_address: Ray cluster to use; a private instance by default.
        ray_timeout: seconds to wait for Ray.
        device: where networks compute.
        tile_size: nucleotides worked on at a time; no effect on results.
        work_dir: run directory; ``OUT.premir-work`` by default.
        resume: what to do with an earlier run of the same scan.
        keep_work: keep the run directory with its shards.
        progress: show a progress bar on stderr.

    Returns:
        The summary, as docs/formats.md has it.

    Raises:
        InputError: a file or a setting cannot be used; nothing was written.
        MissingTilesError: hits were written, but some tiles failed; the same call tries them again.
        PremirError: the scan failed and can be resumed.
    """
    _check("preset", preset, PRESETS)
    for name, value, choices in (
        ("extractor", extractor, ("stems", "windows")),
        ("folder", folder, ("kernel", "viennarna")),
        ("executor", executor, ("local", "ray")),
        ("device", device, ("auto", "cpu", "cuda")),
        ("resume", resume, ("auto", "never", "require")),
        ("strand", strand, get_args(Strand)),
        ("sort", sort, ("fasta", "coordinate")),
        ("kin", kin, ("weigh", "none")),
        ("format", format or "bed", get_args(HitFormat)),
    ):
        _check(name, value, choices)
    _check_range("min_prob", min_prob, 0, 1)
    _check_range("max_fp", max_fp, 0, np.inf)
    _check_range("max_span", max_span, 40, 1000)
    _check_range("max_copies", max_copies, 0, np.inf)
    _check_range("max_q", max_q, 0, 1)
    _check_range("max_masked", max_masked, 0, 1)
    if decoys != "auto":
        _check_range("decoys", decoys, 0, 100_000)
    _check_range("tile_size", tile_size, 1, np.inf)
    _check_range("threads", threads, 1, np.inf)
    chosen = model if model is not None else default_model(preset)
    loaded = load_model(chosen) if isinstance(chosen, str) else chosen
    files = [known] if isinstance(known, str) else known
    outs = [Path(each) for each in ([out] if isinstance(out, str | os.PathLike) else out)]
    if not outs:
        raise InputError("out names no file")
    told = Path(summary) if summary is not None else beside(outs[0], ".summary.json")
    if told is None:
        raise InputError(f"{outs[0]}: is a stream; give a file")
    from premir.scanner.preparing import files_of, with_threshold
    from premir.scanner.scanning import scan as run

    search = Search(
        genome=Path(genome),
        model=loaded,
        min_prob=loaded.min_prob,
        limits=limits(max_copies, max_q, max_masked, exclude=bool(exclude)),
        circular=checked_names([circular] if isinstance(circular, str) else circular),
        regions=[*regions, *regions_of_bed(Path(regions_file) if regions_file else None)],
        preset=preset,
        extractor=extractor,
        max_span=max_span,
        exhaustive=exhaustive,
        folder=folder,
        known=chosen_library(
            loaded,
            [Path(each) for each in files],
            [known_clade] if isinstance(known_clade, str) else known_clade,
        ),
        kin=kin == "weigh",
        reads=[Path(each) for each in reads],
        strand=strand,
        exclude=[FeatureFile.checked(Path(each), feature_types) for each in exclude],
        mark=[FeatureFile.checked(Path(each), feature_types) for each in mark],
        decoys=decoys,
    )
    options = ScanOptions(
        with_threshold(search, min_prob, max_fp),
        Execution(
            threads=usable_threads(threads or available_cores()),
            executor=executor,
            ray_address=ray_address,
            ray_timeout=ray_timeout,
            device=device,
            tile_size=tile_size,
            work_dir=Path(work_dir) if work_dir is not None else None,
            resume=resume,
            keep_work=keep_work,
            quiet=not progress,
        ),
        Outputs(
            out=outs,
            format=format,
            candidates=Path(candidates) if candidates is not None else None,
            summary=told,
            report=Path(report) if report is not None else None,
            multiqc=Path(multiqc) if multiqc is not None else None,
            sort=sort,
        ),
    )
    check_apart(*files_of(options))
    code = run(options)
    result: Summary = json.loads(told.read_text(encoding="utf-8"))
    if code != 0:
        missing = ", ".join(each["place"] for each in result["quarantined"])
        raise MissingTilesError(f"{outs[0]}: is incomplete, these tiles failed: {missing}")
    return result


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate hairpin.

    Attributes:
        contig: name of its sequence.
        start: first position, 0-based on the plus strand.
        end: position after the last.
        strand: ``+`` or ``-``.
        stem_energy: of the stem scan, in bits; the lower, the better.
        sequence: RNA 5' to 3', with the context that was folded.
        structure: of that sequence, in dot-bracket notation.
        mfe: minimum free energy of that sequence, in kcal/mol.
    """

    contig: str
    start: int
    end: int
    strand: str
    stem_energy: float
    sequence: str
    structure: str
    mfe: float


def candidates(
    genome: str | Mapping[str, str] | os.PathLike[str],
    *,
    preset: Literal["animal", "plant", "virus"] = "animal",
    extractor: Literal["stems", "windows"] = "stems",
    max_span: int | None = None,
    context_nt: int = 0,
    unknown_letters: float = 0.0,
    folder: Literal["kernel", "viennarna"] = "kernel",
) -> Iterator[Candidate]:
    """Find the candidates of a sequence or genome on both strands, and fold them.

    Args:
        genome: a sequence, sequences by name, or a :class:`~pathlib.Path` of a FASTA file.
        preset: hairpins of what length and kind to look for.
        extractor: how candidates are found.
        max_span: longest hairpin in nt; the preset's by default.
        context_nt: nucleotides to fold on both sides of each.
        unknown_letters: share of letters other than A, C, G, T, U that what is folded may hold.
        folder: what folds them.

    Yields:
        Candidates by contig, strand and position, as they are found.

    Raises:
        InputError: the file cannot be used.
    """
    _check("preset", preset, PRESETS)
    _check("extractor", extractor, ("stems", "windows"))
    _check("folder", folder, ("kernel", "viennarna"))
    _check_range("max_span", max_span, 40, 1000)
    _check_range("context_nt", context_nt, 0, 200)
    _check_range("unknown_letters", unknown_letters, 0, 1)
    own = PRESETS[preset]
    own = replace(
        own,
        kind=extractor,
        max_span=max_span or own.max_span,
        context_nt=context_nt,
        unknown_letters=unknown_letters,
    )
    folds = make_folder(folder, processes=0)
    with _opened(genome) as letters:
        for found in candidates_of(letters, own, folds):
            assert found.hairpins is not None
            for n in range(len(found.loci)):
                codes, pairs, mfe = found.hairpins[n]
                yield Candidate(
                    contig=letters.contigs.names[int(found.loci.contig[n])],
                    start=int(found.loci.start[n]),
                    end=int(found.loci.end[n]),
                    strand="+" if found.loci.strand[n] > 0 else "-",
                    stem_energy=int(found.loci.stem_energy[n]) / 100,
                    sequence=decode(codes),
                    structure=dot_bracket(pairs),
                    mfe=mfe / 100,
                )


def _opened(
    genome: str | Mapping[str, str] | os.PathLike[str],
) -> AbstractContextManager[OpenGenome]:
    if isinstance(genome, str):
        genome = {"sequence": genome}
    if isinstance(genome, Mapping):
        return nullcontext(OpenGenome.of(genome))
    return open_genome(Path(genome))


def _check(name: str, value: str, known: Sequence[str] | Mapping[str, object]) -> None:
    if value not in known:
        raise InputError(f"{name} is {value!r}; expected one of {', '.join(known)}")


def _check_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise InputError(f"{name} is {value!r}; expected a number from {low:g} to {high:g}")
