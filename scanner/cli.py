"""The command ``premir-scan``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from premir.scanner import __version__
from premir.scanner.command import Parser, require_memory, run_command
from premir.scanner.completion import SHELLS, completion
from premir.scanner.cores import available_cores, usable_threads
from premir.scanner.errors import InputError
from premir.scanner.genome.parts import Part
from premir.scanner.log import log_to_file
from premir.scanner.modes import refuse_what_does_nothing
from premir.scanner.option_types import decoys, file_path, names, path, real, whole
from premir.scanner.options import HitFormat, Strand
from premir.scanner.outputs import Named, beside, check_apart, check_log
from premir.scanner.score.shipped import (
    DEFAULT_MODEL,
    HAIRPIN_MODEL,
    PLANT_MODEL,
    default_model,
    judged,
    list_models,
    load_model,
)
from premir.scanner.streams import is_stream

if TYPE_CHECKING:
    from premir.scanner.options import ScanOptions
    from premir.scanner.score.model import Model

_ESSENTIAL = frozenset(
    "genome hairpins out out_dir model list_models min_prob max_fp max_copies preset circular "
    "regions known reads exclude decoys report threads ray_address plan help help_all "
    "version".split()
)
_FIRST = """\
examples:
  premir-scan genome.fa.gz --out hits.bed
  premir-scan genome.fa --out hits.bed.gz --max-fp 0.1 --threads 8
  premir-scan genome.fa --out chr2.bed --regions chr2:1-2000000
  premir-scan a.fa b.fa.gz c.fa --out-dir hits

premir-scan --help-all shows the other options, more examples, and exit codes.
"""
_EXAMPLES = """\
examples:
  premir-scan genome.fa --out hits.bed
  premir-scan genome.fa --out hits.bed --out hits.gff3 --out hits.tsv
  premir-scan genome.fa --out hits.bed --report report.html
  premir-scan genome.fa.gz --out hits.bed.gz --min-prob 0.9 --threads 8
  zcat a.fa.gz b.fa.gz | premir-scan - --out hits.bed
  premir-scan genome.fa --out chr2.bed --regions chr2:1-2000000
  premir-scan genome.fa --out hits.bed --ray-address auto
  premir-scan genome.fa --candidates candidates.bed
  premir-scan genome.fa --out hits.bed --part 3/100      # one job of an array, then
  premir-scan genome.fa --out hits.bed --finalise
  premir-scan a.fa b.fa.gz c.fa --out-dir hits            # many genomes, one engine
  premir-scan --genomes list.tsv --out-dir hits --ray-address auto
  premir-scan --hairpins sequences.fa --out scores.tsv
  premir-scan --autosql hits.bed > hits.as                # for bedToBigBed

A scan that was interrupted goes on where it stopped when the same command runs again.
exit codes: 0 done, 1 failed (the message says whether to run again), 2 wrong usage or input,
3 finished but some tiles or genomes are missing, 4 the run directory belongs to another run,
130/143 interrupted, 141 whoever read the output has gone
"""


def build_parser() -> Parser:
    """Return the parser of ``premir-scan``."""
    parser = Parser(
        prog="premir-scan",
        usage="premir-scan GENOME --out FILE [options]",
        description="Find precursor microRNA hairpins in a genome.",
        essential=_ESSENTIAL,
        short_epilog=_FIRST,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("genome", nargs="*", type=path, metavar="GENOME",
        help="FASTA: plain, gzip, bgzip, bzip2, xz or zstd; - for stdin; "
        "several with --out-dir")  # fmt: skip
    add = parser.add_argument_group("input and output").add_argument
    add("--hairpins", type=path, metavar="FASTA", help="classify these sequences as they are; "
        "- for stdin")  # fmt: skip
    add("-o", "--out", action="append", default=[], type=file_path, metavar="FILE", help="hits, in "
        "the format that its name ends in: bed (else), gff3, tsv, jsonl, fasta, vienna or "
        "mature.fa (with .gz or .bgz bgzipped, BED and GFF3 also indexed); may be repeated; TSV "
        "with --hairpins; - for stdout")  # fmt: skip
    add("--out-dir", type=path, metavar="DIR", help="for any number of genomes: NAME.bed and "
        "NAME.bed.summary.json of each, and genomes.tsv, go here")  # fmt: skip
    add("--genomes", type=path, metavar="TSV", help="with --out-dir: list of name, path and "
        "(optional) preset in place of GENOME")  # fmt: skip
    add("--format", action="append", default=[], metavar="FORMAT", help="of --out where the name "
        "tells none; with --out-dir: what to write of each genome, also with .gz; may be repeated "
        "there; default: bed",
        choices=[name + end for name in get_args(HitFormat) for end in ("", ".gz")])  # fmt: skip
    add("--candidates", type=file_path, metavar="BED", help="write all candidate intervals (as "
        "--out), scored by minus their stem energy in centibits; without --out the scan stops "
        "there")  # fmt: skip
    add("--summary", type=file_path, metavar="JSON", help="default: OUT.summary.json; - for stdout")
    add("--report", type=file_path, metavar="HTML", help="write a page about the hits that any "
        "browser shows, offline: how much to believe, distributions, drawn hairpins; with "
        "--out-dir NAME.HTML of each genome")  # fmt: skip
    add("--multiqc", type=file_path, metavar="NAME_mqc.json", help="write a section for MultiQC, "
        "of all genomes with --out-dir")  # fmt: skip
    add("--sort", choices=["fasta", "coordinate"], default="fasta", help="order of hits: contigs "
        "as in the FASTA file, or as LC_ALL=C sort -k1,1 -k2,2n has them, which bedtools and "
        "bedToBigBed want; default: %(default)s")  # fmt: skip
    add("--autosql", type=path, metavar="BED", help="print an autoSql of what a BED file of hits "
        "holds, as bedToBigBed takes it, and exit")  # fmt: skip
    add("--circular", type=names, default=(), metavar="all|NAME,...", help="join the ends of "
        "these contigs (plasmids, organelles, many viruses), or of all: what lies across them is "
        "found, too")  # fmt: skip
    add("--regions", action="append", default=[], metavar="REGION",
        help="report only hits whose mid-point lies in CONTIG or CONTIG:START-END (1-based "
        "inclusive); may be repeated")  # fmt: skip
    add("--regions-file", type=path, metavar="BED", help="likewise in the intervals (0-based "
        "half-open) of a BED file; - for stdin")  # fmt: skip

    add = parser.add_argument_group("model").add_argument
    add("--model", metavar="NAME|DIR", help=f"default: {DEFAULT_MODEL}; with --preset plant "
        f"{PLANT_MODEL}; with --hairpins {HAIRPIN_MODEL}, which needs no flanks")  # fmt: skip
    add("--list-models", action="store_true", help="list the models that premir ships, and exit")
    add("--min-prob", type=real(0, 1), metavar="P", help="report hits of at least this "
        "probability; default: the model's threshold")  # fmt: skip
    add("--max-fp", type=real(0, 1e9), metavar="PER_MB", help="in place of --min-prob: report hits "
        "that score as at most so many false ones per Mb did in genomes that the model never "
        "saw, by model and known families together")  # fmt: skip
    add("--exhaustive", action="store_true", help="fold and score every candidate: no gates, which "
        "reject what cannot become a hit at the model's threshold")  # fmt: skip
    add("--decoys", type=decoys, default="none", metavar="auto|MB|none", help="scan so many Mb of "
        "the genome shuffled as well, and tell false calls by what is called there (columns "
        "fp_per_mb and q_value); auto: as much as the genome, from 2 to 20 Mb; default: "
        "%(default)s")  # fmt: skip
    add("--max-q", type=real(0, 1), metavar="Q", help="leave out hits whose q_value, the share of "
        "false ones among hits that score as high, is greater; default: no limit")  # fmt: skip
    add("--max-copies", type=whole(0), metavar="N", help="leave out hits whose arms recur more "
        "than N times in the genome; default: no limit")  # fmt: skip
    add("--max-masked", type=real(0, 1), metavar="FRACTION", help="leave out hits with a larger "
        "share of soft-masked (lower-case) letters; default: no limit")  # fmt: skip

    add = parser.add_argument_group("evidence").add_argument
    add("--known", action="append", type=path, default=[], metavar="FASTA", help="compare hits "
        "with these precursors and matures, named as in miRBase or MirGeneDB, or with a library of "
        "premir-train known; may be repeated; none: with nothing; default: the families that "
        "premir ships")  # fmt: skip
    add("--known-clade", type=names, default=(), metavar="CLADE,...", help="compare only with "
        "known hairpins of these clades (Nematoda, Mammalia ...) or organisms (cel, hsa ...), told "
        "by the codes that their names begin with; ^ before a clade leaves it out: "
        "^Nematoda")  # fmt: skip
    add("--kin", choices=["weigh", "none"], default="weigh", help="weigh: hits that many places of "
        "the genome resemble, as they do repeats, have lower log_odds, where the model's card "
        "knows what that is worth; none: they are not looked for; default: "
        "%(default)s")  # fmt: skip
    add("--reads", type=path, action="append", default=[], metavar="BAM", help="small-RNA reads on "
        "this genome, adapters removed, sorted and indexed, BAM or CRAM: adds columns and moves "
        "log_odds; may be repeated")  # fmt: skip

    add("--strand", choices=get_args(Strand), default="both", help="best: leave out hits that have "
        "one with higher log_odds on the other strand of the same place; default: "
        "%(default)s")  # fmt: skip
    add("--exclude", type=path, action="append", default=[], metavar="FILE", help="leave out hits "
        "of which features of this BED or GFF file (rRNA, tRNA, exons, repeats ...) cover more "
        "than half, on either strand; may be repeated")  # fmt: skip
    add("--mark", type=path, action="append", default=[], metavar="FILE", help="say which "
        "features of this BED or GFF file share letters with hits (columns features and "
        "features_fraction); may be repeated")  # fmt: skip
    add("--feature-types", type=names, default=(), metavar="TYPE,...", help="of GFF files of "
        "--exclude and --mark only features of these types, as exon,tRNA; default: all but those "
        "that stand for a whole sequence (chromosome, region ...)")  # fmt: skip

    add = parser.add_argument_group("candidates").add_argument
    add("--extractor", choices=["stems", "windows"], default="stems", help="stems: "
        "best stem-loops; windows: 110 nt every 10 nt; default: %(default)s")  # fmt: skip
    add("--preset", choices=["animal", "plant", "virus"], default="animal", help="hairpins of what "
        "length and kind to look for; default: %(default)s")  # fmt: skip
    add("--max-span", type=whole(40, 1000), metavar="NT", help="longest hairpin; default: "
        "the preset's (160, 300 or 120)")  # fmt: skip

    add = parser.add_argument_group("where and how it runs").add_argument
    add("--executor", choices=["local", "ray"], help="default: local, or ray where --ray-address "
        "or RAY_ADDRESS names a cluster")  # fmt: skip
    add("--ray-address", metavar="ADDRESS", help="Ray cluster to run on (auto: the one this "
        "machine belongs to)")  # fmt: skip
    add("--threads", type=whole(1), default=available_cores(), metavar="N", help="default: "
        "%(default)s, the cores that affinity, control groups and SLURM leave us")  # fmt: skip
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")
    add("--ray-timeout", "--gpu-timeout", dest="ray_timeout", type=real(0, 1e9), default=300.0,
        metavar="SECONDS", help="how long to wait for a private Ray instance to start, for a "
        "cluster's nodes and for a first CPU or GPU; default: %(default)g")  # fmt: skip
    add("--folder", choices=["kernel", "viennarna"], default="kernel", help="what folds "
        "candidates: the compiled kernel, whose hits ViennaRNA folds once more, or the ViennaRNA "
        "bindings alone; default: %(default)s")  # fmt: skip
    add("--tile-size", type=whole(1), default=1_000_000, metavar="NT", help="nucleotides worked "
        "on at a time; no effect on results; default: %(default)s")  # fmt: skip
    add("--work-dir", type=path, metavar="DIR", help="run directory; default: OUT.premir-work")
    add("--resume", choices=["auto", "never", "require"], default="auto", help="auto: go on with "
        "an earlier run of the same command; never: discard it; require: fail if there is none; "
        "default: %(default)s")  # fmt: skip
    add("--part", type=_part, metavar="i/N", help="work on the i-th of N parts of the genome, on "
        "any number of machines that share the run directory; writes no output")  # fmt: skip
    add("--plan", action="store_true", help="say what the scan would do, how long it would take "
        "and what it would reuse; writes nothing")  # fmt: skip
    add("--finalise", action="store_true", help="write the output when all parts are done")
    add("--keep-work", action="store_true", help="keep the run directory with its shards")
    add("--compile", action="store_true", help="compile all kernels into numba's cache "
        "(NUMBA_CACHE_DIR), which the first scan does otherwise, and exit")  # fmt: skip
    add("--print-completion", choices=SHELLS, metavar="SHELL", help="print what makes bash, zsh or "
        "tcsh complete options and file names, and exit")  # fmt: skip
    add("--log-file", type=file_path, metavar="FILE", help="write all messages there too")
    add("-v", "--verbose", action="count", default=0, help="more messages")
    add("-q", "--quiet", action="count", default=0, help="warnings and errors only")
    add("--version", action="version", version=f"premir {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``premir-scan``; returns the exit code."""
    parser = build_parser()
    if not (sys.argv[1:] if argv is None else argv):
        sys.stderr.write(parser.short_help())
        return InputError.exit_code
    return run_command(parser, argv, _run)


def _run(options: argparse.Namespace, given: frozenset[str]) -> int:
    refuse_what_does_nothing(options, given, _executor(options)[0])
    options.threads = usable_threads(options.threads)
    if options.list_models:
        return _list_models(options)
    if options.print_completion is not None:
        sys.stdout.write(completion(build_parser(), options.print_completion))
        return 0
    require_memory()
    if options.compile:
        return _compile(options)
    if options.autosql is not None:
        return _autosql(options)
    if options.out_dir is not None or options.genomes is not None:
        return _run_many(options)
    if len(options.genome) > 1:
        raise InputError("several genomes need --out-dir DIR")
    if bool(options.genome) == (options.hairpins is not None):
        raise InputError("give either a genome or --hairpins (see premir-scan --help)")
    return _run_one(options) if options.genome else _run_hairpins(options)


def _list_models(options: argparse.Namespace) -> int:
    _begin(options, [], [])
    remarks = {DEFAULT_MODEL: "default", PLANT_MODEL: "default with --preset plant"}
    for model in list_models():
        told = remarks.get(model.name)
        sys.stdout.write(f"{model.name}{f' ({told})' if told else ''}\t{model.description}")
        sys.stdout.write(f"\t{judged(model)}\n")
    return 0


def _compile(options: argparse.Namespace) -> int:
    _begin(options, [], [])
    from premir.scanner.compiling import compile_kernels

    compile_kernels()
    return 0


def _autosql(options: argparse.Namespace) -> int:
    _begin(options, [("--autosql", options.autosql)], [])
    from premir.scanner.report.autosql import autosql

    sys.stdout.write(autosql(options.autosql))
    return 0


def _run_hairpins(options: argparse.Namespace) -> int:
    model = load_model(options.model or HAIRPIN_MODEL)
    if len(options.out) != 1:
        raise InputError("--hairpins needs one --out FILE (or --out - for stdout)")
    (out,) = options.out
    inputs = [("--hairpins", options.hairpins), *_files_of(model)]
    _begin(options, inputs, [("--out", out)])
    from premir.scanner.classify import classify

    return classify(
        options.hairpins,
        out,
        model,
        folder_name=options.folder,
        threads=options.threads,
        quiet=options.quiet > 0,
    )


def _run_one(options: argparse.Namespace) -> int:
    model = load_model(options.model or default_model(options.preset))
    if not options.out and options.candidates is None:
        raise InputError("give --out FILE (or --out - for stdout), --candidates, or both")
    (genome,) = options.genome
    if options.part or options.finalise:
        _check_parts(options, genome)
    if not is_stream(genome) and not genome.exists():
        raise InputError(f"{genome}: no such file")
    if options.regions_file is not None and {str(genome), str(options.regions_file)} == {"-"}:
        raise InputError("GENOME and --regions-file cannot both be stdin: give one of them a name")
    settings = scan_options(options, model, genome)
    _begin_scan(options, settings)
    if options.plan:
        from premir.scanner.planning import plan

        return plan(settings, sys.stdout)
    from premir.scanner.scanning import scan

    return scan(settings)


def _run_many(options: argparse.Namespace) -> int:
    if options.out_dir is None:
        raise InputError("--genomes needs --out-dir DIR")
    if bool(options.genome) == (options.genomes is not None):
        raise InputError("--out-dir needs genomes: either their paths or --genomes TSV")
    if options.resume == "require":
        raise InputError("--resume require does not go with --out-dir")
    from premir.scanner.find.candidates import PRESETS
    from premir.scanner.genome.list import from_paths, read_list
    from premir.scanner.many import files_of, scan_many

    if options.genomes is not None:
        entries = read_list(options.genomes, options.preset, PRESETS)
    else:
        entries = from_paths(options.genome, options.preset)
    names = {entry.preset: options.model or default_model(entry.preset) for entry in entries}
    models = {name: load_model(name) for name in dict.fromkeys(names.values())}
    shapes = {
        preset: scan_options(options, models[name], entries[0].path)
        for preset, name in names.items()
    }
    suffixes = [f".{each}" for each in dict.fromkeys(options.format or ["bed"])]
    inputs = [file for model in models.values() for file in _files_of(model)]
    inputs += [(entry.source, entry.path) for entry in entries]
    inputs += [("--reads", path) for path in options.reads]
    if options.genomes is not None:
        inputs.append(("--genomes", options.genomes))
    _begin(options, inputs, *files_of(entries, shapes, options.out_dir, suffixes))
    return scan_many(entries, shapes, options.out_dir, suffixes)


def _files_of(model: Model) -> list[Named]:
    return [("--model", path) for path in model.files]


def _begin_scan(options: argparse.Namespace, settings: ScanOptions) -> None:
    from premir.scanner.preparing import files_of

    inputs, outputs, places = files_of(settings)
    if options.regions_file is not None:
        inputs.append(("--regions-file", options.regions_file))
    _begin(options, inputs, outputs, places)


def _begin(
    options: argparse.Namespace,
    inputs: Sequence[Named],
    outputs: Sequence[Named],
    places: Sequence[Named] = (),
) -> None:
    """Open the log, the first file that is written, when nothing can be overwritten any more."""
    log = [("--log-file", options.log_file)] if options.log_file is not None else []
    for _, file in log:
        check_log(file)
    check_apart(inputs, [*outputs, *log], places)
    log_to_file(options.log_file)


def scan_options(options: argparse.Namespace, model: Model, genome: Path) -> ScanOptions:
    """Return the settings that a command line asks for."""
    from premir.scanner.genome.circular import checked_names
    from premir.scanner.genome.regions import regions_of_bed
    from premir.scanner.options import Execution, Outputs, ScanOptions, Search, limits
    from premir.scanner.preparing import with_threshold
    from premir.scanner.report.evidence.features.files import FeatureFile
    from premir.scanner.report.evidence.known.reading import chosen_library

    types = options.feature_types
    executor, address = _executor(options)
    only_candidates = not options.out and options.out_dir is None
    search = Search(
        genome=genome,
        model=None if only_candidates else model,
        min_prob=model.min_prob,
        limits=limits(
            options.max_copies, options.max_q, options.max_masked, exclude=bool(options.exclude)
        ),
        circular=checked_names(options.circular),
        regions=[*options.regions, *regions_of_bed(options.regions_file)],
        preset=options.preset,
        extractor=options.extractor,
        max_span=options.max_span,
        exhaustive=options.exhaustive,
        folder=options.folder,
        known=None
        if only_candidates
        else chosen_library(model, options.known, options.known_clade),
        kin=options.kin == "weigh",
        reads=options.reads,
        strand=options.strand,
        exclude=[FeatureFile.checked(each, types) for each in options.exclude],
        mark=[FeatureFile.checked(each, types) for each in options.mark],
        decoys=options.decoys,
    )
    return ScanOptions(
        with_threshold(search, options.min_prob, options.max_fp),
        Execution(
            threads=options.threads,
            executor=executor,
            ray_address=address,
            ray_timeout=options.ray_timeout,
            device=options.device,
            tile_size=options.tile_size,
            work_dir=options.work_dir,
            resume=options.resume,
            part=options.part,
            finalise=options.finalise,
            keep_work=options.keep_work,
            quiet=options.quiet > 0,
        ),
        Outputs(
            out=options.out,
            format=_format_of_names(options),
            candidates=options.candidates,
            summary=options.summary
            or (beside(options.out[0], ".summary.json") if options.out else None),
            report=options.report,
            multiqc=options.multiqc,
            sort=options.sort,
        ),
    )


def _check_parts(options: argparse.Namespace, genome: Path) -> None:
    if is_stream(genome):
        raise InputError(
            f"{genome}: a stream can be read only once, and --part and --finalise read the genome "
            "in every command; write it to a file first"
        )
    if options.resume == "never":
        raise InputError("--resume never would discard other parts' work; remove the run directory")
    if options.work_dir is None and is_stream([*options.out, options.candidates][0]):
        raise InputError("--part and --finalise need --work-dir when the output goes to stdout")


def _format_of_names(options: argparse.Namespace) -> HitFormat | None:
    """Return the format of outputs whose names tell none."""
    if options.out_dir is not None or not options.format:
        return None
    *others, wanted = options.format
    if others:
        raise InputError("several --format need --out-dir; with --out give each file a name that "
            "ends in its format")  # fmt: skip
    if wanted.endswith(".gz"):
        raise InputError(f"--format {wanted}: what is compressed has a name that ends in .gz")
    found: HitFormat = wanted
    return found


def _executor(options: argparse.Namespace) -> tuple[str, str | None]:
    """Return the executor that is asked for, and the address of the cluster it shall join."""
    address = options.ray_address or os.environ.get("RAY_ADDRESS")
    executor = options.executor or ("ray" if address else "local")
    return executor, address if executor == "ray" else None


def _part(text: str) -> Part:
    try:
        return Part.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
